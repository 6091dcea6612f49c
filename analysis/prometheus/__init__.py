"""The one door to Prometheus: the only package that imports its client and requests. Nothing in it judges."""

from analysis.prometheus.client import PrometheusMetrics

__all__ = ["PrometheusMetrics"]
