{{/* Labels of an object: those of the manifests, Helm's own, the user's. Takes the root, and a name for an object that has one. */}}
{{- define "grapevine.labels" -}}
app.kubernetes.io/part-of: grapevine
{{- with .name }}
app.kubernetes.io/name: {{ . }}
{{- end }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Metadata of pods of a name, with the user's labels and annotations. */}}
{{- define "grapevine.podMetadata" -}}
labels:
  app.kubernetes.io/part-of: grapevine
  app.kubernetes.io/name: {{ .name }}
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Image of a container: `operator` or `capture`. */}}
{{- define "grapevine.image" -}}
{{- $image := index .root.Values.image .name -}}
{{- with .root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default .root.Chart.AppVersion $image.tag }}{{ end }}
{{- end }}

{{/* Variables of a container: `set` by the chart, where not empty; `fields` of the pod; `extra`, the user's, which win. */}}
{{- define "grapevine.env" -}}
{{- $root := .root }}
{{- $extra := .extra }}
{{- $set := merge (dict "GRAPEVINE_LOG_LEVEL" $root.Values.log.level "GRAPEVINE_LOG_FORMAT" $root.Values.log.format) .set }}
{{- range $name, $value := merge (deepCopy $extra) $set }}
{{- if or (hasKey $extra $name) (not (empty $value)) }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}
{{- range $name, $path := .fields }}
{{- if not (hasKey $extra $name) }}
- name: {{ $name }}
  valueFrom: {fieldRef: {fieldPath: {{ $path }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* Flags of capture for its settings. */}}
{{- define "grapevine.captureFlags" -}}
{{- with .windowMs }}
- --window-ms={{ int64 . }}
{{- end }}
{{- with .spoolBytes }}
- --spool-bytes={{ int64 . }}
{{- end }}
{{- if not (kindIs "invalid" .drainTimeoutSeconds) }}
- --drain-timeout={{ int64 .drainTimeoutSeconds }}
{{- end }}
{{- if not (kindIs "invalid" .watchdogSeconds) }}
- --watchdog={{ int64 .watchdogSeconds }}
{{- end }}
{{- if .deflate }}
- --deflate
{{- end }}
{{- range $name := list "match" "connections" }}
{{- if and (hasKey $ $name) (not (index $ $name)) }}
- --{{ $name }}=off
{{- end }}
{{- end }}
{{- with .args }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A number the user may leave out, as a variable's value. */}}
{{- define "grapevine.number" -}}
{{- if not (kindIs "invalid" .) }}{{ int64 . }}{{ end }}
{{- end }}

{{- define "grapevine.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "grapevine.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
  {{- with . }}
  add: {{ toJson . }}
  {{- end }}
readOnlyRootFilesystem: true
{{- end }}

{{/* Where a pod may run, how urgently, and where its images come from. */}}
{{- define "grapevine.scheduling" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}

{{/* Something where the operator has a TLS listener: for capture on the nodes, for the sidecars of another replica, and, with its
     certificate, for questions. */}}
{{- define "grapevine.hasTransport" -}}
{{- if or .Values.nodeCapture.enabled .Values.api.enabled (gt (int .Values.operator.replicas) 1) }}yes{{ end }}
{{- end }}

{{/* A binding of a role to one of the two service accounts: `kind` (Role or ClusterRole), `role`, `name`, `account`, and
     `namespace` for one that holds there alone. */}}
{{- define "grapevine.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ if .namespace }}RoleBinding{{ else }}ClusterRoleBinding{{ end }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- include "grapevine.labels" (dict "root" .root) | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: {{ .kind }}, name: {{ .role | quote }}}
subjects: [{kind: ServiceAccount, name: {{ .account.name }}, namespace: {{ .account.namespace }}}]
{{- end }}
