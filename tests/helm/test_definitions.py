"""The custom resource's schema has the fields and limits of the product's document, and its status those that are
written. Neither is derived from the other, so this is what keeps them from drifting apart."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.model import ERROR_MARGINS, LATENCY_MARGINS, AnalysisSpec
from controller.core.check import FIRST_STEP_PCT_MAX
from controller.core.model import CanaryPlan, Phase
from controller.core.moves import ENDED
from controller.spec_blocks import LEASE_POLLS_MIN, SLOW_PASS_S, STEPS_MAX, ApplicationBlock
from controller.spec_kubernetes import ROUTES_MAX
from tests.helm.chart import Raw, definitions, named

MODEL: Raw = ApplicationBlock.model_json_schema(by_alias=True)
ONLY_IN_FILES = {"target.processes", "target.external", "target.kubernetes.namespace", "router.haproxy"}
LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems")


def schema_of(name: str) -> Raw:
    versions = named(definitions(), "CustomResourceDefinition", f"{name}.interlock.dev")["spec"]["versions"]
    found: Raw = versions[0]["schema"]["openAPIV3Schema"]
    return found


SPEC: Raw = schema_of("applications")["properties"]["spec"]


def resolved(schema: Raw) -> Raw:
    """Without references, and without the null of what may be left out."""
    if "$ref" in schema:
        return resolved(MODEL["$defs"][schema["$ref"].rsplit("/", 1)[1]])
    choices = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    return resolved(choices[0]) if choices else schema


def fields(schema: Raw, place: str = "") -> dict[str, Raw]:
    """Every field below by its place; items of lists are called []."""
    schema = resolved(schema)
    below = dict(schema.get("properties", {}))
    below |= {"[]": schema["items"]} if isinstance(schema.get("items"), dict) else {}
    found: dict[str, Raw] = {}
    for name, part in below.items():
        where = f"{place}.{name}".lstrip(".")
        if not any(where == one or where.startswith(f"{one}.") for one in ONLY_IN_FILES):
            found |= {where: resolved(part), **fields(part, where)}
    return found


def exact(schema: Raw) -> dict[str, Any]:
    """Limits in one spelling: a definition says exclusiveMinimum: true, a model gives the number."""
    found = {name: schema[name] for name in LIMITS if name in schema}
    for flag, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if found.get(flag) is True:
            found[flag] = found.pop(bound)
    return found


def test_both_have_the_same_fields() -> None:
    assert fields(SPEC).keys() == fields(MODEL).keys()


def test_both_require_the_same_fields_but_for_the_name_which_is_the_objects() -> None:
    def required(schema: Raw) -> dict[str, set[str]]:
        every = {"": schema, **fields(schema)}
        return {place: set(part["required"]) for place, part in every.items() if part.get("required")}

    in_model = required(MODEL)
    in_model[""].remove("name")
    in_model["target.kubernetes"].remove("namespace")
    in_schema = required(SPEC)
    # Exactly one target is the model's rule; here there is one.
    in_schema.pop("target")
    assert in_schema == in_model


@pytest.mark.parametrize("place", sorted(fields(SPEC)))
def test_both_have_the_same_limits_and_words(place: str) -> None:
    in_schema, in_model = fields(SPEC)[place], fields(MODEL)[place]
    if in_model.get("type") == "number" and in_schema["type"] == "string":
        assert any("is not a duration" in one["message"] for one in in_schema["x-kubernetes-validations"])
        return
    assert in_schema.get("type") == in_model.get("type"), place
    assert in_schema.get("enum") == in_model.get("enum")
    wanted, found = exact(in_model), exact(in_schema)
    assert {name: found.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("place", sorted(fields(SPEC)))
def test_every_text_and_every_list_has_an_end_or_rules_would_cost_too_much(place: str) -> None:
    found = fields(SPEC)[place]
    if found["type"] == "string" and "enum" not in found:
        assert found["maxLength"] <= 4096
    if found["type"] == "array":
        assert found["maxItems"] <= 50


def rules(schema: Raw) -> str:
    """All rules of the schema as one text."""
    here = " ".join(one["rule"] for one in schema.get("x-kubernetes-validations", []))
    return here + " ".join(rules(part) for part in fields(schema).values())


def test_the_numbers_in_the_rules_are_those_of_the_product() -> None:
    text, plan = rules(SPEC), CanaryPlan((1,))
    assert f"self[0] <= {FIRST_STEP_PCT_MAX}" in text
    assert f">= {LEASE_POLLS_MIN} * " in text
    assert f">= {SLOW_PASS_S * 1000:.0f} + 2 * " in text
    assert f"self.maxWeight : {plan.max_weight_pct})" in text
    assert f"duration(self.lease) : duration('{plan.lease_s:.0f}s')" in text
    assert f"duration(self.poll) : duration('{plan.poll_s:.0f}s')" in text
    assert f"self.minBake : '{plan.min_bake_s:.0f}s'" in text
    assert f"self.maxDuration : '{plan.max_duration_s / 3600:.0f}h'" in text
    assert f"<= {ROUTES_MAX}" in text
    assert SPEC["properties"]["canary"]["properties"]["steps"]["maxItems"] == STEPS_MAX
    stale_s = AnalysisSpec.__dataclass_fields__["stale_after_s"].default
    assert f"self.staleAfter : '{stale_s:.0f}s'" in text
    for margins in (ERROR_MARGINS, LATENCY_MARGINS):
        assert f"self.rollback.ratio : {margins.rollback_ratio}" in text
        assert f"self.promote.ratio : {margins.promote_ratio}" in text
        assert f"self.rollback.abs : {margins.rollback_abs}" in text
        assert f"self.promote.abs : {margins.promote_abs}" in text
    assert f"self.rollback.increase : {LATENCY_MARGINS.rollback_increase}" in text
    assert f"self.promote.increase : {LATENCY_MARGINS.promote_increase}" in text


def test_the_phases_that_the_schema_calls_running_are_those_of_the_product() -> None:
    (rule,) = [one["rule"] for one in schema_of("applications")["x-kubernetes-validations"] if "oldSelf" in one["rule"]]
    assert [f"'{phase.value}'" in rule for phase in Phase] == [phase not in ENDED for phase in Phase]
