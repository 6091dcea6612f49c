"""The small words of an application document: names, times, addresses, and the block that refuses unknown fields. It
knows no block by name."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from analysis.durations import parse_duration

DAY_S = 86_400.0

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PROXY_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,120}")


def _label(value: str) -> str:
    if not _LABEL.fullmatch(value):
        raise ValueError("use 1 to 63 lower-case letters, digits and dashes, with a letter or digit at both ends")
    return value


def _proxy_name(value: str) -> str:
    if not _PROXY_NAME.fullmatch(value):
        raise ValueError("use the name as HAProxy's configuration has it: letters, digits and _ . : -")
    return value


Seconds = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=30 * DAY_S)]
Moment = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=60)]
Label = Annotated[str, AfterValidator(_label)]
ProxyName = Annotated[str, AfterValidator(_proxy_name)]
Plain = Annotated[str, Field(max_length=4_096, pattern=r"^[^\x00]*$")]
Text = Annotated[Plain, Field(min_length=1)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
Percent = Annotated[int, Field(ge=1, le=100)]


def _http_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write the address as http://HOST:PORT/PATH or https://HOST:PORT/PATH")
    if parts.username or parts.password:
        raise ValueError("do not put credentials into the address")
    return value


Address = Annotated[
    str, Field(max_length=2_000), BeforeValidator(lambda v: _http_address(v) if isinstance(v, str) else v)
]


class Block(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=False, frozen=True, allow_inf_nan=False
    )
