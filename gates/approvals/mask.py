"""Takes secrets out of what is shown. What it does not know it cannot hide: it is a net, no more."""

from __future__ import annotations

import re

HIDDEN = "***"

_NAMED = re.compile(
    r"""(?ix)
    ( ["']? [\w.-]* (?: passw(?:or)?d | secret | token | api[_-]?key | private[_-]?key | credential | authorization )
      [\w.-]* ["']? \s* [:=] \s* )
    (?: "[^"\n]*" | '[^'\n]*' | [^\s,;}][^\n,;}]* )
    """
)
_INSIDE_ADDRESS = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/:@]+:)[^\s/@]+(@)")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def masked(text: str) -> str:
    """``text`` without the values of fields whose name says secret, passwords in addresses, and private keys."""
    text = _PEM.sub(f"{HIDDEN} (a private key)", text)
    text = _INSIDE_ADDRESS.sub(rf"\g<1>{HIDDEN}\g<2>", text)
    return _NAMED.sub(rf"\g<1>{HIDDEN}", text)
