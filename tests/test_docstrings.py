"""Every public module, class and function of glowpy has a docstring."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import glowpy
import glowpy.testing

ROOT = Path(__file__).resolve().parent.parent / "glowpy"
_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def undocumented(tree: ast.Module) -> Iterator[str]:
    """The public names of a module, and the module itself, that have no docstring."""
    if ast.get_docstring(tree) is None:
        yield "the module"
    for node in tree.body:
        if isinstance(node, _DEFINITIONS) and _is_public(node) and ast.get_docstring(node) is None:
            yield node.name


def _is_public(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    is_overload = any(ast.unparse(each) == "overload" for each in node.decorator_list)
    return not node.name.startswith("_") and not is_overload


def test_public_names_without_docstring() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted(ROOT.rglob("*.py"))
        for name in undocumented(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found, "\n".join(found)


def test_a_name_without_docstring_is_found() -> None:
    tree = ast.parse("class A:\n    pass\ndef f(): ...\ndef _g(): ...\n@overload\ndef h(): ...\n")
    assert list(undocumented(tree)) == ["the module", "A", "f"]


def test_users_methods_without_docstring() -> None:
    found = [
        f"{owner.__name__}.{name}"
        for module in (glowpy, glowpy.testing)
        for owner in map(module.__dict__.get, module.__all__)
        if inspect.isclass(owner)
        for name, member in vars(owner).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
        if not inspect.getdoc(getattr(owner, name))
    ]
    assert not found, "\n".join(found)
