"""Names of parameters that are equal in every process: pytest-xdist compares the names."""

from __future__ import annotations

from typing import Any


def stable_id(value: Any) -> str:
    """The start of a value's text, or the type where the text depends on hashes or addresses."""
    text = ascii(value)
    if " at 0x" in text or "set({" in text or isinstance(value, (set, frozenset)):
        return type(value).__name__
    return text[:40]
