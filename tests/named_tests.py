"""Names of tests in documents: `file.py::test_name`, below tests/."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parent
NAMED = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


def faults_of_test(name: str) -> Iterator[str]:
    """Yield an error for a name in a document that is not the name of a test."""
    found = NAMED.fullmatch(name)
    if found is None:
        yield f"not the name of a test: {name}"
        return
    file, function = found.groups()
    path = TESTS / file
    if not path.is_file():
        yield f"no such file: {file}"
    elif function is not None and function not in _functions_of(path):
        yield f"no such test in {file}: {function}"


def _functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
