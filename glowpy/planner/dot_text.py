"""Text of the user's in graphviz dot."""

from __future__ import annotations


def quoted(*lines: str) -> str:
    """A quoted string of dot, with a line break between the lines.

    >>> print(quoted('Map1', 'my "first".py:3'))
    "Map1\\nmy \\"first\\".py:3"
    """
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    text = "\\n".join(escaped)
    return f'"{text}"'
