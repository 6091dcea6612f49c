"""Takes secrets out of what is shown. What it does not know it cannot hide: it is a net, no more."""

from __future__ import annotations

import re

HIDDEN = "***"

_NAMED = re.compile(
    r"""(?ix)
    ( (?: passw(?:or)?d | secret | token | api[_-]?key | private[_-]?key | credential | authorization )
      [\w.-]{0,60} ["']? [ \t]{0,8} [:=] \s{0,80} )
    (?: "[^"\n]*" | '[^'\n]*' | [^\s,;}][^\n,;}]* )
    """
)
"""Nothing before the name is matched and every gap is bounded, so that no diff takes long."""
_INSIDE_ADDRESS = re.compile(r"(?i)(://[^\s/:@]{1,200}:)[^\s/@]{1,500}(@)")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def masked(text: str) -> str:
    """``text`` without the values of fields whose name says secret, passwords in addresses, and private keys."""
    text = _PEM.sub(f"{HIDDEN} (a private key)", text)
    text = _INSIDE_ADDRESS.sub(rf"\g<1>{HIDDEN}\g<2>", text)
    return _NAMED.sub(rf"\g<1>{HIDDEN}", text)
