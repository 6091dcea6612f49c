"""Measurements to verdict. Pure, but for the one Prometheus adapter."""
