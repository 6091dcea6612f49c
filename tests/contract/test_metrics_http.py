"""Every way an HTTP answer can be wrong ends as UNREADABLE with a short text; on a stub server on loopback."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from analysis.model import AnalysisSpec, CounterQuery, Outcome, Policy, Readings, Role
from analysis.prometheus import PrometheusMetrics
from analysis.prometheus import listen as listen_module
from tests.contract.metrics_stub import Answer, Handler, Stub, cut_short, dripping, html, matrix, reset, series, stub

BOTH = {Role.STABLE: "v1", Role.CANARY: "v2"}
QUERY = CounterQuery("errors", ('total{version="$version"}',), ('bad{version="$version"}',))


class Sleeps:
    """Records waits instead of waiting."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.fixture
def sleeps() -> Sleeps:
    return Sleeps()


@pytest.fixture
def metrics(sleeps: Sleeps) -> Iterator[PrometheusMetrics]:
    door = PrometheusMetrics(time.monotonic, sleeps, read_s=0.5, deadline_s=2.0)
    yield door
    door.close()


def spec_for(url: str) -> AnalysisSpec:
    return AnalysisSpec(url, (QUERY,))


def read(metrics: PrometheusMetrics, server: Stub) -> Readings:
    return metrics.read(spec_for(server.url), BOTH, "shop", 1000.0)


BAD_ANSWERS: dict[str, tuple[Answer, str]] = {
    "bad request": (
        lambda h: h.send_json({"status": "error", "errorType": "bad_data", "error": "parse error: x"}, 400),
        "answered 400: parse error: x",
    ),
    "unauthorised": (lambda h: h.send(b"who are you", 401), "answered 401"),
    "unprocessable": (lambda h: h.send_json({"status": "error", "error": "too many samples"}, 422), "too many samples"),
    "server error": (lambda h: h.send(b"oops", 500), "answered 500"),
    "unavailable": (lambda h: h.send(b"", 503), "answered 503"),
    "html page": (html, "sent no JSON"),
    "empty body": (lambda h: h.send(b""), "sent no JSON"),
    "error with status 200": (lambda h: h.send_json({"status": "error", "error": "half a store"}), "half a store"),
    "json list": (lambda h: h.send_json([1, 2]), "no usable answer"),
    "json null": (lambda h: h.send_json(None), "no usable answer"),
    "data null": (lambda h: h.send_json({"status": "success", "data": None}), "no usable answer"),
    "warnings": (lambda h: h.send_json(matrix(series("5"), warnings=["store 3 is away"])), "store 3 is away"),
    "reset": (reset, "cannot be reached, or broke off"),
    "cut short": (cut_short, "broke off"),
    "redirect": (lambda h: h.send(b"", 302, (("Location", "/login"),)), "redirects"),
}


@pytest.mark.parametrize("name", sorted(BAD_ANSWERS))
def test_a_bad_answer_is_unreadable_and_says_why(name: str, metrics: PrometheusMetrics) -> None:
    answer, words = BAD_ANSWERS[name]
    with stub(answer) as server:
        readings = read(metrics, server)
    assert {item.outcome for item in readings.items} == {Outcome.UNREADABLE}
    assert words in readings.items[0].text
    assert all(len(item.text) < 400 and not item.series for item in readings.items)


def test_a_good_answer_is_read_for_both_roles_at_one_fixed_time(metrics: PrometheusMetrics) -> None:
    with stub(lambda h: h.send_json(matrix(series("7", job="a", instance="b")))) as server:
        readings = read(metrics, server)
        asked = [parse_qs(urlsplit(path).query) for path, _ in server.asked]
    assert {(item.metric, item.role, item.outcome) for item in readings.items} == {
        (selector, role, Outcome.OK) for selector in (*QUERY.total, *QUERY.bad) for role in Role
    }
    assert readings.items[0].series[0].points[-1].value == 7.0
    assert {query["time"][0] for query in asked} == {"999.000"}
    assert {query["partial_response"][0] for query in asked} == {"false"}
    assert [query["query"][0] for query in asked][:2] == ['bad{version="v1"}[60s]', 'bad{version="v2"}[60s]']


def test_a_server_that_never_answers_costs_one_time_out_and_no_repetition(
    metrics: PrometheusMetrics, sleeps: Sleeps
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begun_s = time.monotonic()
        readings = metrics.read(spec_for(url), BOTH, "shop", 1000.0)
        took_s = time.monotonic() - begun_s
    assert took_s < 1.5
    assert "did not answer in time" in readings.items[0].text
    assert all(item.outcome is Outcome.UNREADABLE for item in readings.items)
    assert "not asked" in readings.items[-1].text
    assert sleeps.waits == []


def test_an_answer_that_drips_is_given_up(metrics: PrometheusMetrics) -> None:
    with stub(dripping) as server:
        begun_s = time.monotonic()
        readings = read(metrics, server)
    assert time.monotonic() - begun_s < 2.0
    assert "came too slowly" in readings.items[0].text


def test_slow_answers_of_all_queries_together_end_at_the_deadline(sleeps: Sleeps) -> None:
    def slow(handler: Handler) -> None:
        threading.Event().wait(0.2)
        handler.send_json(matrix(series()))

    door = PrometheusMetrics(time.monotonic, sleeps, read_s=0.5, deadline_s=0.5)
    with stub(slow) as server:
        begun_s = time.monotonic()
        readings = door.read(spec_for(server.url), BOTH, "shop", 1000.0)
    door.close()
    assert time.monotonic() - begun_s < 1.2
    assert readings.items[0].outcome is Outcome.OK
    assert readings.items[-1].outcome is Outcome.UNREADABLE


def test_nothing_listening_is_unreadable_after_one_repetition(metrics: PrometheusMetrics, sleeps: Sleeps) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    readings = metrics.read(spec_for(f"http://127.0.0.1:{port}"), BOTH, "shop", 1000.0)
    assert {item.outcome for item in readings.items} == {Outcome.UNREADABLE}
    assert sleeps.waits == [0.2]


def test_a_single_reset_is_repeated_and_then_read(metrics: PrometheusMetrics, sleeps: Sleeps) -> None:
    left = [reset]

    def once(handler: Handler) -> None:
        left.pop()(handler) if left else handler.send_json(matrix(series()))

    with stub(once) as server:
        readings = read(metrics, server)
    assert {item.outcome for item in readings.items} == {Outcome.OK}
    assert len(sleeps.waits) == 1


def test_server_errors_are_repeated_once_and_client_errors_never(metrics: PrometheusMetrics) -> None:
    with stub(lambda h: h.send(b"", 500)) as failing:
        read(metrics, failing)
    with stub(lambda h: h.send(b"", 400)) as refusing:
        read(metrics, refusing)
    assert (len(failing.asked), len(refusing.asked)) == (8, 4)


def test_an_endless_answer_is_cut_off(metrics: PrometheusMetrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen_module, "ANSWER_MAX", 10_000)
    with stub(lambda h: h.send(b" " * 1_000_000)) as server:
        readings = read(metrics, server)
    assert "larger than" in readings.items[0].text


def test_more_series_than_the_limit_are_not_read(metrics: PrometheusMetrics) -> None:
    many = matrix(*(series("1", pod=str(number)) for number in range(501)))
    with stub(lambda h: h.send_json(many)) as server:
        readings = read(metrics, server)
    assert {item.outcome for item in readings.items} == {Outcome.TOO_MANY_SERIES}


@pytest.mark.parametrize(
    ("bearer", "expected"), [(True, "Bearer alice:s3cret"), (False, "Basic YWxpY2U6czNjcmV0")], ids=["bearer", "basic"]
)
def test_credentials_come_from_the_file_and_appear_in_no_text(
    bearer: bool, expected: str, sleeps: Sleeps, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text("alice:s3cret\n")
    with stub(lambda h: h.send(b"no", 403)) as server:
        door = PrometheusMetrics(time.monotonic, sleeps, file, bearer, read_s=0.5, credentials_for=(server.url,))
        readings = door.read(spec_for(server.url), BOTH, "shop", 1000.0)
        sent = {headers["authorization"] for _, headers in server.asked}
    door.close()
    assert sent == {expected}
    assert all("s3cret" not in item.text and "YWxp" not in item.text for item in readings.items)


@pytest.mark.parametrize(
    "content", [None, "", "two\nlines", "caf\u00e9"], ids=["missing", "empty", "lines", "not ascii"]
)
def test_unusable_credentials_send_nothing(content: str | None, sleeps: Sleeps, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    if content is not None:
        file.write_text(content)
    with stub(html) as server:
        door = PrometheusMetrics(time.monotonic, sleeps, file, credentials_for=(server.url,))
        readings = door.read(spec_for(server.url), BOTH, "shop", 1000.0)
    assert server.asked == []
    assert "credentials file" in readings.items[0].text


def test_credentials_in_the_address_appear_in_no_text(metrics: PrometheusMetrics) -> None:
    with stub(lambda h: h.send(b"no", 500)) as server:
        url = server.url.replace("//", "//bob:hunter2@")
        texts = [item.text for item in metrics.read(spec_for(url), BOTH, "shop", 1000.0).items]
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    gone = metrics.read(spec_for(f"http://bob:hunter2@127.0.0.1:{port}"), BOTH, "shop", 1000.0)
    assert all("hunter2" not in text for text in [*texts, *(item.text for item in gone.items)])


def test_a_value_with_quotes_cannot_leave_its_label(metrics: PrometheusMetrics) -> None:
    with stub(lambda h: h.send_json(matrix())) as server:
        metrics.read(spec_for(server.url), {Role.STABLE: 'v1"} or up{x="', Role.CANARY: "v2"}, "shop", 1000.0)
        queries = [parse_qs(urlsplit(path).query)["query"][0] for path, _ in server.asked]
    assert queries[0] == 'bad{version="v1\\"} or up{x=\\""}[60s]'


def test_a_role_without_a_version_is_not_asked_about(metrics: PrometheusMetrics) -> None:
    with stub(lambda h: h.send_json(matrix(series()))) as server:
        readings = metrics.read(spec_for(server.url), {Role.STABLE: "v1"}, "shop", 1000.0)
    outcomes = {item.role: item.outcome for item in readings.items}
    assert outcomes == {Role.STABLE: Outcome.OK, Role.CANARY: Outcome.NO_SERIES}
    assert len(server.asked) == 2


def test_each_thread_has_its_own_connection(metrics: PrometheusMetrics) -> None:
    ports: set[int] = set()

    def remember(handler: Handler) -> None:
        ports.add(handler.client_address[1])
        handler.send_json(matrix(series()))

    with stub(remember) as server:

        def worker() -> None:
            read(metrics, server)
            read(metrics, server)
            metrics.close()

        threads = [threading.Thread(target=worker) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(ports) == 3


def answered(by_name: dict[str, object]) -> Answer:
    """Answers by the metric's name: a missing one gets no series."""

    def answer(handler: Handler) -> None:
        query = parse_qs(urlsplit(handler.path).query)["query"][0]
        handler.send_json(by_name.get(query.partition("{")[0], matrix()))

    return answer


FRESH: Mapping[str, object] = {"metric": {}, "values": [[999.0, "1"]]}


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"total": matrix(FRESH), "bad": matrix(FRESH)}, None),
        ({"total": matrix(FRESH), "count(bad)": matrix(FRESH)}, None),
        ({"total": matrix(FRESH)}, "nothing exports bad"),
        ({"bad": matrix(FRESH)}, "no such series"),
        ({"total": matrix(series()), "bad": matrix(FRESH)}, None),
        ({"total": {"status": "error", "error": "full"}, "bad": matrix(FRESH)}, "full"),
        ({"total": matrix({"metric": {}, "values": [[5.0, "1"]]}), "bad": matrix(FRESH)}, "stale"),
    ],
    ids=["all there", "no failures yet", "misspelt failures", "no requests", "quiet", "error", "stale"],
)
def test_check_before_a_release(answers: dict[str, object], words: str | None, metrics: PrometheusMetrics) -> None:
    with stub(answered(answers)) as server:
        said = metrics.check(spec_for(server.url), {Role.STABLE: "v1"}, "shop", 1000.0)
    assert said is None if words is None else words in (said or "")


@pytest.mark.parametrize("policy", [Policy(dry_run=True), Policy(required=False)], ids=["dry", "not required"])
def test_a_metric_that_may_be_missing_keeps_no_release_from_starting(
    policy: Policy, metrics: PrometheusMetrics
) -> None:
    with stub(answered({"total": matrix(FRESH), "bad": matrix(FRESH)})) as server:
        spec = spec_for(server.url)
        extra = CounterQuery("extra", ("absent",), ("absent_too",))
        with_it = replace(spec, counters=(*spec.counters, extra))
        allowed = replace(spec, counters=(*spec.counters, replace(extra, policy=policy)))
        said = [metrics.check(one, {Role.STABLE: "v1"}, "shop", 1000.0) for one in (with_it, allowed)]
    assert "absent_too" in (said[0] or "")
    assert said[1] is None


def test_check_says_that_prometheus_is_away(metrics: PrometheusMetrics) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    said = metrics.check(spec_for(f"http://127.0.0.1:{port}"), BOTH, "shop", 1000.0)
    assert "cannot be reached" in (said or "")


def test_a_thread_keeps_sessions_for_a_bounded_number_of_servers(metrics: PrometheusMetrics) -> None:
    first, _ = metrics.connected("http://server-0")
    assert metrics.connected("http://server-0")[0] is first
    for number in range(1, 17):
        metrics.connected(f"http://server-{number}")
    assert metrics.connected("http://server-0")[0] is not first
