"""Requests, votes, freezes and checkpoints: the pure part of the approvals."""
