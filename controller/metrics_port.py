"""What the controller needs of whatever holds the metrics, as a Protocol. No implementation lives here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from analysis.model import AnalysisSpec, Calibration, Readings, Role
from analysis.samples import GateStats


class Metrics(Protocol):
    """A backend's trouble never raises: each reading says its outcome."""

    def read(self, spec: AnalysisSpec, versions: Mapping[Role, str], application: str, at_s: float) -> Readings:
        """Every query of ``spec`` for each role."""

    def check(self, spec: AnalysisSpec, versions: Mapping[Role, str], application: str, at_s: float) -> str | None:
        """None when every query parses and can be answered now; else what is wrong, for people."""

    def look(self, spec: AnalysisSpec, stable: str, application: str, at_s: float) -> Readings:
        """What stable's queries answer now, for a forecast."""

    def learn(
        self, spec: AnalysisSpec, stable: str, application: str, at_s: float, canary_pods: int
    ) -> Calibration | None:
        """How much stable's own pods differ, from their past; None where there is too little to tell."""

    def stats(self) -> tuple[GateStats, ...]:
        """What was asked of each server so far."""
