"""Plain PromQL vector selectors: a metric name and labels with placeholders. It evaluates and fetches nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

PLACEHOLDERS = ("role", "version", "application")
_LONGEST_TEXT = 1000  # characters; a longer one belongs in a recording rule
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_MATCHER = re.compile(
    r"""\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)')\s*(,|$)"""
)
_PLACEHOLDER = re.compile(r"\$([a-zA-Z_][a-zA-Z0-9_]*)")
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\'": "'", "\\n": "\n", "\\t": "\t"}


@dataclass(frozen=True, slots=True)
class Matcher:
    label: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """A parsed selector. ``render`` gives the PromQL text for one role."""

    name: str
    matchers: tuple[Matcher, ...]

    @property
    def placeholders(self) -> frozenset[str]:
        return frozenset(name for matcher in self.matchers for name in _PLACEHOLDER.findall(matcher.value))

    def render(self, values: Mapping[str, str]) -> str:
        """Fill in the placeholders. A value is always taken literally, also inside a regular expression."""
        inner = ",".join(f'{m.label}{m.operator}"{_escaped(_filled(m, values))}"' for m in self.matchers)
        return f"{self.name}{{{inner}}}"


def parse_selector(text: str) -> Selector:
    """Raises ValueError with what is wrong: functions, ranges, offsets and nameless selectors are refused."""
    compact = text.strip()
    if len(compact) > _LONGEST_TEXT:
        raise ValueError(f"a selector has at most {_LONGEST_TEXT} characters; make a recording rule of this one")
    found = _NAME.match(compact)
    if not found:
        raise ValueError(f"{text!r} does not start with a metric name; {_ADVICE}")
    rest = compact[found.end() :].strip()
    if rest and not (rest.startswith("{") and rest.endswith("}")):
        raise ValueError(f"{text!r} is more than a plain selector (found {rest[:20]!r}); {_ADVICE}")
    selector = Selector(found.group(), _matchers(text, rest[1:-1]))
    unknown = sorted(selector.placeholders - set(PLACEHOLDERS))
    if unknown:
        raise ValueError(f"{text!r} has the unknown placeholder ${unknown[0]}; known are $role, $version, $application")
    return selector


_ADVICE = (
    'write a metric name and labels, for example http_requests_total{version="$version"}: '
    "no functions, no [range], no offset; Interlock counts the raw samples itself"
)


def _matchers(text: str, inner: str) -> tuple[Matcher, ...]:
    found: list[Matcher] = []
    position = 0
    while position < len(inner) and inner[position:].strip():
        match = _MATCHER.match(inner, position)
        if not match:
            raise ValueError(f"{text!r} has labels that cannot be read near {inner[position:][:20]!r}; {_ADVICE}")
        label, operator, double, single, _ = match.groups()
        if label == "__name__":
            raise ValueError(f"{text!r} matches on __name__; name the metric in front of the braces instead")
        found.append(Matcher(label, operator, _unescaped(text, double if double is not None else single)))
        position = match.end()
    return tuple(found)


def _unescaped(text: str, quoted: str) -> str:
    def plain(match: re.Match[str]) -> str:
        if match.group() not in _ESCAPES:
            raise ValueError(f"{text!r} has the escape {match.group()!r}; only \\\\ \\\" \\' \\n \\t are read")
        return _ESCAPES[match.group()]

    return re.sub(r"\\.", plain, quoted)


def _filled(matcher: Matcher, values: Mapping[str, str]) -> str:
    literal = re.escape if matcher.operator in ("=~", "!~") else str
    return _PLACEHOLDER.sub(lambda match: literal(values[match.group(1)]), matcher.value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
