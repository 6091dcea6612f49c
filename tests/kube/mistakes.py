"""The mistakes of canary controllers that could be made in a cluster, and the tests that show that they are not made
here. ``python -m tests.kube.mistakes`` writes the page of them; it runs no test."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from tests.tree import ROOT

PAGE = ROOT / "docs" / "kubernetes-mistakes.md"


@dataclass(frozen=True, slots=True)
class Mistake:
    """``tests`` are file and function; without any ``absent`` says why it cannot be made here."""

    text: str
    tests: tuple[tuple[str, str], ...] = ()
    absent: str = ""


LOOP, ROUTES = "tests/kube/test_mistakes.py", "tests/kube/test_mistakes_routes.py"
PEOPLE, PODS = "tests/kube/scenarios/test_people.py", "tests/kube/scenarios/test_trouble.py"
DEPLOYS = "tests/kube/scenarios/test_deploys.py"
DEATHS = "tests/kube/scenarios/test_deaths.py"
WEIGHTS, DRIFT = "tests/kube/test_route_weights.py", "tests/kube/test_route_drift.py"
CONFIRM = "tests/kube/test_route_confirm.py"
RETURNS = "tests/kube/test_loop_returns.py"

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "An abort takes no traffic back before every pod of stable is available.",
        (
            (PEOPLE, "test_an_abort_does_not_wait_for_a_degraded_stable"),
            (PEOPLE, "test_an_abort_does_not_wait_for_scaling_in_the_same_moment"),
            (RETURNS, "test_an_abort_does_not_wait_for_a_stable_that_is_too_small"),
        ),
    ),
    Mistake(
        "An abort removes the new pods while a Service still sends to them alone.",
        ((DEPLOYS, "test_a_bad_version_is_at_zero_before_its_pods_go_and_the_reason_has_figures"),),
    ),
    Mistake(
        "Of several routes, the loop ends at the first that needs no change or cannot be changed.",
        (
            (WEIGHTS, "test_an_object_that_is_back_already_does_not_end_the_round"),
            (RETURNS, "test_a_route_that_cannot_be_patched_keeps_no_other_one_on_the_canary"),
        ),
    ),
    Mistake(
        "A weight counts as verified without a look at the route's status.",
        (
            (
                CONFIRM,
                "test_a_gateway_that_refuses_the_route_never_verifies_it_and_says_why",
            ),
            (
                CONFIRM,
                "test_a_written_weight_is_verified_soon_after_the_gateway_says_so_and_not_before",
            ),
        ),
    ),
    Mistake(
        "A number that is none, an infinite one, or an empty answer passes for good.",
        ((PODS, "test_missing_and_odd_numbers_hold_and_then_follow_the_policy"),),
    ),
    Mistake(
        "Destinations and rules of others are deleted from a route that is shifted.",
        (
            (WEIGHTS, "test_everything_foreign_stays_byte_for_byte_through_a_whole_release"),
            (DEPLOYS, "test_rules_filters_and_destinations_of_others_stay_exactly_as_they_are"),
        ),
    ),
    Mistake(
        "An analysis that ended without a measurement counts as a success.",
        ((LOOP, "test_without_one_measurement_nothing_is_promoted"),),
    ),
    Mistake(
        "A setting of the environment is ignored when it is right and taken for 0 when it is wrong.",
        (
            ("tests/unit/test_settings.py", "test_every_setting_can_come_from_the_environment"),
            ("tests/unit/test_settings.py", "test_a_setting_that_cannot_be_used_is_named"),
        ),
    ),
    Mistake(
        "An object is changed in the shared cache before it is written, and a failed write leaves the cache wrong.",
        ((ROUTES, "test_a_write_that_fails_leaves_what_the_watch_keeps_as_it_is"),),
    ),
    Mistake(
        "While an aborted canary still runs, its Service points to it and away from it again on each pass.",
        ((LOOP, "test_an_aborted_canary_is_left_alone_until_it_goes_and_no_service_flaps"),),
    ),
    Mistake(
        "An Ingress with a rule without paths, or with a resource for a backend, ends the controller's pass.",
        ((ROUTES, "test_an_ingress_with_a_rule_without_paths_and_a_resource_for_a_backend_carries_a_canary"),),
    ),
    Mistake(
        "A deletion in the middle of a release leaves the weights as they are.",
        ((LOOP, "test_an_application_deleted_in_the_middle_leaves_no_weight_and_no_rule_behind"),),
    ),
    Mistake(
        "An unready stable or canary ends the pass before the metrics, the threshold or the abort are looked at.",
        (
            (LOOP, "test_harm_is_acted_on_while_an_instance_of_stable_and_one_of_the_canary_are_not_ready"),
            (PODS, "test_one_crashing_pod_of_several_does_not_stop_the_judgement"),
        ),
    ),
    Mistake(
        "A stable that was scaled to nothing counts as ready, and a rollback sends everything to it.",
        ((LOOP, "test_traffic_does_not_go_back_to_a_stable_that_was_scaled_to_nothing"),),
    ),
    Mistake(
        "Each query adds one more credential to an object that queries share.",
        (("tests/contract/test_metrics_credentials.py", "test_each_query_carries_its_credentials_once"),),
    ),
    Mistake(
        "Of several series the last one is taken, without a word.",
        (
            (
                "tests/unit/analysis/test_counters.py",
                "test_series_are_summed_after_differencing_so_a_reset_of_one_does_not_hide_the_others",
            ),
        ),
    ),
    Mistake(
        "A correction of drift gives both sides the weight 100, so half of the traffic goes to the canary.",
        ((DRIFT, "test_both_at_a_hundred_is_half_of_the_traffic_and_corrected"),),
    ),
    Mistake(
        "A version that comes while the last one is failing, and a call goes wrong, is forgotten.",
        (
            (DEPLOYS, "test_a_version_submitted_while_a_rollback_waits_for_stable_is_not_lost"),
            (LOOP, "test_a_template_that_comes_while_a_rollback_is_under_way_and_nothing_can_be_read_is_not_lost"),
        ),
    ),
    Mistake(
        "A return to stable's version is no change, and the other version applied again is ignored.",
        (
            (DEPLOYS, "test_going_back_to_stable_reverts_at_once_and_deploying_again_starts_a_new_canary"),
            (LOOP, "test_a_template_that_is_taken_back_and_applied_again_is_a_release_again"),
        ),
    ),
    Mistake(
        "After a crash between the canary's end and its record the analysis starts again and traffic goes to nothing.",
        (
            (LOOP, "test_a_controller_that_dies_between_the_end_of_a_canary_and_its_record_sends_it_nothing"),
            (DEATHS, "test_a_controller_killed_before_and_after_every_write_comes_to_the_same_end"),
        ),
    ),
    Mistake(
        "A difference that no write takes away is written again on every pass.",
        (
            (
                "tests/kube/test_workload_calls.py",
                "test_a_pass_over_a_release_that_stands_reads_two_objects_and_a_list_and_writes_nothing",
            ),
        ),
    ),
    Mistake(
        "The error of a query that cannot be built is overwritten by the next one.",
        absent="A query is a selector that is checked when the application is registered; nothing is rendered later.",
    ),
    Mistake(
        "Any edit of a route sets the weights back, also when the canary is all that serves well.",
        (
            (LOOP, "test_an_edit_of_the_route_while_stable_rolls_moves_no_weight"),
            (DRIFT, "test_whatever_else_somebody_changes_the_weights_stay_and_nothing_is_written"),
        ),
    ),
    Mistake(
        "A weight that somebody raises by hand moves the release forward.",
        (
            (DRIFT, "test_a_weight_set_by_hand_is_seen_advances_nothing_and_is_put_back"),
            (PODS, "test_a_weight_edited_by_somebody_else_is_put_back_reported_and_advances_nothing"),
        ),
    ),
)


def page() -> str:
    lines = [
        "# Mistakes that are not made in a cluster",
        "",
        "What a canary controller in a cluster can get wrong, and the tests that show that this one does not. This",
        "page is written by `python -m tests.kube.mistakes`, and a test keeps it true.",
        "",
        "| the mistake | shown by |",
        "|---|---|",
        *(_line(mistake) for mistake in MISTAKES),
    ]
    return "\n".join(lines) + "\n"


def _line(mistake: Mistake) -> str:
    tests = "; ".join(name.removeprefix("test_").replace("_", " ") for _, name in mistake.tests)
    return f"| {mistake.text} | {tests or mistake.absent} |"


def functions(file: str) -> frozenset[str]:
    """The tests that the file holds."""
    body = ast.parse((ROOT / file).read_text()).body
    return frozenset(node.name for node in body if isinstance(node, ast.FunctionDef))


if __name__ == "__main__":
    PAGE.write_text(page())
