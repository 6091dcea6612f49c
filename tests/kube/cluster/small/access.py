"""Who may do what: tokens, and the RBAC objects of the cluster itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from tests.kube.cluster.raw import RBAC, Raw, Resource
from tests.kube.cluster.small.failures import ApiError, details_of, unauthorized
from tests.kube.cluster.small.store import Store

MASTERS = "system:masters"
ANONYMOUS = "system:anonymous"


@dataclass(frozen=True, slots=True)
class Identity:
    user: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request as an authorizer sees it."""

    verb: str
    resource: Resource
    subresource: str
    namespace: str
    name: str

    @property
    def asked(self) -> str:
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural


@dataclass(slots=True)
class Access:
    store: Store
    tokens: dict[str, Identity] = field(default_factory=dict)

    def who(self, header: str | None) -> Identity:
        if not header:
            return Identity(ANONYMOUS, ("system:unauthenticated",))
        kind, _, token = header.partition(" ")
        found = self.tokens.get(token)
        if kind != "Bearer" or found is None:
            raise unauthorized()
        return found

    def issue(self, namespace: str, account: str) -> str:
        """A token of a ServiceAccount."""
        token = f"sa-{secrets.token_hex(16)}"
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        self.tokens[token] = Identity(f"system:serviceaccount:{namespace}:{account}", groups)
        return token

    def check(self, who: Identity, attempt: Attempt) -> None:
        if not self.allows(who, attempt):
            raise denied(who, attempt)

    def allows(self, who: Identity, attempt: Attempt) -> bool:
        if MASTERS in who.groups:
            return True
        return any(grants(rule, attempt) for rule in self._rules(who, attempt.namespace))

    def _rules(self, who: Identity, namespace: str) -> list[Raw]:
        found: list[Raw] = []
        for binding in self.store.all((RBAC, "clusterrolebindings")):
            found += self._role(binding, "") if binds(binding, who) else []
        for binding in self.store.all((RBAC, "rolebindings"), namespace) if namespace else []:
            found += self._role(binding, namespace) if binds(binding, who) else []
        return found

    def _role(self, binding: Raw, namespace: str) -> list[Raw]:
        reference = binding["roleRef"]
        if reference["kind"] == "ClusterRole":
            role = self.store.find((RBAC, "clusterroles"), ("", reference["name"]))
        else:
            role = self.store.find((RBAC, "roles"), (namespace, reference["name"]))
        rules: list[Raw] = (role or {}).get("rules") or []
        return rules


def denied(who: Identity, attempt: Attempt) -> ApiError:
    where = f' in the namespace "{attempt.namespace}"' if attempt.namespace else " at the cluster scope"
    resource = attempt.resource
    named = f' "{attempt.name}"' if attempt.name else ""
    told = (
        f'{resource.qualified}{named} is forbidden: User "{who.user}" cannot {attempt.verb} resource "{attempt.asked}" '
        f'in API group "{resource.group}"{where}'
    )
    return ApiError(403, "Forbidden", told, details_of(resource, attempt.name))


def binds(binding: Raw, who: Identity) -> bool:
    for subject in binding.get("subjects") or []:
        kind, name = subject.get("kind"), subject.get("name")
        if kind == "User" and name == who.user:
            return True
        if kind == "Group" and name in who.groups:
            return True
        account = f"system:serviceaccount:{subject.get('namespace')}:{name}"
        if kind == "ServiceAccount" and account == who.user:
            return True
    return False


def grants(rule: Raw, attempt: Attempt) -> bool:
    names = rule.get("resourceNames") or []
    below = {attempt.asked, "*", f"*/{attempt.subresource}" if attempt.subresource else "*"}
    return (
        bool({attempt.verb, "*"} & set(rule.get("verbs") or []))
        and bool({attempt.resource.group, "*"} & set(rule.get("apiGroups") or []))
        and bool(below & set(rule.get("resources") or []))
        and (not names or attempt.name in names)
    )
