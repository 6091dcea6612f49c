"""How the API server says no: Status objects in Kubernetes' own form, one constructor for each reason."""

from __future__ import annotations

from dataclasses import dataclass

from tests.kube.cluster.raw import Raw, Resource

NO_RESOURCE = "the server could not find the requested resource"
TOO_OLD_TO_CONTINUE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class ApiError(Exception):
    """A refused request. A ``plain`` one is answered as text, as by the server's outermost layer."""

    def __init__(
        self, code: int, reason: str, message: str, details: Raw | None = None, *, metadata: Raw | None = None,
        plain: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.code, self.reason, self.message, self.plain = code, reason, message, plain
        self.details, self.metadata = details, metadata or {}

    def status(self) -> Raw:
        body: Raw = {"kind": "Status", "apiVersion": "v1", "metadata": self.metadata, "status": "Failure"}
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return {**body, "code": self.code}


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong with one field."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


def required(field: str, detail: str = "") -> Cause:
    return Cause(field, "Required value" + (f": {detail}" if detail else ""), "FieldValueRequired")


def wrong(field: str, value: object, detail: str) -> Cause:
    return Cause(field, f"Invalid value: {shown(value)}: {detail}")


def forbidden_field(field: str, detail: str) -> Cause:
    return Cause(field, f"Forbidden: {detail}", "FieldValueForbidden")


def unsupported(field: str, value: object, allowed: tuple[str, ...]) -> Cause:
    told = ", ".join(f'"{one}"' for one in allowed)
    return Cause(field, f"Unsupported value: {shown(value)}: supported values: {told}", "FieldValueNotSupported")


def shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "map[string]string(nil)"
    if isinstance(value, dict):
        pairs = " ".join(f'"{key}":"{value[key]}"' for key in sorted(value)).replace('" "', '", "')
        return "map[string]string{" + pairs + "}"
    return str(value) if isinstance(value, int | float) else f'"{value}"'


def details_of(resource: Resource, name: str = "", *, kind: str = "") -> Raw:
    details: Raw = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    return {**details, "kind": kind or resource.plural}


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(resource: Resource, name: str, detail: str, causes: list[Raw] | None = None) -> ApiError:
    named = f' "{name}"' if name else ""
    details = details_of(resource, name) | ({"causes": causes} if causes else {})
    return ApiError(403, "Forbidden", f"{resource.qualified}{named} is forbidden: {detail}", details)


def not_found(resource: Resource, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{resource.qualified} "{name}" not found', details_of(resource, name))


def no_resource() -> ApiError:
    return ApiError(404, "NotFound", NO_RESOURCE, {})


def no_page() -> ApiError:
    return ApiError(404, "NotFound", "404 page not found\n", plain=True)


def no_method() -> ApiError:
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details_of(resource, name))


def conflict(resource: Resource, name: str, detail: str = MODIFIED, *, kind: str = "") -> ApiError:
    shown_as = resource.qualified_kind if kind else resource.qualified
    message = f'Operation cannot be fulfilled on {shown_as} "{name}": {detail}'
    return ApiError(409, "Conflict", message, details_of(resource, name, kind=kind))


def expired(message: str, metadata: Raw | None = None) -> ApiError:
    return ApiError(410, "Expired", message, metadata=metadata)


def unsupported_media(message: str, details: Raw | None = None) -> ApiError:
    return ApiError(415, "UnsupportedMediaType", message, details)


def invalid(resource: Resource, name: str, causes: list[Cause]) -> ApiError:
    texts = list(dict.fromkeys(f"{one.field}: {one.message}" for one in causes))
    told = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = details_of(resource, name, kind=resource.kind)
    details["causes"] = [{"reason": one.reason, "message": one.message, "field": one.field} for one in causes]
    return ApiError(422, "Invalid", f'{resource.qualified_kind} "{name}" is invalid: {told}', details)


def without_version(resource: Resource, name: str) -> ApiError:
    told = "Invalid value: 0x0: must be specified for an update"
    cause = {"reason": "FieldValueInvalid", "message": told, "field": "metadata.resourceVersion"}
    details = details_of(resource, name) | {"causes": [cause]}
    message = f'{resource.qualified} "{name}" is invalid: metadata.resourceVersion: {told}'
    return ApiError(422, "Invalid", message, details)


def patch_failed() -> ApiError:
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def broken_patch(detail: str) -> ApiError:
    """The patched object is no longer one of its type."""
    cause = {"reason": "FieldValueInvalid", "message": f"Invalid value: {detail}", "field": "patch"}
    return ApiError(422, "Invalid", f' "" is invalid: patch: Invalid value: {detail}', {"causes": [cause]})
