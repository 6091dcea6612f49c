{{/*
CEL that several policies share. Objects are read as dyn, since one expression reads several kinds, and every field is
asked for with has() first: an expression that fails must not be what decides about traffic.
*/}}

{{/* A list of texts as CEL writes it. */}}
{{- define "interlock.cel.list" -}}
[{{ range $i, $text := . }}{{ if $i }}, {{ end }}'{{ $text | replace "\\" "\\\\" | replace "'" "\\'" }}'{{ end }}]
{{- end }}

{{- define "interlock.cel.controller" -}}
request.userInfo.username == '{{ include "interlock.user" . }}'
{{- end }}

{{- define "interlock.cel.breakGlass" -}}
(has(request.userInfo.groups) && request.userInfo.groups.exists(g, g in {{ include "interlock.cel.list" .Values.admissionPolicies.breakGlassGroups }}))
{{- end }}

{{/* The controller, Kubernetes' own controllers (garbage collection, endpoints, namespaces), trusted users, break glass. */}}
{{- define "interlock.cel.trusted" -}}
({{ include "interlock.cel.controller" . }}
|| request.userInfo.username.startsWith('system:serviceaccount:kube-system:')
|| request.userInfo.username in {{ include "interlock.cel.list" (concat (list "system:kube-controller-manager" "system:apiserver") .Values.admissionPolicies.trustedUsers) }}
|| {{ include "interlock.cel.breakGlass" . }})
{{- end }}

{{/* Whether "labels" or "annotations" of Interlock differ between the object and what it was. */}}
{{- define "interlock.cel.marksDiffer" -}}
[has(oldObject.metadata.{{ . }}) ? oldObject.metadata.{{ . }} : {}].exists(was, [has(object.metadata.{{ . }}) ? object.metadata.{{ . }} : {}].exists(is, was.exists(k, k.startsWith('interlock.dev/') && (!(k in is) || is[k] != was[k])) || is.exists(k, k.startsWith('interlock.dev/') && !(k in was))))
{{- end }}

{{/* Whether "object" or "oldObject" has the annotation that makes it a route of ours. */}}
{{- define "interlock.cel.noted" -}}
(dyn({{ . }}) != null && has(dyn({{ . }}).metadata.annotations) && 'interlock.dev/route' in dyn({{ . }}).metadata.annotations)
{{- end }}

{{/* What an Ingress with the annotations "a" takes, in millionths. A canary Ingress without its canary annotation is an ordinary one, and takes everything. */}}
{{- define "interlock.cel.ingressShare" -}}
!('nginx.ingress.kubernetes.io/canary' in a) || a['nginx.ingress.kubernetes.io/canary'] != 'true' ? 1000000
    : !('nginx.ingress.kubernetes.io/canary-weight' in a) ? 0
    : !a['nginx.ingress.kubernetes.io/canary-weight'].matches('^[0-9]{1,6}$') ? 1000000
    : int(a['nginx.ingress.kubernetes.io/canary-weight']) * 1000000
    / ('nginx.ingress.kubernetes.io/canary-weight-total' in a
    && a['nginx.ingress.kubernetes.io/canary-weight-total'].matches('^[1-9][0-9]{0,5}$')
    ? int(a['nginx.ingress.kubernetes.io/canary-weight-total']) : 100)
{{- end }}

{{/* Whether what reaches a canary grows. Needs variables.rules: every rule as [what chooses its requests, the canary's share]. */}}
{{- define "interlock.cel.widerVariables" -}}
- name: shares
  expression: "variables.rules.map(side, side.map(rule, int(rule[1])))"
- name: carrying
  expression: "variables.rules.map(side, side.filter(rule, int(rule[1]) > 0))"
# What chooses the requests of a rule with the canary in it stays as it is: each such rule was there with the same or a
# larger share. Comparing each with each has a bound; beyond it they are compared in their order.
- name: widens
  expression: >-
    request.operation != 'DELETE' && !{{ include "interlock.cel.trusted" . | nindent 4 }} && size(variables.carrying[1]) > 0
    && (size(variables.carrying[0]) <= 50 && size(variables.carrying[1]) <= 50
    ? !variables.carrying[1].all(n, variables.carrying[0].exists(o, o[0] == n[0] && int(o[1]) >= int(n[1])))
    : size(variables.carrying[0]) != size(variables.carrying[1])
    || variables.carrying[0].map(r, r[0]) != variables.carrying[1].map(r, r[0])
    || variables.carrying[1].map(r, int(r[1])).max() > variables.carrying[0].map(r, int(r[1])).min())
# Where a route listens, as lists that may only become smaller: hosts, parents or gateways, namespaces that it is for. '*' is
# everything, as a list that is not there is where its kind says so.
- name: reach
  expression: >-
    [dyn(oldObject), dyn(object)].map(o, o == null ? []
    : request.kind.kind == 'EndpointSlice'
    ? [dyn([has(o.metadata.labels) && 'kubernetes.io/service-name' in o.metadata.labels ? o.metadata.labels['kubernetes.io/service-name'] : ''])]
    : !has(o.spec) ? []
    : request.kind.kind in ['HTTPRoute', 'GRPCRoute']
    ? [dyn(has(o.spec.hostnames) && size(o.spec.hostnames) > 0 ? o.spec.hostnames : ['*']), dyn(has(o.spec.parentRefs) ? o.spec.parentRefs : [])]
    : request.kind.kind == 'VirtualService'
    ? [dyn(has(o.spec.hosts) ? o.spec.hosts : []), dyn(has(o.spec.gateways) && size(o.spec.gateways) > 0 ? o.spec.gateways : ['mesh']),
    dyn(has(o.spec.exportTo) && size(o.spec.exportTo) > 0 ? o.spec.exportTo : ['*'])]
    : request.kind.kind == 'Ingress'
    ? [dyn([has(o.spec.ingressClassName) ? o.spec.ingressClassName : '']),
    dyn(['kubernetes.io/ingress.class', 'nginx.ingress.kubernetes.io/server-alias'].map(k,
    k + '=' + (has(o.metadata.annotations) && k in o.metadata.annotations ? o.metadata.annotations[k] : '')))]
    : [])
# Comparing each with each has a bound; beyond it they have to be the same.
- name: reaches
  expression: >-
    request.operation == 'UPDATE' && !{{ include "interlock.cel.trusted" . | nindent 4 }} && size(variables.carrying[1]) > 0
    && [0, 1, 2].exists(i, i < size(variables.reach[1]) && (i >= size(variables.reach[0]) || !('*' in variables.reach[0][i]
    || (size(variables.reach[0][i]) <= 50 && size(variables.reach[1][i]) <= 50
    ? variables.reach[1][i].all(n, n in variables.reach[0][i]) : variables.reach[0][i] == variables.reach[1][i]))))
{{- end }}

{{/*
What is compared on a route: both sides of every variable are [before, after]. A share is in millionths of a rule's
requests; for endpoints it is their number, which only the same slice is compared with.
*/}}
{{- define "interlock.cel.routeVariables" -}}
- name: notes
  expression: >-
    [{{ include "interlock.cel.noted" "oldObject" }} ? string(dyn(oldObject).metadata.annotations['interlock.dev/route']) : '',
    {{ include "interlock.cel.noted" "object" }} ? string(dyn(object).metadata.annotations['interlock.dev/route']) : '']
# The canary's Service, as the route's annotation names it; '' where it does not, and then every name that ends in -canary.
- name: canary
  expression: >-
    variables.notes.filter(n, n.matches('"canary"[ ]*:[ ]*"')).map(n, n.find('"canary"[ ]*:[ ]*"[^"]*"').split('"')[3]) + ['']
# Every rule as [what chooses its requests, its backends]; a backend is [name, weight].
- name: backends
  expression: >-
    [dyn(oldObject), dyn(object)].map(o, o == null || !has(o.spec) ? []
    : request.kind.kind in ['HTTPRoute', 'GRPCRoute']
    ? (has(o.spec.rules) ? o.spec.rules.map(r, [has(r.matches) ? dyn(r.matches) : dyn([]), has(r.backendRefs)
    ? dyn(r.backendRefs.map(b, [dyn(b.name), dyn(has(b.weight) ? int(b.weight) : 1)])) : dyn([])]) : [])
    : request.kind.kind == 'VirtualService'
    ? ((has(o.spec.http) ? o.spec.http : []) + (has(o.spec.tcp) ? o.spec.tcp : []) + (has(o.spec.tls) ? o.spec.tls : []))
    .map(r, [has(r.match) ? dyn(r.match) : dyn([]), has(r.route) ? dyn(r.route.map(b, [dyn(b.destination.host.split('.')[0]),
    dyn(has(b.weight) ? int(b.weight) : (size(r.route) == 1 ? 100 : 0))])) : dyn([])])
    : request.kind.kind == 'TraefikService'
    ? (has(o.spec.weighted) && has(o.spec.weighted.services)
    ? [[dyn([]), dyn(o.spec.weighted.services.map(b, [dyn(b.name), dyn(has(b.weight) ? int(b.weight) : 1)]))]] : [])
    : [])
# A canary Ingress without its canary annotation is an ordinary one, and takes everything.
- name: ingressShares
  expression: >-
    [dyn(oldObject), dyn(object)].map(o, o == null || request.kind.kind != 'Ingress' ? []
    : [has(o.metadata.annotations) ? o.metadata.annotations : {}].map(a, [
    dyn([dyn(has(o.spec.rules) ? o.spec.rules : []), dyn(has(o.spec.defaultBackend) ? [o.spec.defaultBackend] : [])]
    + ['header', 'header-value', 'header-pattern', 'cookie'].map(k, 'nginx.ingress.kubernetes.io/canary-by-' + k)
    .map(k, dyn(k in a ? a[k] : ''))),
    dyn({{ include "interlock.cel.ingressShare" . | nindent 4 }})]))
# Every rule as [what chooses its requests, the canary's share of them].
- name: rules
  expression: >-
    request.kind.kind == 'EndpointSlice'
    ? [dyn(oldObject), dyn(object)].map(o, [[dyn([]),
    dyn(o == null || !has(o.endpoints) || o.endpoints == null ? 0 : int(size(o.endpoints)))]])
    : request.kind.kind == 'Ingress' ? variables.ingressShares
    : variables.backends.map(side, side.map(rule, [rule[0], dyn([[rule[1].map(b, int(b[1])).sum(), rule[1].filter(b,
    variables.canary[0] == '' ? b[0].endsWith('-canary') : b[0] == variables.canary[0]).map(b, int(b[1])).sum()]]
    .map(t, t[0] == 0 ? 0 : t[1] * 1000000 / t[0])[0])]))
{{ include "interlock.cel.widerVariables" . }}
- name: recorded
  expression: >-
    variables.notes.map(n, double('0' + n.find('"weight_pct"[ ]*:[ ]*[0-9]+([.][0-9]+)?').find('[0-9.]*$')))
- name: rises
  expression: >-
    variables.recorded[1] > variables.recorded[0] || variables.shares[1].sum() > variables.shares[0].sum()
    || (size(variables.shares[0]) > 0 && size(variables.shares[1]) > 0
    && variables.shares[1].max() > variables.shares[0].max())
# A new one of that name would carry no halt. Namespaces and what belongs to others still go.
- name: removed
  expression: >-
    request.operation == 'DELETE' && !{{ include "interlock.cel.trusted" . | nindent 4 }}
- name: foreignNote
  expression: >-
    request.operation != 'DELETE' && variables.notes[0] != '' && variables.notes[1] != variables.notes[0] && !({{ include "interlock.cel.controller" . }})
{{- end }}

{{/*
What a route sends to the canaries that the kill names, whoever guards it, before and after. By the Service's name with its
namespace, since a route may name one of another namespace.
*/}}
{{- define "interlock.cel.strangerVariables" -}}
# Every rule as [what chooses its requests, its backends]. A rule of an Ingress has its paths in both.
- name: sent
  expression: >-
    [dyn(oldObject), dyn(object)].map(o, o == null || !has(o.spec) ? []
    : request.kind.kind in ['HTTPRoute', 'GRPCRoute']
    ? (has(o.spec.rules) ? o.spec.rules.filter(r, has(r.backendRefs)).map(r, [has(r.matches) ? dyn(r.matches) : dyn([]),
    dyn(r.backendRefs.map(b, [dyn((has(b.namespace) ? b.namespace : request.namespace) + '/' + b.name),
    dyn(has(b.weight) ? int(b.weight) : 1)]))]) : [])
    : request.kind.kind == 'VirtualService'
    ? ((has(o.spec.http) ? o.spec.http : []) + (has(o.spec.tcp) ? o.spec.tcp : []) + (has(o.spec.tls) ? o.spec.tls : []))
    .filter(r, has(r.route)).map(r, [has(r.match) ? dyn(r.match) : dyn([]), dyn(r.route.map(b, [dyn([b.destination.host.split('.')]
    .map(h, (size(h) > 1 ? h[1] : request.namespace) + '/' + h[0])[0]),
    dyn(has(b.weight) ? int(b.weight) : (size(r.route) == 1 ? 100 : 0))]))])
    : request.kind.kind == 'TraefikService'
    ? (has(o.spec.weighted) && has(o.spec.weighted.services) ? [[dyn([]), dyn(o.spec.weighted.services.map(b,
    [dyn((has(b.namespace) ? b.namespace : request.namespace) + '/' + b.name), dyn(has(b.weight) ? int(b.weight) : 1)]))]] : [])
    + (has(o.spec.mirroring) && has(o.spec.mirroring.name) ? [[dyn([]), dyn([[dyn((has(o.spec.mirroring.namespace)
    ? o.spec.mirroring.namespace : request.namespace) + '/' + o.spec.mirroring.name), dyn(1)]])]] : [])
    : request.kind.kind == 'Ingress'
    ? (has(o.spec.rules) ? o.spec.rules.filter(r, has(r.http)).map(r, [dyn(has(r.host) ? r.host : ''),
    dyn(r.http.paths.filter(p, has(p.backend.service)).map(p, [dyn(request.namespace + '/' + p.backend.service.name), dyn(1),
    dyn([has(p.path) ? p.path : '', has(p.pathType) ? p.pathType : ''])]))]) : [])
    + (has(o.spec.defaultBackend) && has(o.spec.defaultBackend.service) ? [[dyn(''),
    dyn([[dyn(request.namespace + '/' + o.spec.defaultBackend.service.name), dyn(1), dyn(['', 'default'])]])]] : [])
    : [])
# What an Ingress takes at most, and what chooses it. A header may choose one at weight 0, so that it never takes nothing.
- name: taken
  expression: >-
    [dyn(oldObject), dyn(object)].map(o, o == null || request.kind.kind != 'Ingress' ? [dyn(1000000), dyn([])]
    : [has(o.metadata.annotations) ? o.metadata.annotations : {}].map(a, [dyn(1000 + ({{ include "interlock.cel.ingressShare" . | nindent 4 }})),
    dyn(['header', 'header-value', 'header-pattern', 'cookie'].map(k, 'nginx.ingress.kubernetes.io/canary-by-' + k)
    .map(k, k in a ? a[k] : ''))])[0])
# Each as [what chooses its requests, the canaries' share of them, the paths of an Ingress to them]. More canaries than the
# object holds are every name that ends in -canary.
- name: rules
  expression: >-
    [0, 1].map(i, variables.sent[i].map(rule, [[dyn(rule[1].map(b, int(b[1])).sum()), dyn(rule[1].filter(b,
    string(b[0]) in params.spec.canaries || ('*' in params.spec.canaries && string(b[0]).endsWith('-canary'))))]]
    .map(t, [dyn([rule[0], variables.taken[i][1]]),
    dyn(int(t[0]) == 0 ? 0 : t[1].map(b, int(b[1])).sum() * int(variables.taken[i][0]) / int(t[0])),
    request.kind.kind == 'Ingress' ? dyn(t[1].map(b, b[2])) : dyn([])])[0]))
{{ include "interlock.cel.widerVariables" . }}
# Of an Ingress a path may go, also when others of its host stay.
- name: paths
  expression: >-
    request.operation == 'UPDATE' && request.kind.kind == 'Ingress'
    && (variables.carrying.all(side, side.map(r, size(r[2])).sum() <= 100)
    ? !variables.carrying[1].all(n, n[2].all(p, variables.carrying[0].exists(o, o[0] == n[0] && p in o[2])))
    : variables.carrying[0].map(r, [r[0], r[2]]) != variables.carrying[1].map(r, [r[0], r[2]]))
{{- end }}

{{/* The kinds that can carry weights, of the routers that are switched on. */}}
{{- define "interlock.routeResources" -}}
{{- with .Values.routers }}
{{- if .gatewayApi }}
- apiGroups: [gateway.networking.k8s.io]
  apiVersions: [v1]
  operations: [CREATE, UPDATE, DELETE]
  resources: [httproutes, grpcroutes]
{{- end }}
{{- if .istio }}
- apiGroups: [networking.istio.io]
  apiVersions: [v1]
  operations: [CREATE, UPDATE, DELETE]
  resources: [virtualservices]
{{- end }}
{{- if .ingressNginx }}
- apiGroups: [networking.k8s.io]
  apiVersions: [v1]
  operations: [CREATE, UPDATE, DELETE]
  resources: [ingresses]
{{- end }}
{{- if .traefik }}
- apiGroups: [traefik.io]
  apiVersions: [v1alpha1]
  operations: [CREATE, UPDATE, DELETE]
  resources: [traefikservices]
{{- end }}
{{- if .replicas }}
- apiGroups: [discovery.k8s.io]
  apiVersions: [v1]
  operations: [CREATE, UPDATE, DELETE]
  resources: [endpointslices]
{{- end }}
{{- end }}
{{- end }}

{{/*
The kill as the KillSwitch (the policy's params) says it. A scope that cannot be decided here, such as an environment,
covers everything: on doubt a weight does not rise.
*/}}
{{- define "interlock.cel.killVariables" -}}
- name: engaged
  expression: "params.spec.engaged == true"
- name: scopes
  expression: "has(params.spec.scopes) && size(params.spec.scopes) > 0 ? params.spec.scopes : ['fleet']"
{{- end }}

{{/* Binds a policy of ours where applications live. Takes: root, name, and params for the kill's. */}}
{{- define "interlock.policyBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "interlock.labels" .root | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: {{ .root.Values.admissionPolicies.validationActions | toJson }}
  {{- if .params }}
  paramRef:
    name: interlock
    namespace: {{ .root.Release.Namespace }}
    # Without the object nobody has engaged a kill here. Denying would also keep the controller from lowering.
    parameterNotFoundAction: Allow
  {{- end }}
  {{- if not .root.Values.clusterWide }}
  matchResources:
    namespaceSelector:
      matchExpressions:
        - key: kubernetes.io/metadata.name
          operator: In
          values: {{ include "interlock.namespaces" .root }}
  {{- end }}
{{- end }}
