"""Runs the README and the pages of docs/ as a new user does: save the scripts, type the commands.

A python or text block belongs to the file named on the line before. In a console block, each line
with a `$` is a command, and the lines below are its output: numbers may differ, `...` stands for
any text. `glowpy master` and `glowpy agent` run until the end, as in separate terminals.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from glowpy import Dataset, Flow
from glowpy.cli.commands import commands as commands_of_glowpy
from glowpy.command_line import parse
from tests.conftest import family_of, left_in

ROOT = Path(__file__).parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
# `test_testing_doc.py` runs docs/testing.md, whose commands are tests
DOCUMENTS = {
    name: text for name, text in PAGES.items() if "```console" in text and name != "docs/testing.md"
}
MOST_LINES_OF_README = 160
_BOUND_S = 60.0
_DAEMONS = ("glowpy master", "glowpy agent")


def files(text: str) -> dict[str, str]:
    """The contents of a page's files, by name."""
    block = r"^(?:[^\n]*\. )?`(\w+\.\w+)`[^\n]*:\n\n```(?:python|text)\n(.*?)```"
    return dict(re.findall(block, text, re.M | re.S))


def commands(text: str) -> list[tuple[str, str]]:
    """Each command and its output, in order."""
    text = "".join(re.findall(r"^```console\n(.*?)```", text, re.M | re.S))
    return [(c, out) for c, out in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.M)]


class Reader:
    """A user with an empty directory, who types the commands of a document."""

    def __init__(self, directory: Path, temporary: Path) -> None:
        self._directory = directory
        self._ports = {"8930": _free_port(), "8931": _free_port()}
        bin_directory = os.path.dirname(sys.executable)
        self._environment = os.environ | {
            "PATH": f"{bin_directory}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(directory),
            "TMPDIR": str(temporary),
        }
        self._daemons: list[subprocess.Popen[str]] = []

    def type(self, command: str) -> str:
        """Return the output of a command, on both streams; of a server, its first line."""
        words = shlex.split(self._with_free_ports(command))
        words[0] = {"python": sys.executable}.get(words[0], words[0])
        process = subprocess.Popen(
            words,
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        if command.startswith(_DAEMONS):
            self._daemons.append(process)
            assert process.stdout is not None
            return process.stdout.readline()
        said, _ = process.communicate(timeout=_BOUND_S)
        return said

    def leave(self) -> None:
        """Press Ctrl-C in every terminal."""
        for process in reversed(self._daemons):
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=_BOUND_S)
            assert process.returncode == 130 or process.returncode == 0, process.args
            assert family_of(process.pid) == []

    def _with_free_ports(self, command: str) -> str:
        if not ("-glow.leader" in command or command.startswith("glowpy")):
            return command
        if command.startswith("glowpy agent"):
            command += " --port 8931"
        return re.sub(r"\b(8930|8931)\b", lambda found: self._ports[found[0]], command)


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture
def reader(document: str, tmp_path: Path) -> Iterator[Reader]:
    temporary = tmp_path / "t"
    home = tmp_path / "home"
    temporary.mkdir()
    home.mkdir()
    for name, text in files(DOCUMENTS[document]).items():
        (home / name).write_text(text, encoding="utf-8")
    one = Reader(home, temporary)
    try:
        yield one
    finally:
        one.leave()
    caches = f"glowpy-{os.geteuid()}"  # of agents without --dir
    left = [path for path in left_in(temporary) if not path.startswith(caches) or "/runs" in path]
    assert left == []


def same(expected: str, said: str) -> bool:
    """Compare outputs, ignoring this machine's numbers, hosts and addresses."""

    def plain(text: str) -> str:
        text = re.sub(r"failed on \S+:", "failed on HOST:", text)
        text = re.sub(r"[\d.,]*\d", "0", text)
        return re.sub(r"\b0 (ms|s|min 0 s)\b", "0 s", text)

    check = doctest.OutputChecker().check_output
    return check(plain(expected), plain(said), doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_prints_what_the_document_says(document: str, reader: Reader) -> None:
    typed = commands(DOCUMENTS[document])
    assert typed
    for command, expected in typed:
        said = reader.type(command)
        if not command.startswith(_DAEMONS):
            assert same(expected, said), f"$ {command}\n{said}\ninstead of\n{expected}"


@pytest.mark.parametrize("name", PAGES)
def test_every_python_block_is_a_file_that_a_command_of_its_page_uses(name: str) -> None:
    text = PAGES[name]
    shown = files(text)
    scripts = [file for file in shown if file.endswith(".py")]
    assert len(scripts) == text.count("```python"), "a python block without the name of a file"
    blocks = "".join(re.findall(r"^```(?:console|sh)\n(.*?)```", text, re.M | re.S))
    if name in DOCUMENTS:
        assert [file for file in shown if file not in blocks] == []


def test_every_link_of_the_documents_leads_to_a_file_and_a_heading() -> None:
    pages = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md"]
    for page in [*pages, *ROOT.glob("docs/**/*.md"), ROOT / "examples" / "README.md"]:
        for target, anchor in re.findall(
            r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")
        ):
            path = page.parent / target if target else page
            assert path.exists(), f"{page.name} names {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
                assert anchor in map(anchor_of, headings), f"{page.name} names {target}#{anchor}"


def anchor_of(heading: str) -> str:
    """GitHub's anchor of a heading: lower case, without punctuation, dashes for blanks."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_module_that_the_map_and_the_decisions_name_exists() -> None:
    modules = [f"/{path.relative_to(ROOT)}" for path in ROOT.glob("[gtb]*/**/*.py")]
    for page in [ROOT / "ARCHITECTURE.md", *ROOT.glob("docs/adr/*.md")]:
        for name in re.findall(r"`([\w./-]+\.py)\b", page.read_text(encoding="utf-8")):
            assert any(path.endswith(f"/{name}") for path in modules), f"{page.name}: {name}"


def test_the_index_has_every_page() -> None:
    index = PAGES["docs/README.md"]
    names = [name.removeprefix("docs/") for name in PAGES if name.startswith("docs/")]
    assert [name for name in names if name != "README.md" and f"({name})" not in index] == []


def test_the_readme_is_short_and_its_hello_world_is_the_example() -> None:
    readme = PAGES["README.md"]
    assert len(readme.splitlines()) <= MOST_LINES_OF_README
    example = (ROOT / "examples" / "hello_world.py").read_text().partition('"""\n\n')[2]
    assert files(readme)["hello_world.py"] == example


def test_the_figures_of_the_readme_are_those_of_the_benchmarks() -> None:
    measured = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8").splitlines()
    rows = re.findall(r"^\| .*\d \([\d.]+\) \|$", PAGES["README.md"], re.M)
    assert len(rows) >= 8
    assert [row for row in rows if row not in measured] == []


def test_every_operation_that_stands_beside_those_of_spark_exists() -> None:
    rows = re.findall(r"^\|.*\|.*\|(.*)\|$", PAGES["docs/from-spark-and-dask.md"], re.M)
    calls = {name for row in rows for name in re.findall(r"\b([a-z_]+)\(", row)}
    assert len(calls) > 30
    of_functions = {"f", "lambda"}  # a user's function, and its parameters
    known = {*dir(Dataset), *dir(Flow)}
    assert calls - known - of_functions == set()


def test_the_commands_that_make_demo_suggests_are_valid() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    lines = re.findall(r"^#>   (.*?)(?:    .*)?$", makefile, re.M)
    assert len(lines) == 5
    for line in lines:
        words = line.replace(",", "").split()
        if words[0].endswith("/glowpy"):
            with commands_of_glowpy.make_context("glowpy", words[1:]) as context:
                name, command, rest = commands_of_glowpy.resolve_command(context, words[1:])
            assert command is not None
            command.make_context(name, rest)
            continue
        if words[0].endswith("/python"):
            _, words, notes = parse(words[1:])
            assert notes == []
        assert [path for path in words if not (ROOT / path).exists()] == []
