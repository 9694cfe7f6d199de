"""A user's script or a server that must fail: what its user is told, and that nothing is left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil

from glowpy.errors import GlowError
from tests.processes import Ended, Running, flags_of, run, started

# From here on no byte can be written to any file, whoever tries.
FULL_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
"""


def failure(
    directory: Path,
    mode: str,
    leader: str,
    text: str,
    *words: str,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run a script of this text to its end, which must not be a good one."""
    (directory / "script.py").write_text(text, encoding="utf-8")
    all_words = ["script.py", *flags_of(mode, leader), *words]
    with started(directory, *all_words, environment=environment) as running:
        return ended_badly(running)


def ended_badly(running: Running) -> Ended:
    """Wait for its end, which must not be a good one; no agent may keep anything of a run."""
    ended = running.finish()
    assert ended.status != 0, running.so_far()
    assert "Exception ignored" not in ended.stderr, ended.stderr
    left = [str(path) for folder in run_folders() for path in folder.glob("*")]
    assert not left, f"left behind: {left}; {running.so_far()}"
    return ended


def told(ended: Ended, error: type[GlowError]) -> str:
    """The text of an error that nobody caught: the last that is said."""
    assert ended.status == 1, ended.stderr
    _, name, text = ended.stderr.rpartition(f"\n{error.__module__}.{error.__qualname__}: ")
    assert name, ended.stderr
    return text.rstrip("\n")


def usage_error(ended: Ended) -> str:
    """The one line that is said of a command line that cannot be understood."""
    assert ended.status == 2, ended.stderr
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("glowpy: "), line
    return line.removeprefix("glowpy: ")


def refusal(directory: Path, *words: str, before: str = "") -> str:
    """The last line that a server says which has to end by an error.

    Args:
        words: of the glowpy command.
        before: code that runs in its process before it does anything.
    """
    ended = run(directory, *command(directory, *words, before=before), status=1)
    assert "Traceback" not in ended.stderr, ended.stderr
    line = ended.stderr.splitlines()[-1]
    assert line.startswith("glowpy: "), ended.stderr
    return line.removeprefix("glowpy: ")


def command(directory: Path, *words: str, before: str) -> list[str]:
    """Words for Python: the glowpy command, in a process that has been changed."""
    text = f"{before}\nfrom glowpy.cli import main\nmain()\n"
    (directory / "changed.py").write_text(text, encoding="utf-8")
    return ["changed.py", *words]


def run_folders() -> list[Path]:
    """Where the agents that this test session has started keep what belongs to runs."""
    folders = []
    for process in psutil.Process().children(recursive=True):
        try:
            words = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if "agent" in words and "--dir" in words:
            folders.append(Path(words[words.index("--dir") + 1]) / "runs")
    return folders
