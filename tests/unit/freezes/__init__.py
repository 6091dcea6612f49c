"""Freezes: windows, zones, rules that repeat, and what passes all the same."""
