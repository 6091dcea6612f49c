"""Hours of stable's own past, thinned by Prometheus itself, for what is learned of its pods. It judges nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from analysis.calibration import is_enough
from analysis.model import AnalysisSpec, Calibration
from analysis.pod_history import calibrated
from analysis.prometheus.listen import BadAnswer
from analysis.read import reading_from, selectors_of
from analysis.samples import Outcome, Reading, Readings, Role
from analysis.selectors import read_selector, values_of

WINDOW_S = 600  # of comparison: long enough for a pod to serve something, short enough to have many of them
SPAN_S = 6 * 3_600  # of the past; pods rarely live longer than a working day

Ask = Callable[[str], Any]
"""``data.result`` of an instant query. Raises BadAnswer."""


def learned(
    spec: AnalysisSpec, stable: str, application: str, at_s: float, canary_pods: int, ask: Ask
) -> Calibration | None:
    """How much stable's pods differ; None where there is too little to tell, or Prometheus does not say.

    A subquery gives one sample a window, so hours of many series stay a small answer.
    """
    values = values_of(spec.names, Role.STABLE, stable, application)
    items = []
    for selector in selectors_of(spec):
        query = f"{read_selector(selector).render(values)}[{SPAN_S + WINDOW_S}s:{WINDOW_S}s]"
        try:
            items.append(reading_from(selector, Role.STABLE, ask(query), None))
        except BadAnswer as bad:
            items.append(Reading(selector, Role.STABLE, Outcome.UNREADABLE, text=bad.text))
    end_s = math.floor(at_s / WINDOW_S) * WINDOW_S
    cuts = [float(end_s - SPAN_S + ago_s) for ago_s in range(0, SPAN_S + 1, WINDOW_S)]
    found = calibrated(spec, Readings(at_s, tuple(items)), cuts, canary_pods)
    return found if is_enough(found) else None
