{{- define "interlock.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "interlock.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "interlock.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "interlock.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* For objects without a namespace: two installations in two namespaces must not share them. */}}
{{- define "interlock.clusterName" -}}
{{- printf "%s-%s" (include "interlock.fullname" .) .Release.Namespace }}
{{- end }}

{{- define "interlock.selector" -}}
app.kubernetes.io/name: {{ include "interlock.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* "managed-by" is Helm here. The controller marks what it makes itself with "interlock", which is how the policies know it. */}}
{{- define "interlock.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "interlock.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: interlock
{{- end }}

{{- define "interlock.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "interlock.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "interlock.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "interlock.serviceAccountName" . }}
{{- end }}

{{- define "interlock.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{- define "interlock.claimName" -}}
{{- default (printf "%s-data" (include "interlock.fullname" .)) .Values.store.sqlite.existingClaim }}
{{- end }}

{{/* "true" where the state is in PostgreSQL. */}}
{{- define "interlock.onServer" -}}
{{- with .Values.store.postgresql }}{{ if .host }}true{{ end }}{{ end }}
{{- end }}

{{- define "interlock.storeUrl" -}}
{{- with .Values.store.postgresql -}}
postgresql://{{ .user }}@{{ .host }}:{{ .port }}/{{ .database }}?sslmode={{ .sslMode }}
{{- if .caSecret.name }}&sslrootcert=/etc/interlock/store-ca/ca.crt{{ end }}
{{- end }}
{{- end }}

{{/* The namespaces whose applications are guarded, as JSON; [] in cluster mode, which has no list. */}}
{{- define "interlock.namespaces" -}}
{{- if .Values.clusterWide -}}
[]
{{- else -}}
{{- default (list .Release.Namespace) .Values.namespaces | uniq | sortAlpha | toJson }}
{{- end }}
{{- end }}

{{- define "interlock.scheme" -}}
{{- if .Values.api.tls.secretName }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{/* "auto" asks whether the cluster knows the kind. Takes: root, enabled, api. */}}
{{- define "interlock.wanted" -}}
{{- if eq (toString .enabled) "auto" -}}
{{- if .root.Capabilities.APIVersions.Has .api -}}true{{- end -}}
{{- else if eq (toString .enabled) "true" -}}true{{- end -}}
{{- end }}

{{/* What cannot work is refused when it is rendered, with what to do. */}}
{{- define "interlock.check" -}}
{{- if include "interlock.onServer" . }}
{{- if not .Values.store.postgresql.passwordSecret.name }}
{{- fail "store.postgresql.host needs store.postgresql.passwordSecret.name, a Secret of yours with the password" }}
{{- end }}
{{- if and (hasPrefix "verify" .Values.store.postgresql.sslMode) (not .Values.store.postgresql.caSecret.name) }}
{{- fail "store.postgresql.sslMode checks the server's certificate: set store.postgresql.caSecret.name to a Secret with the certificate of its authority, or sslMode=require, which only encrypts" }}
{{- end }}
{{- if .Values.store.sqlite.existingClaim }}
{{- fail "store.postgresql.host and store.sqlite.existingClaim contradict each other: remove one" }}
{{- end }}
{{- end }}
{{- if and (not .Values.api.tls.secretName) (not .Values.api.insecure) }}
{{- fail "tokens would travel in the clear: set api.tls.secretName to a Secret of the type kubernetes.io/tls, or api.insecure=true where a mesh or a proxy in front does TLS" }}
{{- end }}
{{- if and .Values.api.tls.secretName .Values.api.insecure }}
{{- fail "api.tls.secretName and api.insecure=true contradict each other: remove one" }}
{{- end }}
{{- if and .Values.clusterWide .Values.namespaces }}
{{- fail "clusterWide=true already covers every namespace: remove namespaces, or clusterWide to guard only those" }}
{{- end }}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) }}
{{- fail "serviceAccount.create=false needs serviceAccount.name, the one to use" }}
{{- end }}
{{- if and .Values.prometheus.tokenSecret.name .Values.prometheus.basicSecret.name }}
{{- fail "give prometheus.tokenSecret or prometheus.basicSecret, not both" }}
{{- end }}
{{- if and (not .Values.clusterWide) .Values.pinSecretsIn }}
{{- range .Values.pinSecretsIn }}
{{- if not (has . (include "interlock.namespaces" $ | fromJsonArray)) }}
{{- fail (printf "pinSecretsIn names the namespace %s, which is not among namespaces" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
