"""The registry of step kinds: what each does at best. A kind that is not here counts as the worst."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    STOP = "stop"  # moves to the safe side: never gated
    READ = "read"
    CHANGE = "change"


class Group(StrEnum):
    """What a kind is about; rules ask for it."""

    STOP = "stop"
    READ = "read"
    CI = "ci"
    SOURCE = "source"
    ARTIFACT = "artifact"
    RELEASE = "release"
    TRAFFIC = "traffic"
    ROLLBACK = "rollback"
    RESUME = "resume"
    SQL = "sql"
    KUBERNETES = "kubernetes"
    ROTATION = "rotation"
    CLOUD = "cloud"
    DNS = "dns"
    FLAG = "flag"
    HTTP = "http"
    FILE = "file"
    SHELL = "shell"
    OTHER = "other"
    UNKNOWN = "unknown"


class Undo(StrEnum):
    """What must be shown before the step counts as no worse than its best case."""

    BY_NATURE = "by nature"  # the kind's own reversibility holds without evidence
    CAPTURED = "captured"  # the previous object is kept and a dry run passed, or the way back was exercised
    EXERCISED = "exercised"  # the way back was exercised within the allowed age
    OWN_RULE = "own rule"  # a rule of the group says


@dataclass(frozen=True, slots=True)
class Axes:
    """Reversibility, blast radius and stakes, each 0 (small) to 2 (worst)."""

    reversibility: int = 0
    blast: int = 0
    stakes: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """``production`` and ``elsewhere`` are the axes at best; ``forbidden`` kinds are only ever recommended."""

    name: str
    group: Group
    production: Axes
    elsewhere: Axes
    undo: Undo = Undo.BY_NATURE
    effect: Effect = Effect.CHANGE
    forbidden: bool = False

    @property
    def axes_unset(self) -> bool:
        """Whether the kind says nothing by itself, as with SQL, where the statements say all."""
        return self.production == Axes()

    @property
    def axes_worst(self) -> bool:
        return self.production == WORST


HARMLESS = Axes()
WORST = Axes(2, 2, 2)


def _kinds(
    group: Group, names: str, production: str, elsewhere: str = "", undo: Undo = Undo.BY_NATURE, forbidden: bool = False
) -> tuple[Kind, ...]:
    """Axes are written as three digits; elsewhere is as in production when it is left out."""
    best, other = (Axes(*map(int, digits)) for digits in (production, elsewhere or production))
    return tuple(Kind(name, group, best, other, undo, forbidden=forbidden) for name in names.split())


def _harmless(effect: Effect, group: Group, names: str) -> tuple[Kind, ...]:
    return tuple(Kind(name, group, Axes(), Axes(), effect=effect) for name in names.split())


KINDS: tuple[Kind, ...] = (
    *_harmless(
        Effect.STOP,
        Group.STOP,
        "rollout.abort rollout.pause rollout.stop release.abort release.pause release.stop deploy.abort deploy.pause "
        "deploy.cancel traffic.pause killswitch.engage kill.engage pipeline.cancel pipeline.stop ci.cancel",
    ),
    *_harmless(
        Effect.READ,
        Group.READ,
        "k8s.read k8s.get k8s.list k8s.watch k8s.describe k8s.logs k8s.events k8s.top k8s.diff k8s.dry_run "
        "helm.status helm.list helm.get helm.history helm.template helm.lint helm.diff helm.dry_run "
        "terraform.plan terraform.validate terraform.show terraform.fmt vcs.read vcs.diff vcs.log file.read "
        "metrics.query logs.read logs.query dns.lookup artifact.pull artifact.scan rollout.status release.status "
        "policy.lint policy.read audit.read flag.read cloud.read sql.explain "
        "killswitch.selftest",
    ),
    *_kinds(
        Group.CI,
        "ci.build ci.test ci.lint ci.scan ci.package ci.unit_test ci.integration_test ci.e2e_test ci.smoke_test",
        "021",
        "010",
    ),
    *_kinds(Group.SOURCE, "vcs.open_pr vcs.update_pr vcs.close_pr vcs.comment vcs.create_branch", "010"),
    *_kinds(Group.SOURCE, "vcs.merge vcs.revert vcs.tag", "111"),
    *_kinds(Group.SOURCE, "vcs.push", "010"),
    *_kinds(Group.SOURCE, "vcs.force_push vcs.delete_branch vcs.delete_tag vcs.rewrite_history", "211"),
    *_kinds(Group.SOURCE, "vcs.delete_repo vcs.branch_protection", "222"),
    *_kinds(
        Group.ARTIFACT,
        "artifact.push artifact.sign artifact.tag artifact.promote artifact.retag artifact.publish",
        "010",
    ),
    *_kinds(Group.ARTIFACT, "artifact.delete", "222"),
    *_kinds(
        Group.RELEASE,
        "deploy deploy.start helm.upgrade helm.install release.create rollout.start argocd.sync gitops.sync "
        "kustomize.apply",
        "121",
        "010",
        Undo.OWN_RULE,
    ),
    *_kinds(Group.TRAFFIC, "traffic.shift rollout.promote release.promote", "121", "010", Undo.OWN_RULE),
    *_kinds(
        Group.ROLLBACK, "rollback deploy.rollback helm.rollback k8s.rollback rollout.undo", "121", "010", Undo.OWN_RULE
    ),
    *_kinds(Group.RESUME, "killswitch.release kill.release rollout.resume release.resume", "121"),
    *_kinds(
        Group.OTHER,
        "rollout.loosen_thresholds policy.change policy.edit gate.edit backup.suspend backup.delete "
        "monitoring.silence alert.disable",
        "222",
    ),
    *_kinds(Group.OTHER, "rollout.tighten_thresholds backup.create backup.test_restore db.backup ticket.create", "010"),
    *_kinds(Group.OTHER, "rollback.rehearse rollout.rehearse", "111", "010"),
    *_kinds(Group.SQL, "sql.query sql.exec sql.migrate sql.dml sql.ddl migration.run", "000"),
    *_kinds(Group.SQL, "sql.restore db.restore backup.restore queue.purge", "222", "211"),
    *_kinds(Group.SQL, "db.failover", "121", "010", Undo.EXERCISED),
    *_kinds(
        Group.KUBERNETES,
        "k8s.patch k8s.update k8s.apply k8s.create k8s.delete k8s.scale k8s.rollout_restart k8s.annotate k8s.label "
        "k8s.evict k8s.replace",
        "010",
        undo=Undo.CAPTURED,
    ),
    *_kinds(Group.KUBERNETES, "node.cordon node.uncordon", "010", undo=Undo.CAPTURED),
    *_kinds(Group.KUBERNETES, "node.drain", "020", "010", Undo.CAPTURED),
    *_kinds(Group.KUBERNETES, "node.delete", "222", "211"),
    *_kinds(Group.KUBERNETES, "k8s.exec k8s.attach k8s.port_forward k8s.debug", "222", "211"),
    *_kinds(Group.KUBERNETES, "helm.uninstall", "222", "211"),
    *_kinds(Group.OTHER, "k8s.control_plane_upgrade node.upgrade", "222", "212"),
    *_kinds(Group.ROTATION, "secret.rotate cert.rotate cert.renew", "121", "010", Undo.OWN_RULE),
    *_kinds(
        Group.CLOUD,
        "iam.change iam.create iam.delete iam.attach_policy kms.key_change kms.create_key kms.delete_key "
        "kms.disable_key billing.change billing.update payment.send payment.refund",
        "222",
        forbidden=True,
    ),
    *_kinds(
        Group.CLOUD,
        "cloud.security_group cloud.firewall cloud.route cloud.network cloud.load_balancer cloud.create cloud.update "
        "cloud.scale terraform.apply terraform.import pulumi.up",
        "111",
    ),
    *_kinds(Group.CLOUD, "cloud.delete terraform.destroy terraform.state_rm pulumi.destroy", "222"),
    *_kinds(Group.DNS, "dns.change dns.update dns.create dns.delete", "121", "010", Undo.OWN_RULE),
    *_kinds(Group.FLAG, "flag.set flag.update flag.create flag.delete", "010", undo=Undo.OWN_RULE),
    *_kinds(Group.OTHER, "cdn.purge cache.flush cache.purge", "010"),
    *_kinds(Group.OTHER, "message.send chat.post email.send status_page.update notify.send", "210"),
    *_kinds(Group.HTTP, "http.call", "211"),
    *_kinds(Group.FILE, "file.write file.delete file.move", "112", "010", Undo.CAPTURED),
    *_kinds(Group.SHELL, "shell.exec shell.run", "222", "211"),
)
REGISTRY: dict[str, Kind] = {kind.name: kind for kind in KINDS}


def kind_of(name: str) -> Kind:
    return REGISTRY.get(name) or Kind(name, Group.UNKNOWN, WORST, WORST)
