"""Standard input of a task: reading raises an error with the reason, other calls do not."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glowpy.errors import ProgramError, TaskFailed
from glowpy.task.no_input import NoInput, refuse_input
from tests.failing_scripts import error_text, failure
from tests.processes import IN_EVERY_MODE, flags_of, run

REASON = "a task has no standard input"

READS: dict[str, Callable[[Any], Any]] = {
    "input()": lambda _stdin: input(),
    "read": lambda stdin: stdin.read(),
    "readline": lambda stdin: stdin.readline(),
    "readlines": lambda stdin: stdin.readlines(),
    "a loop": list,
    "next": next,
    "bytes": lambda stdin: stdin.buffer.read(10),
    "a line of bytes": lambda stdin: stdin.buffer.readline(),
    "a loop over bytes": lambda stdin: list(stdin.buffer),
    "into a buffer": lambda stdin: stdin.buffer.readinto(bytearray(10)),
}


@pytest.mark.parametrize("read", READS)
def test_reading_raises_with_the_reason(read: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", NoInput())
    with pytest.raises(io.UnsupportedOperation, match=REASON):
        READS[read](sys.stdin)


def test_refused_input_can_be_inspected_and_closed() -> None:
    stdin = NoInput()
    assert (stdin.name, stdin.mode, stdin.encoding) == ("<stdin>", "r", "utf-8")
    assert (stdin.isatty(), stdin.fileno(), stdin.readable(), stdin.writable()) == (
        *(False, 0, True),
        False,
    )
    assert stdin.buffer.fileno() == 0
    stdin.close()
    assert stdin.closed


def test_a_stream_that_the_script_has_put_there_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    own = io.StringIO("text")
    monkeypatch.setattr(sys, "stdin", own)
    refuse_input()
    assert sys.stdin is own
    monkeypatch.setattr(sys, "stdin", sys.__stdin__)
    refuse_input()
    assert isinstance(sys.stdin, NoInput)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["plain", "cluster"])
def test_a_function_that_reads_it(mode: str, cluster: str, tmp_path: Path) -> None:
    script = """
from glowpy import Flow
Flow().slice([1]).map(lambda x: input("more? ")).run()
"""
    text = error_text(failure(tmp_path, mode, cluster, script), TaskFailed)
    assert "Map1 (script.py:3) failed" in text
    assert f"UnsupportedOperation: {REASON}" in text


@pytest.mark.slow
def test_a_script_that_reads_it_above_its_run(cluster: str, tmp_path: Path) -> None:
    script = """
import sys
from glowpy import Flow
flow = Flow()
count = len(sys.stdin.read())
flow.slice([1]).map(lambda x: x + count).run()
"""
    text = error_text(failure(tmp_path, "cluster", cluster, script), ProgramError)
    assert f"UnsupportedOperation: {REASON}" in text
    assert "if not glowpy.is_task():" in text


@pytest.mark.slow
@IN_EVERY_MODE
def test_commands_and_libraries_that_only_inherit_it(
    mode: str, cluster: str, tmp_path: Path
) -> None:
    script = """
import subprocess, sys
from glowpy import Flow

def run(_row):
    given = [subprocess.run(["cat"], stdin=each, capture_output=True) for each in (None, sys.stdin)]
    return sys.stdin.isatty(), [each.stdout for each in given]

print(Flow().slice([1]).map(run).collect())
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster), "-glow.quiet")
    assert ended.stdout == "[(False, [b'', b''])]\n"
