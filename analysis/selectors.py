"""PromQL with placeholders: plain selectors, and any expression for a gauge. It evaluates and fetches nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from analysis.model import RoleName
from analysis.samples import Role

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
        """Fill in the placeholders. A value is taken literally, also inside a regular expression.

        One's own names are the exception: they are part of the configuration, and may be regular expressions.
        """
        return f"{self.name}{{{','.join(rendered(m, values) for m in self.matchers)}}}"


def rendered(matcher: Matcher, values: Mapping[str, str]) -> str:
    return quoted(matcher.label, matcher.operator, _filled(matcher, values))


def quoted(label: str, operator: str, value: str) -> str:
    return f'{label}{operator}"{_escaped(value)}"'


def values_of(names: Iterable[RoleName], role: Role, version: str, application: str) -> dict[str, str]:
    """What the placeholders stand for in one role."""
    own = {one.name: one.stable if role is Role.STABLE else one.canary for one in names}
    return {"role": role.value, "version": version, "application": application, **own}


def parse_selector(text: str, names: Collection[str] = ()) -> Selector:
    """``read_selector`` with nothing but known placeholders. Raises ValueError."""
    selector = read_selector(text)
    check_known(text, selector.placeholders, names)
    return selector


def read_selector(text: str) -> Selector:
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
    return Selector(found.group(), _matchers(text, rest[1:-1]))


def check_known(text: str, placeholders: Iterable[str], names: Collection[str]) -> None:
    known = [*PLACEHOLDERS, *names]
    unknown = sorted(set(placeholders) - set(known))
    if unknown:
        spoken = ", ".join(f"${name}" for name in known)
        raise ValueError(f"{text!r} has the unknown placeholder ${unknown[0]}; known are {spoken}")


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
    is_pattern = matcher.operator in ("=~", "!~")

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        return re.escape(values[name]) if is_pattern and name in PLACEHOLDERS else values[name]

    return _PLACEHOLDER.sub(value, matcher.value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_QUOTED = re.compile(r"""(=~|!~|!=|=)?(\s*)("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')""")


def expression_placeholders(text: str) -> frozenset[str]:
    """The placeholders of an expression. Raises ValueError when one stands outside quotes."""
    if not text.strip():
        raise ValueError('an expression is needed, for example max(queue_length{version="$version"})')
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"an expression has at most {_LONGEST_TEXT} characters; make a recording rule of this one")
    loose = _PLACEHOLDER.findall(_QUOTED.sub("", text))
    if loose:
        raise ValueError(f"{text!r} has ${loose[0]} outside quotes; placeholders stand for values of labels")
    return frozenset(_PLACEHOLDER.findall(text))


def render_expression(text: str, values: Mapping[str, str]) -> str:
    """Fill in the placeholders inside the quotes of an expression, as a selector's are."""

    def filled(match: re.Match[str]) -> str:
        operator, space, quoted = match.group(1) or "", match.group(2), match.group(3)
        if not _PLACEHOLDER.search(quoted):
            return match.group()
        inner = _unescaped(text, quoted[1:-1])
        return f'{operator}{space}"{_escaped(_filled(Matcher("", operator, inner), values))}"'

    return _QUOTED.sub(filled, text)
