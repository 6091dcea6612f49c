"""The JSON requests of the HTTP door, read strictly: an unknown field or a wrong type is refused. Shapes only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.http.schemas import Role

REASON_CHARS_MAX = 1_000
"""A sentence or two for the record; the audit text is cut at the same length."""
OVERLAP_S_MAX = 30 * 86_400
"""A rotated secret that is still valid after a month was not rotated."""

Reason = Annotated[str, Field(max_length=REASON_CHARS_MAX)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ReleaseRequest(_Request):
    """Deploy ``version`` of ``application``; with ``replace`` it takes the place of a release that is running."""

    application: str = Field(min_length=1, max_length=63)
    version: str = Field(min_length=1, max_length=255)
    replace: bool = False


class ReasonRequest(_Request):
    reason: Reason = ""


class PromoteRequest(_Request):
    """One step, or all with ``full``. ``step`` is the step you saw: asked twice, it passes no second one."""

    full: bool = False
    step: int | None = Field(default=None, ge=-1, le=100)
    reason: Reason = ""


class KillRequest(_Request):
    """Only ``scope`` is needed."""

    scope: str = Field(min_length=1, max_length=200)
    verb: Literal["halt", "revert"] = "revert"
    reason: Reason = ""


class KillReleaseRequest(_Request):
    """Letting go again is a decision, so it needs a reason."""

    reason: Annotated[str, Field(min_length=1, max_length=REASON_CHARS_MAX, pattern=r"\S")]


class TokenRequest(_Request):
    """``expires_in_s`` null means that the token does not expire."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$")
    role: Role
    expires_in_s: int | None = Field(default=None, ge=60, le=366 * 86_400)


class RotateRequest(_Request):
    """The old secret stays valid for ``overlap_s``, so that the new one can be rolled out."""

    overlap_s: int = Field(default=0, ge=0, le=OVERLAP_S_MAX)
