"""What is made of health answers, without a network and without waiting."""

from __future__ import annotations

import threading

from controller.adapters.workloads.health import Answer, Checks, Health, Question

QUESTION = Question("http://127.0.0.1:1/healthz", 1.0)


class HandClock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def now_s(self) -> float:
        return self.at_s

    def monotonic_s(self) -> float:
        return self.at_s


class Script:
    """Answers from a list, the last one for ever."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, question: Question) -> Answer:
        self.asked += 1
        good = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Answer(good, "" if good else "answered 503")


def ask_often(checks: Checks, clock: HandClock, times: int) -> list[Health]:
    seen = []
    for _ in range(times):
        checks.ask([("a", QUESTION)])
        checks.settle({"a"})
        seen.append(checks.health("a"))
        clock.at_s += 1.0
    return seen


def test_two_good_answers_in_a_row_make_steady_and_one_does_not() -> None:
    clock = HandClock()
    checks = Checks(Script(True, False, True, True), clock)
    assert [health.steady for health in ask_often(checks, clock, 4)] == [False, False, False, True]
    checks.close()


def test_two_bad_answers_in_a_row_are_lost_and_one_is_not() -> None:
    clock = HandClock()
    checks = Checks(Script(True, False, True, False, False), clock)
    assert [health.lost for health in ask_often(checks, clock, 5)] == [False, False, False, False, True]
    checks.close()


def test_nobody_is_asked_more_often_than_the_interval_however_many_callers_there_are() -> None:
    clock, script = HandClock(), Script(True)
    checks = Checks(script, clock)
    for _ in range(20):
        checks.ask([("a", QUESTION)])
        checks.settle({"a"})
    assert script.asked == 1
    checks.close()


def test_a_check_that_does_not_end_counts_as_lost_and_blocks_no_other() -> None:
    clock, let_go = HandClock(), threading.Event()

    def ask(question: Question) -> Answer:
        if question.url == "hang":
            let_go.wait(10)
        return Answer(True)

    checks = Checks(ask, clock)
    checks.ask([("slow", Question("hang", 1.0)), ("a", QUESTION)])
    checks.settle({"a"})
    assert checks.health("a").ever
    clock.at_s += 10.0
    assert checks.health("slow").lost
    let_go.set()
    checks.close()


def test_an_answer_that_comes_after_its_instance_is_gone_is_thrown_away() -> None:
    clock, let_go = HandClock(), threading.Event()

    def ask(question: Question) -> Answer:
        let_go.wait(10)
        return Answer(True)

    checks = Checks(ask, clock)
    checks.ask([("role/a@1", QUESTION)])
    checks.keep_only("role/", set())
    let_go.set()
    checks.settle({"role/a@1"})
    assert checks.health("role/a@1") == Health()
    checks.close()
