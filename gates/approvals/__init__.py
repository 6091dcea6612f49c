"""Requests that wait for a person, as values: what is pinned, who decides, what must still hold. It runs nothing."""
