"""Every trouble of a pod and of its makers has words that say what to look at."""

from __future__ import annotations

from typing import Any

import pytest

from controller.adapters.kube.workload.notes import TEXT_CHARS_MAX, Rank, Trouble, joined, of_owner, of_pod, told


def pod(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = (), **conditions: str) -> dict[str, Any]:
    listed = [{"type": kind, "status": status, "message": "0/3 nodes fit"} for kind, status in conditions.items()]
    return {
        "status": {"conditions": listed, "containerStatuses": list(containers), "initContainerStatuses": list(init)}
    }


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"name": "main", "image": "shop:9", "state": {"waiting": {"reason": reason, "message": message}}, **more}


RUNS: dict[str, Any] = {"name": "main", "state": {"running": {}}, "ready": False, "restartCount": 0}
FAILED = {"terminated": {"exitCode": 3, "reason": "Error"}}
ENDED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}


@pytest.mark.parametrize(
    ("raw", "rank", "text"),
    [
        (pod(PodScheduled="False"), Rank.UNSCHEDULABLE, "cannot be scheduled: 0/3 nodes fit"),
        (
            pod(waiting("ImagePullBackOff", "not found")),
            Rank.IMAGE,
            "the image shop:9 of container main cannot be pulled (ImagePullBackOff): not found",
        ),
        (
            pod(waiting("CreateContainerConfigError", 'configmap "x" not found')),
            Rank.CONTAINER,
            'container main: CreateContainerConfigError: configmap "x" not found',
        ),
        (
            pod(
                waiting(
                    "CrashLoopBackOff", restartCount=4, lastState={"terminated": {"exitCode": 3, "reason": "Error"}}
                )
            ),
            Rank.CRASH,
            "container main ended with exit code 3, restarted 4 times, CrashLoopBackOff",
        ),
        (
            pod({**RUNS, "restartCount": 2, "lastState": ENDED}),
            Rank.CRASH,
            "container main ended with exit code 137 (OOMKilled), restarted 2 times",
        ),
        (
            pod({**RUNS, "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}),
            Rank.CRASH,
            "container main ended with exit code 1, restarted 0 times",
        ),
        (
            pod(waiting("CrashLoopBackOff", restartCount=1, lastState={"terminated": {"exitCode": 0}})),
            Rank.CRASH,
            "container main ended with exit code 0, restarted 1 time, CrashLoopBackOff",
        ),
        (pod(RUNS), Rank.STARTING, "container main runs and is not ready: does its readiness probe pass?"),
        (pod(waiting("ContainerCreating")), Rank.STARTING, "not started yet"),
        (pod(), Rank.STARTING, "not started yet"),
    ],
)
def test_a_pod_that_is_not_ready_says_why(raw: dict[str, Any], rank: Rank, text: str) -> None:
    assert of_pod(raw) == Trouble(rank, text)


def test_a_pod_is_ready_when_it_says_so_whatever_its_containers_say() -> None:
    assert of_pod(pod(RUNS, Ready="True")) is None


def test_one_bad_container_of_several_is_told() -> None:
    fine = {**RUNS, "name": "proxy", "ready": True}
    trouble = of_pod(pod(fine, waiting("ErrImagePull"), PodScheduled="True"))
    assert trouble is not None
    assert "container main" in trouble.text


def test_an_init_container_that_has_ended_well_is_no_trouble_and_one_that_crashes_is() -> None:
    done = {"name": "init", "ready": True, "state": {"terminated": {"exitCode": 0}}}
    assert of_pod(pod({**RUNS, "name": "main"}, init=(done,))) == of_pod(pod(RUNS))
    crashed = {**waiting("CrashLoopBackOff", restartCount=7, lastState={"terminated": {"exitCode": 9}}), "name": "init"}
    trouble = of_pod(pod(waiting("PodInitializing"), init=(crashed,)))
    assert trouble is not None
    assert trouble.text == "container init ended with exit code 9, restarted 7 times, CrashLoopBackOff"


def test_a_used_up_quota_is_told_in_the_servers_words() -> None:
    message = 'pods "shop-1" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3'
    failed = {"type": "ReplicaFailure", "status": "True", "message": message}
    assert of_owner({"status": {"conditions": [failed]}}) == Trouble(Rank.REFUSED, f"pods cannot be made: {message}")


def test_a_roll_out_without_progress_is_told_and_a_good_one_is_not() -> None:
    late = {"type": "Progressing", "status": "False", "message": "timed out progressing"}
    assert of_owner({"status": {"conditions": [late]}}) == Trouble(Rank.STARTING, "timed out progressing")
    assert of_owner({"status": {"conditions": [{**late, "status": "True"}]}}) is None
    assert of_owner({}) is None


def test_the_worst_trouble_is_told_with_how_many_have_it() -> None:
    slow, pull = Trouble(Rank.STARTING, "not started yet"), Trouble(Rank.IMAGE, "cannot be pulled")
    assert told([slow, slow, slow, pull]) == "cannot be pulled"
    assert told([pull, pull, slow]) == "2 instances: cannot be pulled"
    assert told([]) == ""


def test_a_long_message_is_cut_and_kept_on_one_line() -> None:
    trouble = of_pod(pod(waiting("ErrImagePull", "very\nlong " * 100)))
    assert trouble is not None
    assert len(trouble.text) == TEXT_CHARS_MAX
    assert "\n" not in trouble.text


def test_notes_are_joined_without_repeats() -> None:
    assert joined("a", "", "b", "a") == "a; b"
