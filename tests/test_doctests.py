"""Every example in a docstring runs unchanged and prints the documented output."""

from __future__ import annotations

import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from glowpy import Channel, Flow

ROOT = Path(__file__).resolve().parent.parent
GLOBALS = {"Channel": Channel, "Flow": Flow}
PROMPT = re.compile(r"^\s*>>> ", re.MULTILINE)


def sources_with_examples(package: Path) -> Iterator[Path]:
    for path in sorted(package.rglob("*.py")):
        if ">>>" in path.read_text(encoding="utf-8"):
            yield path


def module_of(path: Path) -> ModuleType:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return importlib.import_module(".".join(parts).removesuffix(".__init__"))


def failures(module: ModuleType, source: str) -> list[str]:
    """Errors of a module's examples: a failing example, or one that doctest does not find."""
    found = []
    runner = doctest.DocTestRunner(verbose=False)
    example_count = 0
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, extraglobs=GLOBALS):
        example_count += len(test.examples)
        said: list[str] = []
        if runner.run(test, out=said.append).failed:
            found.append("".join(said))
    prompt_count = len(PROMPT.findall(source))
    if example_count != prompt_count:
        found.append(f"{prompt_count} prompts in the source, but {example_count} examples were run")
    return found


SOURCES = list(sources_with_examples(ROOT / "glowpy"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_give_what_they_say(path: Path) -> None:
    assert failures(module_of(path), path.read_text(encoding="utf-8")) == []


def test_the_users_api_has_examples() -> None:
    names = {str(path.relative_to(ROOT)) for path in SOURCES}
    assert {"glowpy/command_line.py", "glowpy/flow/flow.py", "glowpy/flow/dataset.py"} <= names


BROKEN = {
    "another result": ('"""\n>>> 1 + 1\n3\n"""\n', "Expected:\n    3\nGot:\n    2"),
    "an exception": ('"""\n>>> 1 / 0\n3\n"""\n', "ZeroDivisionError"),
    "in a comment": ("# >>> 1 + 1\n#     >>> 2\n", ""),
    "not found": (
        'def f():\n    def g():\n        """\n        >>> 1 + 1\n        3\n        """\n',
        "1 prompts in the source, but 0 examples were run",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_examples_are_found(name: str) -> None:
    source, expected = BROKEN[name]
    module = ModuleType("broken")
    exec(source, module.__dict__)
    found = failures(module, source)
    assert expected in "\n".join(found) if expected else found == []
