"""Grades one step from facts: pure rules combined by maximum, so that no fact lowers what another demands."""
