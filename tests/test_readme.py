"""Documents as a new user reads them: scripts are written down, commands are typed in.

A python block belongs to the file named by the paragraph before it. In a console block each `$` is
a command, and what follows is what it must print: numbers may differ, `...` stands for anything.
`glowpy master` and `glowpy agent` go on until the end, as in terminals of their own.
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

from tests.conftest import family_of, left_in

ROOT = Path(__file__).parent.parent
DOCUMENTS = {name: (ROOT / name).read_text() for name in ("README.md", "docs/observing.md")}
_BOUND_S = 60.0
_DAEMONS = ("glowpy master", "glowpy agent")

pytestmark = pytest.mark.slow


def scripts(text: str) -> dict[str, str]:
    found = re.findall(r"^`(\w+\.py)`[^\n]*:\n\n```python\n(.*?)```", text, re.M | re.S)
    assert len(found) == text.count("```python"), "a python block without a file's name"
    return dict(found)


def commands(text: str) -> list[tuple[str, str]]:
    """Each command and what it prints, in order."""
    text = "".join(re.findall(r"^```console\n(.*?)```", text, re.M | re.S))
    return [(c, out) for c, out in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.M)]


class Reader:
    """A user with an empty directory, who types in what a document says."""

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
        """What a command prints, on both streams; of one that goes on, its first line."""
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
        """Ctrl-C in every terminal."""
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
    for name, text in scripts(DOCUMENTS[document]).items():
        (home / name).write_text(text)
    one = Reader(home, temporary)
    try:
        yield one
    finally:
        one.leave()
    caches = f"glowpy-{os.geteuid()}"  # of agents that were given no --dir
    left = [path for path in left_in(temporary) if not path.startswith(caches) or "/runs" in path]
    assert left == []


def same(expected: str, said: str) -> bool:
    """Numbers, hosts and addresses are this machine's."""

    def plain(text: str) -> str:
        text = re.sub(r"failed on \S+:", "failed on HOST:", text)
        text = re.sub(r"[\d.,]*\d", "0", text)
        return re.sub(r"\b0 (ms|s|min 0 s)\b", "0 s", text)

    check = doctest.OutputChecker().check_output
    return check(plain(expected), plain(said), doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_prints_what_the_document_says(document: str, reader: Reader) -> None:
    text = DOCUMENTS[document]
    typed = [(command, out) for command, out in commands(text) if not command.startswith("pip ")]
    assert len(typed) >= 6
    for command, expected in typed:
        said = reader.type(command)
        if not command.startswith(_DAEMONS):
            assert same(expected, said), f"$ {command}\n{said}\ninstead of\n{expected}"
    for name in scripts(text):
        assert any(name in command for command, _ in typed), f"nobody runs {name}"


def test_every_file_that_the_documents_name_exists() -> None:
    for document in [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), ROOT / "ARCHITECTURE.md"]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} names {target}"


def test_the_readmes_hello_world_is_the_example() -> None:
    # apart from the formatter's taste
    example = (ROOT / "examples" / "hello_world.py").read_text().partition('"""\n\n')[2]
    assert "".join(scripts(DOCUMENTS["README.md"])["hello_world.py"].split()) == "".join(
        example.split()
    )
