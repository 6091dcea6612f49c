"""The OpenAPI description, with what FastAPI cannot know: the bearer token and the Idempotency-Key."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from api.http.once import HEADER, KEY

STOPS = ("/v1/kill-switch", "/v1/releases/{release_id}/abort", "/v1/releases/{release_id}/pause")
"""Mutations without a key: a stop must not fail for want of one, and pressing twice is harmless."""
OPEN = ("/healthz", "/readyz", "/metrics")
MUTATIONS = frozenset({"post", "put", "delete"})


def described(app: FastAPI) -> dict[str, Any]:
    """The description; FastAPI builds it once and keeps it."""
    document: dict[str, Any] = app.openapi()
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path in OPEN:
                operation["security"] = []
            if method in MUTATIONS and path not in STOPS:
                _add_key(operation)
    return document


def _add_key(operation: dict[str, Any]) -> None:
    others = [parameter for parameter in operation.get("parameters", []) if parameter["name"] != HEADER]
    schema = {"type": "string", "pattern": f"^{KEY.pattern}$"}
    operation["parameters"] = [*others, {"name": HEADER, "in": "header", "required": True, "schema": schema}]
