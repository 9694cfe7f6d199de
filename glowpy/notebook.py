"""Detection of IPython and Jupyter in this process.

This module imports neither: without IPython, the only cost is a lookup in `sys.modules`.
"""

from __future__ import annotations

import re
import sys
from typing import Any

_FRAME = re.compile(
    r'(?P<indent> *)File "(?P<file>[^"]+)", line (?P<line>\d+)(?P<function>, in .*)?'
)
_INPUT = re.compile(r"<ipython-input-(\d+)-\w+>")  # the file name of a cell in a terminal


def shell() -> Any:
    """Return the running shell of IPython, or None."""
    ipython = sys.modules.get("IPython")
    get_ipython = getattr(ipython, "get_ipython", None)  # absent while IPython is being imported
    return None if get_ipython is None else get_ipython()


def is_notebook() -> bool:
    """Return True in a Jupyter kernel, whose frontend shows pictures; False in a terminal."""
    return getattr(shell(), "kernel", None) is not None


def with_cell_names(text: str) -> str:
    """Return a traceback of a task with names of cells, and the code of cells if missing."""
    from linecache import getline  # slow to import

    lines = text.split("\n")
    shown: list[str] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        match = _FRAME.fullmatch(line)
        name = cell_name(match["file"]) if match else None
        if match is None or name is None:
            shown.append(line)
            continue
        indent = match["indent"]
        shown.append(f"{indent}{name}, line {match['line']}{match['function'] or ''}")
        code = getline(match["file"], int(match["line"])).strip()
        if code and not following.startswith(f"{indent}  "):
            shown.append(f"{indent}  {code}")
    return "\n".join(shown)


def cell_name(file_name: str) -> str | None:
    """Return the name of the cell with this file name, such as `Cell In[3]`; None for a file."""
    compiler = getattr(shell(), "compile", None)
    format_name = getattr(compiler, "format_code_name", None)  # since IPython 8
    found = None if format_name is None else format_name(file_name)
    if found is not None:
        kind, name = found
        return f"{kind} {name}"
    match = _INPUT.fullmatch(file_name)
    return f"Cell In[{match[1]}]" if match else None
