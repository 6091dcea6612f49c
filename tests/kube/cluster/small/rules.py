"""What Kubernetes refuses in built-in objects, as far as a controller of Deployments and routes can run into it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.kube.cluster.raw import Raw
from tests.kube.cluster.small.failures import Cause, forbidden_field, required, unsupported, wrong
from tests.kube.cluster.small.labels import selects
from tests.kube.cluster.small.names import wrong_annotations, wrong_labels

Rule = Callable[[Raw, Raw | None], list[Cause]]
AT_LEAST_0 = "must be greater than or equal to 0"
IMMUTABLE = "field is immutable"
RIGID = Cause("data", f"Invalid value: runtime.RawExtension{{}}: {IMMUTABLE}")
CONFIG_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
POD_CHANGES = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def wrongs(plural: str, body: Raw, before: Raw | None) -> list[Cause]:
    rule = RULES.get(plural)
    return rule(body, before) if rule else []


def of_deployment(body: Raw, before: Raw | None) -> list[Cause]:
    spec = body["spec"]
    found = wrong_counts(spec, "replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
    found += of_selector(body)
    found += of_pod_spec(spec["template"]["spec"], "spec.template.spec")
    if spec["strategy"]["type"] == "Recreate" and spec["strategy"].get("rollingUpdate"):
        told = "may not be specified when strategy `type` is 'Recreate'"
        found.append(forbidden_field("spec.strategy.rollingUpdate", told))
    found += of_rolling(spec["strategy"].get("rollingUpdate") or {})
    if spec["progressDeadlineSeconds"] <= spec.get("minReadySeconds", 0):
        told = "must be greater than minReadySeconds"
        found.append(wrong("spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], told))
    return found + fixed_selector(spec, before)


def of_rolling(rolling: Raw) -> list[Cause]:
    if any(rolling.get(field, "") not in (0, "0%") for field in ("maxSurge", "maxUnavailable")):
        return []
    told = 'Invalid value: intstr.IntOrString{Type:0, IntVal:0, StrVal:""}: may not be 0 when `maxSurge` is 0'
    return [Cause("spec.strategy.rollingUpdate.maxUnavailable", told)]


def of_replica_set(body: Raw, before: Raw | None) -> list[Cause]:
    found = wrong_counts(body["spec"], "replicas", "minReadySeconds") + of_selector(body)
    found += of_pod_spec(body["spec"]["template"]["spec"], "spec.template.spec")
    return found + fixed_selector(body["spec"], before)


def wrong_counts(spec: Raw, *fields: str) -> list[Cause]:
    return [wrong(f"spec.{one}", spec[one], AT_LEAST_0) for one in fields if spec.get(one, 0) < 0]


def of_selector(body: Raw) -> list[Cause]:
    spec, found = body["spec"], []
    selector, given = spec.get("selector"), spec["template"]["metadata"].get("labels")
    labels = given or {}
    if not selector:
        found.append(required("spec.selector"))
    if not selects(selector, labels):
        told = "`selector` does not match template `labels`"
        found.append(wrong("spec.template.metadata.labels", given, told))
    found += wrong_labels("spec.template.labels", labels)
    found += wrong_annotations("spec.template.annotations", spec["template"]["metadata"].get("annotations") or {})
    return found


def fixed_selector(spec: Raw, before: Raw | None) -> list[Cause]:
    selector = spec.get("selector")
    if before is None or before["spec"].get("selector") == selector:
        return []
    return [Cause("spec.selector", f"Invalid value: {selector_shown(selector)}: {IMMUTABLE}")]


def selector_shown(selector: Raw | None) -> str:
    if selector is None:
        return '"null"'
    pairs = ", ".join(
        f'"{key}":"{value}"' for key, value in sorted(((selector or {}).get("matchLabels") or {}).items())
    )
    return (
        f"v1.LabelSelector{{MatchLabels:map[string]string{{{pairs}}}, "
        "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}"
    )


def of_pod_spec(spec: Raw, at: str) -> list[Cause]:
    containers = spec.get("containers") or []
    if not containers:
        return [required(f"{at}.containers")]
    found: list[Cause] = []
    volumes = {one.get("name") for one in spec.get("volumes") or []}
    names: set[str] = set()
    for number, container in enumerate(containers):
        here = f"{at}.containers[{number}]"
        name = str(container.get("name", ""))
        if not name:
            found.append(required(f"{here}.name"))
        elif name in names:
            found.append(Cause(f"{here}.name", f'Duplicate value: "{name}"', "FieldValueDuplicate"))
        names.add(name)
        found += of_container(container, volumes, here)
    if spec.get("restartPolicy") != "Always" and at.startswith("spec.template"):
        found.append(unsupported(f"{at}.restartPolicy", spec.get("restartPolicy"), ("Always",)))
    return found


def of_container(container: Raw, volumes: set[Any], at: str) -> list[Cause]:
    found = [] if container.get("image") else [required(f"{at}.image")]
    for number, mount in enumerate(container.get("volumeMounts") or []):
        if mount.get("name") not in volumes:
            told = f'Not found: "{mount.get("name")}"'
            found.append(Cause(f"{at}.volumeMounts[{number}].name", told, "FieldValueNotFound"))
    for number, port in enumerate(container.get("ports") or []):
        if not port.get("containerPort"):
            found.append(required(f"{at}.ports[{number}].containerPort"))
        elif not 0 < port["containerPort"] < 65_536:
            told = "must be between 1 and 65535, inclusive"
            found.append(wrong(f"{at}.ports[{number}].containerPort", port["containerPort"], told))
    return found


def of_pod(body: Raw, before: Raw | None) -> list[Cause]:
    if before is None:
        return of_pod_spec(body["spec"], "spec")
    same = pod_fixed(body["spec"]) == pod_fixed(before["spec"])
    return [] if same else [forbidden_field("spec", POD_CHANGES)]


def pod_fixed(spec: Raw) -> Raw:
    images_apart = [{**one, "image": ""} for one in spec.get("containers") or []]
    return {**spec, "containers": images_apart, "tolerations": None, "activeDeadlineSeconds": None}


def of_service(body: Raw, before: Raw | None) -> list[Cause]:
    spec = body["spec"]
    ports, found = spec.get("ports") or [], []
    headless = spec.get("clusterIP") == "None"
    if not ports and not headless and spec["type"] != "ExternalName":
        found.append(required("spec.ports"))
    for number, port in enumerate(ports):
        if len(ports) > 1 and not port.get("name"):
            found.append(required(f"spec.ports[{number}].name"))
        if not 0 < port.get("port", 0) < 65_536:
            told = "must be between 1 and 65535, inclusive"
            found.append(wrong(f"spec.ports[{number}].port", port.get("port", 0), told))
    found += wrong_labels("spec.selector", spec.get("selector") or {})
    fixed = before is not None and before["spec"].get("clusterIPs") and spec["type"] != "ExternalName"
    if fixed and before is not None and before["spec"]["clusterIPs"] != [spec.get("clusterIP")]:
        told = f'[]string{{"{spec.get("clusterIP", "")}"}}'
        found.append(Cause("spec.clusterIPs[0]", f"Invalid value: {told}: may not change once set"))
    return found


def of_slice(body: Raw, before: Raw | None) -> list[Cause]:
    found: list[Cause] = []
    if body.get("addressType") not in ("IPv4", "IPv6", "FQDN"):
        found.append(required("addressType"))
    for number, endpoint in enumerate(body["endpoints"] or []):
        if not endpoint.get("addresses"):
            found.append(required(f"endpoints[{number}].addresses", "must contain at least 1 address"))
        for place, address in enumerate(endpoint.get("addresses") or []):
            told = wrong_address(address)
            if told:
                found.append(wrong(f"endpoints[{number}].addresses[{place}]", address, told))
    if before is not None and before.get("addressType") != body.get("addressType"):
        found.append(wrong("addressType", body.get("addressType"), IMMUTABLE))
    return found


def wrong_address(text: Any) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
    return "may not be in the loopback range (127.0.0.0/8, ::1/128)" if address.is_loopback else ""


def of_revision(body: Raw, before: Raw | None) -> list[Cause]:
    if before is None:
        return [] if "data" in body else [required("data", "data is mandatory")]
    return [] if before.get("data") == body.get("data") else [RIGID]


def of_config_map(body: Raw, before: Raw | None) -> list[Cause]:
    keys = {**(body.get("data") or {}), **(body.get("binaryData") or {})}
    found = [wrong(f"data[{key}]", key, CONFIG_KEY) for key in keys if not re.fullmatch(r"[-._a-zA-Z0-9]+", key)]
    if before is not None and before.get("immutable"):
        if not body.get("immutable"):
            found.append(forbidden_field("immutable", "field is immutable when `immutable` is set"))
        if before.get("data") != body.get("data"):
            found.append(forbidden_field("data", "field is immutable when `immutable` is set"))
    return found


def of_secret(body: Raw, before: Raw | None) -> list[Cause]:
    found = of_config_map(body, before)
    if before is not None and before.get("type") != body.get("type"):
        found.append(wrong("type", body.get("type"), IMMUTABLE))
    return found


def of_event(body: Raw, before: Raw | None) -> list[Cause]:
    involved = body.get("involvedObject") or {}
    namespace = body["metadata"].get("namespace", "")
    if involved.get("namespace", "") != namespace and namespace != "default":
        return [wrong("involvedObject.namespace", involved.get("namespace", ""), "does not match event.namespace")]
    return []


def of_lease(body: Raw, before: Raw | None) -> list[Cause]:
    spec = body.get("spec") or {}
    if spec.get("leaseDurationSeconds", 1) <= 0:
        return [wrong("spec.leaseDurationSeconds", spec["leaseDurationSeconds"], "must be greater than 0")]
    return []


def of_ingress(body: Raw, before: Raw | None) -> list[Cause]:
    spec, found = body.get("spec") or {}, []
    if not spec.get("rules") and not spec.get("defaultBackend"):
        told = "Invalid value: []networking.IngressRule(nil): either `defaultBackend` or `rules` must be specified"
        found.append(Cause("spec", told))
    for number, rule in enumerate(spec.get("rules") or []):
        for place, path in enumerate((rule.get("http") or {}).get("paths") or []):
            at = f"spec.rules[{number}].http.paths[{place}]"
            if not path.get("pathType"):
                found.append(required(f"{at}.pathType", "pathType must be specified"))
                continue
            service = (path.get("backend") or {}).get("service") or {}
            resource = (path.get("backend") or {}).get("resource")
            if not resource and not service.get("name"):
                found.append(required(f"{at}.backend"))
            elif not resource and not service.get("port"):
                found.append(required(f"{at}.backend.service.port"))
    return found


def of_autoscaler(body: Raw, before: Raw | None) -> list[Cause]:
    spec = body["spec"]
    if spec.get("maxReplicas", 0) < 1:
        return [wrong("spec.maxReplicas", spec.get("maxReplicas", 0), "must be greater than 0")]
    if not (spec.get("scaleTargetRef") or {}).get("name"):
        return [required("spec.scaleTargetRef.name")]
    return []


def of_binding(body: Raw, before: Raw | None) -> list[Cause]:
    if not (body.get("roleRef") or {}).get("name"):
        return [required("roleRef.name")]
    if before is not None and before["roleRef"] != body["roleRef"]:
        return [wrong("roleRef", "rbac.RoleRef", "cannot change roleRef")]
    return []


RULES: Mapping[str, Rule] = {
    "deployments": of_deployment,
    "replicasets": of_replica_set,
    "pods": of_pod,
    "services": of_service,
    "endpointslices": of_slice,
    "controllerrevisions": of_revision,
    "configmaps": of_config_map,
    "secrets": of_secret,
    "events": of_event,
    "leases": of_lease,
    "ingresses": of_ingress,
    "horizontalpodautoscalers": of_autoscaler,
    "rolebindings": of_binding,
    "clusterrolebindings": of_binding,
}
