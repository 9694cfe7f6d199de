"""Scripts with standard streams that are closed, full, or without a reader."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.processes import flags_of, run

pytestmark = pytest.mark.slow
# A cluster of the driver's own makes no difference to the driver's streams.
IN_THREE_MODES = pytest.mark.parametrize("mode", ["plain", "inline", "cluster"])

LINES = """
import sys
from glowpy import Flow
rows = Flow().slice(range(3), 2).map(lambda row: print("row", row))
rows.map(lambda row: print("row", row, file=sys.stderr)).run()
open("done", "w").close()
"""
MANY = """
from glowpy import Flow
Flow().slice(range(200_000), 2).map(lambda row: print("row", row)).run()
"""


def shell(directory: Path, words: list[str], redirections: str, status: int = 0) -> str:
    """Run a script with streams redirected by a shell; return the rest of stderr."""
    line = f'exec "$@" {redirections}'
    ended = run(directory, "-c", line, "sh", sys.executable, *words, program="sh", status=status)
    return ended.stderr


@IN_THREE_MODES
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(mode: str, cluster: str, tmp_path: Path, closed: str) -> None:
    """No file of glowpy gets the number of a closed stream; writes to the stream are dropped."""
    (tmp_path / "script.py").write_text(LINES)
    said = shell(tmp_path, ["script.py", *flags_of(mode, cluster)], closed)
    assert "Traceback" not in said
    assert (tmp_path / "done").exists()


def test_a_note_does_not_go_to_standard_output(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("from glowpy import Flow\nFlow().slice([1]).run()\n")
    words = [sys.executable, "script.py", "-glow.leader=ignored:1"]
    ended = run(tmp_path, "-c", 'exec "$@" 2>&-', "sh", *words, program="sh")
    assert ended.stdout == ""


@IN_THREE_MODES
def test_a_full_device(mode: str, cluster: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(LINES)
    words = ["script.py", *flags_of(mode, cluster)]
    said = shell(tmp_path, words, ">/dev/full", status=1)
    assert "No space left on device" in said
    if mode != "inline":
        assert "OutputError: cannot write what tasks print to <stdout>: No space left" in said


@IN_THREE_MODES
def test_a_reader_that_goes_away(mode: str, cluster: str, tmp_path: Path) -> None:
    """A reader that ends like `head`. The run ends soon, by an error, without remaining files."""
    (tmp_path / "script.py").write_text(MANY)
    words = ["script.py", "-glow.quiet", *flags_of(mode, cluster)]
    line = '("$@"; echo "status $?" >&2) | head -n 1'
    ended = run(tmp_path, "-c", line, "sh", sys.executable, *words, program="sh")
    assert "row" in ended.stdout and ended.stdout.count("\n") == 1
    assert "Broken pipe" in ended.stderr and "status 1" in ended.stderr


def test_descriptors_are_held_on_nothing(tmp_path: Path) -> None:
    program = """
import os
from pathlib import Path
from glowpy.stdio import hold_descriptors

hold_descriptors()
hold_descriptors()
nothing = os.stat(os.devnull)
Path("said").write_text(" ".join(str(os.path.samestat(os.fstat(n), nothing)) for n in range(3)))
"""
    line = 'exec "$@" <&- 2>&- >&-'
    run(tmp_path, "-c", line, "sh", sys.executable, "-c", program, program="sh")
    assert (tmp_path / "said").read_text() == "True True True"
