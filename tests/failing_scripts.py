"""Scripts and servers that must fail: the error that the user sees, and the cleanup."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil

from glowpy.errors import GlowError
from tests.processes import Ended, Running, flags_of, run, started

# From here on every write of a byte to a file fails, for every user.
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
    """Run a script of this text, which must fail."""
    (directory / "script.py").write_text(text, encoding="utf-8")
    all_words = ["script.py", *flags_of(mode, leader), *words]
    with started(directory, *all_words, environment=environment) as running:
        return ended_badly(running)


def ended_badly(running: Running) -> Ended:
    """Wait for the end of a script, which must fail and leave no files of its run at the agents."""
    ended = running.finish()
    assert ended.status != 0, running.so_far()
    assert "Exception ignored" not in ended.stderr, ended.stderr
    left = [str(path) for folder in run_folders() for path in folder.glob("*")]
    assert not left, f"left behind: {left}; {running.so_far()}"
    return ended


def error_text(ended: Ended, error: type[GlowError]) -> str:
    """The text of an uncaught error, which is the last line of stderr."""
    assert ended.status == 1, ended.stderr
    _, name, text = ended.stderr.rpartition(f"\n{error.__module__}.{error.__qualname__}: ")
    assert name, ended.stderr
    return text.rstrip("\n")


def usage_error(ended: Ended) -> str:
    """The one line on stderr for an invalid command line."""
    assert ended.status == 2, ended.stderr
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("glowpy: "), line
    return line.removeprefix("glowpy: ")


def refusal(directory: Path, *words: str, before: str = "") -> str:
    """Start a server that must fail and return the last line on its stderr.

    Args:
        words: of the glowpy command.
        before: code that runs in the process before the command.
    """
    ended = run(directory, *command(directory, *words, before=before), status=1)
    assert "Traceback" not in ended.stderr, ended.stderr
    line = ended.stderr.splitlines()[-1]
    assert line.startswith("glowpy: "), ended.stderr
    return line.removeprefix("glowpy: ")


def command(directory: Path, *words: str, before: str) -> list[str]:
    """Arguments for Python: the glowpy command, in a process that runs `before` first."""
    text = f"{before}\nfrom glowpy.cli import main\nmain()\n"
    (directory / "changed.py").write_text(text, encoding="utf-8")
    return ["changed.py", *words]


def run_folders() -> list[Path]:
    """Directories in which the agents of this test session keep files of runs."""
    folders = []
    for process in psutil.Process().children(recursive=True):
        try:
            words = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if "agent" in words and "--dir" in words:
            folders.append(Path(words[words.index("--dir") + 1]) / "runs")
    return folders
