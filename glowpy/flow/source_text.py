"""The defaults of a function's parameters as written in the source."""

from __future__ import annotations

import re
from types import CodeType

_MOST_LINES = 20  # of the head of a function


def is_written_as_literal(code: CodeType, parameter: str) -> bool:
    """True if a parameter's default is a number, text, bytes, None, True or False in the source."""
    from linecache import getline  # slow to import

    first = code.co_firstlineno
    head = "".join(getline(code.co_filename, first + line) for line in range(_MOST_LINES))
    # the first match is the parameter: the function's body comes later
    found = re.search(rf"\b{parameter}\b\s*(?::[^=,]*)?=(?!=)\s*([^,:)]*)", head)
    return found is not None and _LITERAL.match(found[1]) is not None


_LITERAL = re.compile(r"""([+-]?[\d.]|[rbRB]{0,2}['"]|(None|True|False)\b)""")
