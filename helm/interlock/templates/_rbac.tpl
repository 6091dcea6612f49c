{{/*
What the controller may do where applications live. docs/helm.md says what each line is for; tests/helm asks the API server
for every verb, also for those that must not be there. No line holds a star.
*/}}
{{- define "interlock.rules" -}}
{{- $routers := .Values.routers }}
# Stable is patched at promotion; the canary's Deployment is made, sized and taken away.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
# Stable gets back, before its traffic does, the pods that its autoscaler took while the canary carried a part.
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [patch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
# The canary's Service.
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, create, patch, delete]
# Copies of the ConfigMaps that the canary's pods use. Nobody's ConfigMap is changed.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, create, delete]
# Every version's pod template, so that the way back is exact.
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, create, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list]
# How long a weight is valid.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, patch, delete]
{{- if $routers.gatewayApi }}
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes, grpcroutes]
  verbs: [get, list, watch, patch]
{{- end }}
{{- if $routers.istio }}
- apiGroups: [networking.istio.io]
  resources: [virtualservices]
  verbs: [get, list, watch, patch]
{{- end }}
{{- if $routers.ingressNginx }}
# The canary Ingress beside each stable one.
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if $routers.traefik }}
- apiGroups: [traefik.io]
  resources: [traefikservices]
  verbs: [get, list, watch, patch]
{{- end }}
{{- if $routers.replicas }}
# The slice that holds the canary's endpoints beside stable's.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
- apiGroups: [interlock.dev]
  resources: [applications]
  verbs: [list, watch, patch]
- apiGroups: [interlock.dev]
  resources: [applications/status]
  verbs: [patch]
- apiGroups: [interlock.dev]
  resources: [releases]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [interlock.dev]
  resources: [releases/status]
  verbs: [patch]
{{- end }}

{{/* Gives a Role to the controller. Takes: root, name, namespace. */}}
{{- define "interlock.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "interlock.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "interlock.serviceAccountName" .root }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}
