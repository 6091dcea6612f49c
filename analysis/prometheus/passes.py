"""The queries of one pass over one spec: one fixed time, one deadline, every trouble an outcome or a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from tenacity import Retrying

from analysis.model import AnalysisSpec, GaugeQuery
from analysis.preflight import LOOK_BACK_S, hour_trouble
from analysis.prometheus.gate import Gate
from analysis.prometheus.listen import BadAnswer, Listener, Transient
from analysis.read import gauge_from, lacks_bucket, must_be_fresh, reading_from, selectors_of
from analysis.samples import Outcome, Reading, Readings, Role
from analysis.selectors import read_selector, render_expression, values_of

CONNECT_S = 2.0
LEAST_S = 0.1  # what a query needs at least; with less left it is not asked

_NO_SERIES = "no such series; compare the labels with what Prometheus has"


class Asking(Protocol):
    """What a pass needs of the client."""

    def started_s(self) -> float: ...
    def seconds_left(self, since_s: float) -> float: ...
    def read_limit_s(self, left_s: float) -> float: ...
    def connected(self, url: str) -> tuple[PrometheusConnect, Listener]: ...
    def headers(self, url: str) -> dict[str, str] | None: ...
    def patient(self) -> Retrying: ...
    def gate(self, url: str) -> Gate: ...


class Pass:
    """The queries of one pass: one fixed time, one deadline, and after a dead connection no more questions."""

    def __init__(self, metrics: Asking, spec: AnalysisSpec, application: str, at_s: float) -> None:
        self._metrics = metrics
        self._spec = spec
        self._application = application
        self._at_s = at_s
        self._since_s = metrics.started_s()
        self._dead = ""

    def alone(self, versions: Mapping[Role, str]) -> tuple[Reading, ...]:
        """Every selector for each role, one query each."""
        selectors = selectors_of(self._spec)
        return tuple(self.reading(selector, role, versions.get(role)) for selector in selectors for role in Role)

    def gauges(self, versions: Mapping[Role, str]) -> tuple[Reading, ...]:
        return tuple(self.value(one.value, role, versions.get(role)) for one in self._spec.gauges for role in Role)

    def check(self, versions: Mapping[Role, str]) -> str | None:
        """What keeps a release from being judged, for people; None when nothing does."""
        readings: list[Reading] = []
        for selector in selectors_of(self._spec):
            for role in (role for role in Role if role in versions):
                reading = self.reading(selector, role, versions[role])
                trouble = self.trouble(reading) or lacks_bucket(self._spec, reading)
                if trouble:
                    return f"{selector} for {role.value}: {trouble}"
                readings.append(reading)
        for query in self._spec.gauges:
            trouble = self._gauge_trouble(query, versions)
            if trouble:
                return trouble
        return self._last_hour(versions, Readings(self._at_s, tuple(readings)))

    def _gauge_trouble(self, query: GaugeQuery, versions: Mapping[Role, str]) -> str | None:
        """Stable's value must be one number; the canary's may not be there yet."""
        for role in (role for role in Role if role in versions):
            reading = self.value(query.value, role, versions[role])
            if role is Role.CANARY and reading.outcome is Outcome.NO_SERIES:
                continue
            if reading.outcome is not Outcome.OK:
                return f"{query.name} for {role.value}: {reading.outcome.value.replace('_', ' ')}: {reading.text}"
            if len(reading.series) != 1:
                return (
                    f"{query.name} for {role.value}: {len(reading.series)} values instead of one; add or average them"
                )
        return None

    def _last_hour(self, versions: Mapping[Role, str], now: Readings) -> str | None:
        """The same queries for stable at some moments of the last hour."""
        if Role.STABLE not in versions:
            return None
        past = [now]
        for ago_s in LOOK_BACK_S:
            earlier = Pass(self._metrics, self._spec, self._application, self._at_s - ago_s)
            earlier._since_s = self._since_s
            selectors = selectors_of(self._spec)
            items = [earlier.reading(selector, Role.STABLE, versions[Role.STABLE]) for selector in selectors]
            past.append(Readings(self._at_s - ago_s, tuple(items)))
        return hour_trouble(self._spec, past)

    def reading(self, selector: str, role: Role, version: str | None) -> Reading:
        if version is None:
            return Reading(selector, role, Outcome.NO_SERIES, text=f"there is no {role.value} version")
        values = values_of(self._spec.names, role, version, self._application)
        query = f"{read_selector(selector).render(values)}[{max(1, round(self._spec.window_s))}s]"
        try:
            result = self.ask(query)
        except BadAnswer as bad:
            return Reading(selector, role, Outcome.UNREADABLE, text=bad.text)
        oldest_s = self._at_s - self._spec.stale_after_s if must_be_fresh(self._spec, selector) else None
        return reading_from(selector, role, result, oldest_s)

    def value(self, expression: str, role: Role, version: str | None) -> Reading:
        """A gauge's value for one role."""
        if version is None:
            return Reading(expression, role, Outcome.NO_SERIES, text=f"there is no {role.value} version")
        values = values_of(self._spec.names, role, version, self._application)
        try:
            result = self.ask(render_expression(expression, values))
        except BadAnswer as bad:
            return Reading(expression, role, Outcome.UNREADABLE, text=bad.text)
        return gauge_from(expression, role, result)

    def trouble(self, reading: Reading) -> str | None:
        if reading.outcome is Outcome.OK:
            return None
        if reading.role is Role.CANARY and reading.outcome in (Outcome.NO_SERIES, Outcome.STALE):
            return None
        if reading.outcome is Outcome.NO_SERIES:
            needed = must_be_fresh(self._spec, reading.metric)
            return _NO_SERIES if needed else self._unknown(reading.metric)
        return f"{reading.outcome.value.replace('_', ' ')}: {reading.text}"

    def _unknown(self, selector: str) -> str | None:
        """A metric that nobody exports is a misspelling, and would count as "never a failure"."""
        name = read_selector(selector).name
        try:
            found = self.ask(f"count({name})")
        except BadAnswer as bad:
            return bad.text
        return None if found else f"nothing exports {name}; check its spelling, or let stable export it once"

    def ask(self, query: str) -> Any:
        """``data.result`` of one instant query. Raises BadAnswer."""
        if self._dead:
            raise BadAnswer(f"not asked, for {self._dead}")
        try:
            return self._metrics.patient()(self._through_gate, query)
        except BadAnswer as bad:
            if bad.dead:
                self._dead = bad.text
            raise

    def _through_gate(self, query: str) -> Any:
        """Within the budget, and not while Prometheus is away."""
        gate = self._metrics.gate(self._spec.prometheus_url)
        refusal = gate.refusal()
        if refusal is not None:
            raise BadAnswer(refusal, dead=True)
        begun_s, failed, dead = self._metrics.started_s(), True, False
        try:
            result = self._once(query)
            failed = False
            return result
        except BadAnswer as bad:
            dead = bad.dead
            raise
        finally:
            gate.done(self._metrics.started_s() - begun_s, failed, dead)

    def _once(self, query: str) -> Any:
        left_s = self._metrics.seconds_left(self._since_s)
        where = host_of(self._spec.prometheus_url)
        if left_s < LEAST_S:
            raise BadAnswer(f"Prometheus at {where} took too long for all queries together", dead=True)
        client, listener = self._metrics.connected(self._spec.prometheus_url)
        read_s = self._metrics.read_limit_s(left_s)
        listener.begin(read_s)
        params = {
            "time": f"{self._at_s - self._spec.settle_s:.3f}",
            "timeout": f"{max(1, round(read_s * 1000))}ms",
            "partial_response": "false",
        }
        try:
            client.headers = self._metrics.headers(self._spec.prometheus_url)
        except (OSError, ValueError):
            raise BadAnswer("the credentials file for Prometheus cannot be read", dead=True) from None
        try:
            result = client.custom_query(query, params=params, timeout=(min(CONNECT_S, left_s), read_s))
        except requests.RequestException as error:
            raise _of_transport(error, where) from None
        except PrometheusApiClientException:
            raise _of_status(listener, where) from None
        except (KeyError, TypeError, ValueError):
            raise BadAnswer(f"Prometheus at {where} sent no usable answer{listener.said}") from None
        if listener.warnings:
            raise BadAnswer(f"Prometheus at {where} warns that the answer may be partial: {listener.warnings}")
        return result


def _of_transport(error: requests.RequestException, where: str) -> BadAnswer:
    """The library's own texts hold the whole URL, so none of them is used."""
    if isinstance(error, requests.JSONDecodeError):
        return BadAnswer(f"what answers at {where} is not Prometheus: it sent no JSON")
    if isinstance(error, requests.TooManyRedirects):
        return BadAnswer(f"what answers at {where} redirects; give Prometheus' own address")
    if isinstance(error, requests.Timeout):
        return BadAnswer(f"Prometheus at {where} did not answer in time", dead=True)
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return Transient(f"Prometheus at {where} cannot be reached, or broke off", dead=True)
    return BadAnswer(f"the query to Prometheus at {where} could not be sent ({type(error).__name__})")


def _of_status(listener: Listener, where: str) -> BadAnswer:
    text = f"Prometheus at {where} answered {listener.status}{listener.said}"
    return Transient(text) if listener.status >= 500 else BadAnswer(text)


def host_of(url: str) -> str:
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or "its address"
