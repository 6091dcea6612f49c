"""The same harmless step in contexts that make it less so."""

from __future__ import annotations

from tests.unit.grading.cases.build import CI, STAGING, Case, case, change


def setting(name: str, grade: str, **facts: object) -> Case:
    env = facts.pop("env", STAGING)
    assert isinstance(env, dict)
    return change(name, grade, "configmaps", env, **facts)


ALL_THREE = {"private_data": True, "untrusted_input": True, "external_comms": True}
CASES = (
    setting("in no special context", "G1"),
    setting("with the confidence that is just enough", "G1", confidence=0.7),
    setting("with little confidence", "G2", confidence=0.69),
    case("little confidence where nothing can break", "G0", "ci.test", CI, sandboxed=True, confidence=0.1),
    setting("with tools that contradict each other", "G2", evidence={"conflicting": True}),
    setting("with an intent nobody understands", "G2", intent_ambiguous=True),
    setting("with old evidence", "G2", evidence={"age_s": 301}),
    setting("with evidence of the last allowed second", "G1", evidence={"age_s": 300}),
    setting("with evidence that was cut", "G2", evidence={"truncated": True}),
    setting("as the twenty-first in ten minutes", "G2", cumulative={"same_actor_10min": 21, "namespaces": 1}),
    setting("as one of many namespaces", "G2", cumulative={"same_actor_10min": 6, "namespaces": 6}),
    setting("on very many objects", "G2", blast={"objects": 51}),
    setting("across a legal boundary", "G2", boundary="legal"),
    setting("with all that a leak needs", "G3", trifecta=ALL_THREE),
    setting("with two of the three that a leak needs", "G1", trifecta=ALL_THREE | {"external_comms": False}),
    setting("declared dangerous by the caller", "G3", declared_grade="g3"),
    setting("declared harmless by the caller", "G1", declared_grade="G0"),
    setting("with a word nobody knows", "G3", frobnicate=True),
    setting("with a fact that could not be read", "G3", unread=["files"]),
    setting("against a freeze", "G3", overrides_freeze=True),
    setting("with a freeze set aside", "G3", freeze={"active": True, "override": True}),
    setting("on half the traffic", "G2", blast={"traffic_percent": 50}),
    setting("with evidence in part", "G2", evidence={"partial": True}),
    setting("with a tier read from a name", "G2", env=STAGING | {"tier_source": "name"}),
    setting("with a tier from the registry", "G1", env=STAGING | {"tier_source": "registry"}),
    setting("weakening a control", "G3", loosens=True),
    change(
        "for the first time in production",
        "G2",
        "pods",
        kind="k8s.delete",
        blast={"share_of_capacity": 0.1},
        novelty={"seen": 0},
    ),
    change("for the first time in staging", "G1", "pods", STAGING, kind="k8s.delete", novelty={"seen": 0}),
    change(
        "a remediation in an incident is graded as ever",
        "G3",
        "namespaces",
        kind="k8s.delete",
        incident={"active": True, "known_remediation": True},
    ),
)
