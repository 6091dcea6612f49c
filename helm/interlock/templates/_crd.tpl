{{/*
Pieces of the custom resources' schemas that are written many times: durations, names, margins.

Every text has a maxLength and every list a maxItems, because the API server estimates the cost of each CEL rule from
them and refuses a schema whose rules could become expensive.
*/}}

{{/*
A duration. Texts only, largest unit first ("1h30m"), so that each unit stands once and CEL can read it.
Takes: about, and any of above (exclusive), least and most, in seconds.
*/}}
{{- define "interlock.crd.duration" -}}
type: string
description: {{ .about | quote }}
minLength: 2
maxLength: 32
{{- $seconds := include "interlock.crd.seconds" "self" }}
{{- $bounds := list }}
{{- $told := list }}
{{- if hasKey . "above" }}
{{- $bounds = append $bounds (printf "%s > %s" $seconds (include "interlock.crd.float" .above)) }}
{{- $told = append $told (printf "more than %v s" .above) }}
{{- end }}
{{- if hasKey . "least" }}
{{- $bounds = append $bounds (printf "%s >= %s" $seconds (include "interlock.crd.float" .least)) }}
{{- $told = append $told (printf "at least %v s" .least) }}
{{- end }}
{{- if hasKey . "most" }}
{{- $bounds = append $bounds (printf "%s <= %s" $seconds (include "interlock.crd.float" .most)) }}
{{- $told = append $told (printf "at most %v s" .most) }}
{{- end }}
x-kubernetes-validations:
  - rule: {{ printf "self.matches('%s')" (include "interlock.crd.durationPattern" .) | quote }}
    message: "is not a duration; write for example 500ms, 30s, 5m or 1h30m, the largest unit first"
  {{- if $bounds }}
  - rule: {{ join " && " $bounds | quote }}
    message: {{ printf "must be %s" (join " and " $told) | quote }}
  {{- end }}
{{- end }}

{{- define "interlock.crd.durationPattern" -}}
{{- $parts := list }}
{{- range list "w" "d" "h" "m" "s" "ms" }}
{{- $parts = append $parts (printf "([0-9]+([.][0-9]+)?%s)?" .) }}
{{- end }}
{{- printf "^%s$" (join "" $parts) }}
{{- end }}

{{/* The CEL expression that reads such a text as seconds. CEL's own durations end with hours, so days and weeks are read apart. */}}
{{- define "interlock.crd.seconds" -}}
(double('0' + {{ . }}.find('^[0-9.]+w').replace('w', '')) * 604800.0 + double('0' + {{ . }}.find('[0-9.]+d').replace('d', '')) * 86400.0 + double(duration('0s' + {{ . }}.find('([0-9.]+(h|ms|m|s))+$')).getMilliseconds()) / 1000.0)
{{- end }}

{{/* A number as CEL writes a double. */}}
{{- define "interlock.crd.float" -}}
{{- $text := toString . }}{{ $text }}{{ if not (contains "." $text) }}.0{{ end }}
{{- end }}

{{/* The name of an object. */}}
{{- define "interlock.crd.objectName" -}}
type: string
minLength: 1
maxLength: 253
pattern: '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$'
{{- end }}

{{/* A DNS label. */}}
{{- define "interlock.crd.label" -}}
type: string
minLength: 1
maxLength: 63
pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'
{{- end }}

{{/* Names of objects of one kind. Takes: about. */}}
{{- define "interlock.crd.objectNames" -}}
type: array
description: {{ .about | quote }}
minItems: 1
maxItems: 20
x-kubernetes-list-type: atomic
items:
  {{- include "interlock.crd.objectName" . | nindent 2 }}
{{- end }}

{{/* A number above 0 and below 1. Takes: about. */}}
{{- define "interlock.crd.fraction" -}}
type: number
description: {{ .about | quote }}
minimum: 0
exclusiveMinimum: true
maximum: 1
exclusiveMaximum: true
{{- end }}

{{- define "interlock.crd.ratio" -}}
type: number
description: {{ .about | quote }}
minimum: 1
maximum: 100
{{- end }}

{{/* What one metric may do. Takes: margins, whether it has some of its own, and increase, for those of latency. */}}
{{- define "interlock.crd.policy" -}}
dryRun:
  type: boolean
  description: "Counted and shown, decides nothing"
required:
  type: boolean
  description: "Missing data of it holds"
critical:
  type: boolean
  description: "Promotion needs its proof"
weight:
  type: number
  description: "Relative to the other metrics of its kind; 1 if not given"
  minimum: 0
  exclusiveMinimum: true
  maximum: 100
{{- if .margins }}
margins:
  type: object
  description: "In place of those of its kind"
  properties:
    rollback:
      type: object
      properties:
        {{- include "interlock.crd.marginFields" . | nindent 8 }}
    promote:
      type: object
      properties:
        {{- include "interlock.crd.marginFields" . | nindent 8 }}
{{- end }}
{{- end }}

{{/* Selectors of raw counters. Takes: about. */}}
{{- define "interlock.crd.selectors" -}}
type: array
description: {{ .about | quote }}
minItems: 1
maxItems: 10
x-kubernetes-list-type: atomic
items:
  type: string
  minLength: 1
  maxLength: 1000
  x-kubernetes-validations:
    - rule: "self.matches('[$][a-zA-Z_]')"
      message: "would read the same series for both versions; add $role or $version to a label"
{{- end }}

{{/* The margins of one kind of evidence. Takes: increase, for those of latency. */}}
{{- define "interlock.crd.margins" -}}
rollback:
  type: object
  description: "From here on the canary is worse"
  properties:
    {{- include "interlock.crd.marginFields" . | nindent 4 }}
promote:
  type: object
  description: "Below this the canary is as good; never tighter than rollback"
  properties:
    {{- include "interlock.crd.marginFields" . | nindent 4 }}
weight:
  {{- include "interlock.crd.fraction" (dict "about" "Its share of the evidence; 0.45 if not given") | nindent 2 }}
{{- end }}

{{- define "interlock.crd.marginFields" -}}
ratio:
  {{- include "interlock.crd.ratio" (dict "about" "Times stable's rate") | nindent 2 }}
abs:
  {{- include "interlock.crd.fraction" (dict "about" "Above stable's rate, as a fraction of requests") | nindent 2 }}
{{- if .increase }}
increase:
  type: number
  description: "How much longer a quantile may be, as a fraction"
  minimum: 0
  maximum: 10
{{- end }}
{{- end }}

{{- define "interlock.crd.marginRules" -}}
{{- range $name, $defaults := . }}
- rule: {{ printf "%s >= %s" (include "interlock.crd.margin" (list "promote" $name (index $defaults 1))) (include "interlock.crd.margin" (list "rollback" $name (index $defaults 0))) | quote }}
  message: "the promote margin must not be tighter than the rollback margin"
{{- end }}
{{- end }}

{{/* One margin or its default. Takes: [side, name, default]. */}}
{{- define "interlock.crd.margin" -}}
{{- $side := index . 0 }}{{ $name := index . 1 }}
{{- printf "(has(self.%s) && has(self.%s.%s) ? self.%s.%s : %v)" $side $side $name $side $name (index . 2) }}
{{- end }}

{{/* Extra requests for the canary while it has a weight. Takes: header, cookie, mirror. */}}
{{- define "interlock.crd.extras" -}}
header:
  type: object
  description: "Requests with this header go to the canary while it has a weight"
  required: [name, value]
  properties:
    name:
      {{- include "interlock.crd.token" . | nindent 6 }}
    value:
      type: string
      minLength: 1
      maxLength: 4096
      pattern: '^[^\x00]*$'
cookie:
  description: "Requests with this cookie of the value canary go to the canary while it has a weight"
  {{- include "interlock.crd.token" . | nindent 2 }}
{{- if .mirror }}
mirror:
  description: "Percent of stable's requests that are copied to the canary while it has a weight"
  {{- include "interlock.crd.percent" . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "interlock.crd.token" -}}
type: string
minLength: 1
maxLength: 100
pattern: '^[A-Za-z0-9!#$%&''*+.^_|~-]{1,100}$'
{{- end }}

{{- define "interlock.crd.percent" -}}
type: integer
minimum: 1
maximum: 100
{{- end }}

{{/*
"At least one route, at most twenty, none twice" for a router whose routes may be one or several.
Takes: [one, several] pairs of fields that name objects of the same kind.
*/}}
{{- define "interlock.crd.routeRules" -}}
{{- $fields := list }}
{{- $counts := list }}
{{- range .pairs }}
{{- $one := index . 0 }}{{ $several := index . 1 }}
{{- $fields = concat $fields (list $one $several) }}
{{- $counts = append $counts (printf "(has(self.%s) ? 1 : 0) + (has(self.%s) ? size(self.%s) : 0)" $one $several $several) }}
{{- end }}
{{- $sum := join " + " $counts }}
- rule: {{ printf "%s >= 1" $sum | quote }}
  message: {{ printf "name at least one route: %s" (join " or " $fields) | quote }}
- rule: {{ printf "%s <= 20" $sum | quote }}
  message: "at most 20 routes carry one application's traffic"
{{- range .pairs }}
{{- $one := index . 0 }}{{ $several := index . 1 }}
- rule: {{ printf "!has(self.%s) || self.%s.all(x, self.%s.exists_one(y, y == x) && (!has(self.%s) || x != self.%s))" $several $several $several $one $one | quote }}
  message: "a route is named twice"
{{- end }}
{{- end }}

{{/* A condition as every kind of the cluster has it. */}}
{{- define "interlock.crd.condition" -}}
type: object
required: [type, status, lastTransitionTime, reason, message]
properties:
  type:
    type: string
    maxLength: 316
  status:
    type: string
    enum: ["True", "False", "Unknown"]
  observedGeneration:
    type: integer
    format: int64
  lastTransitionTime:
    type: string
    format: date-time
  reason:
    type: string
    minLength: 1
    maxLength: 1024
  message:
    type: string
    maxLength: 32768
{{- end }}
