"""Output of tasks on standard output and error arrives at the driver, in every way of writing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from glowpy.agent.output import OutputPipe
from glowpy.wire.transport import Poller
from tests.processes import run

SCRIPT = """
import logging, os, subprocess, sys
from glowpy import Flow

print("of the script")
kept = sys.stdout
logging.basicConfig(level=logging.INFO, format="%(message)s")

def write(row):
    print("1 print")
    logging.info("2 a handler made before the flow")
    os.system("echo 3 a child")
    subprocess.run(["echo", "4 another child"])
    os.write(1, b"5 file descriptor 1\\n")
    os.write(2, b"6 file descriptor 2\\n")
    print("7 a stream kept from before", file=kept)
    sys.stderr.write("8 standard error, without an end")
    return row

Flow().slice([1]).map(write).run()
"""
WORDS = [
    "1 print",
    "2 a handler made before the flow",
    "3 a child",
    "4 another child",
    "5 file descriptor 1",
    "6 file descriptor 2",
    "7 a stream kept from before",
    "8 standard error, without an end",
]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["standalone", "own cluster"])
def test_no_line_is_lost(mode: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    ended = run(tmp_path, "script.py", *(["-glow", "-glow.quiet"] if mode != "standalone" else []))
    lines = [line.rpartition("> ")[2] for line in (ended.stdout + ended.stderr).splitlines()]
    assert sorted(lines) == sorted([*WORDS, "of the script"])


@pytest.fixture
def poller() -> Poller:
    return Poller()


def test_lines_are_given_whole_and_as_they_come(poller: Poller) -> None:
    given: list[str] = []
    pipe = OutputPipe(poller, given.append)
    for data, expected in [
        (b"one\ntwo\nthr", ["one\ntwo\n"]),
        (b"", []),
        (b"ee\n\xe2\x82", ["three\n"]),
        (b"\xac\n\xff\n", ["\u20ac\n\ufffd\n"]),
        (b"rest", []),
    ]:
        os.write(pipe.writing_end, data)
        for handle in poller.poll(0.0):
            handle()
        assert given == expected
        given.clear()
    pipe.close_writing_end()
    pipe.close()
    pipe.close()
    assert given == ["rest\n"]
    assert poller.poll(0.0) == [], "an end is not reported for ever"


def test_an_end_is_not_reported_for_ever(poller: Poller) -> None:
    given: list[str] = []
    pipe = OutputPipe(poller, given.append)
    pipe.close_writing_end()
    (handle,) = poller.poll(1.0)
    handle()
    assert poller.poll(0.0) == []
    pipe.close()
    assert given == []


def test_a_line_without_end_leaves_in_pieces(poller: Poller) -> None:
    given: list[str] = []
    pipe = OutputPipe(poller, given.append)
    for _ in range(65):
        os.write(pipe.writing_end, b"x" * 60_000)
        pipe.drain()
    pipe.close_writing_end()
    pipe.close()
    assert max(map(len, given)) < 300_000
    assert "".join(given) == "x" * 65 * 60_000 + "\n"
