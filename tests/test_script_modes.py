"""One script in every mode: the same result and the same output."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.processes import IN_EVERY_MODE, MODES, ON_A_CLUSTER, Ended, flags_of, run

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

SUMS = """
from glowpy import Flow

def by_rest(number):
    return number % 7, number

rows = Flow().slice(range(1000), 3).map(by_rest).partition(2).reduce_by_key(lambda x, y: x + y)
print(rows.collect())
"""
SUMS_PRINTED = f"{[(rest, sum(range(rest, 1000, 7))) for rest in range(7)]}\n"

AGENT = r"127\.0\.0\.\d+:\d+> "
ANNOUNCED = (
    r"glowpy: no master on localhost:8930: using a cluster of the driver's own, "
    r"leader 127\.0\.0\.1:\d+, \d+ executors\n"
)
WAITING = r"glowpy: waiting for .*\n"  # expected on a busy machine


def run_in(
    mode: str,
    leader: str,
    directory: Path,
    text: str,
    words: Sequence[str] = (),
    *,
    stdin: str = "",
) -> Ended:
    """Run a script of this text; it must end well, without unexpected lines on stderr."""
    (directory / "script.py").write_text(text, encoding="utf-8")
    ended = run(directory, "script.py", *flags_of(mode, leader), *words, stdin=stdin)
    assert_announced(mode, ended)
    return ended


def assert_announced(mode: str, ended: Ended) -> None:
    """Assert that stderr is empty, except for the announcement of the driver's own cluster."""
    expected = ANNOUNCED if mode == "own cluster" else ""
    said = re.sub(WAITING, "", ended.stderr)
    assert re.fullmatch(expected, said), ended.stderr


def without_agents(lines: Sequence[str], mode: str) -> list[str]:
    """Printed lines without the address of their agent, which only lines from a cluster have."""
    prefix = AGENT if mode in ON_A_CLUSTER else ""
    for line in lines:
        assert re.match(prefix, line), f"not from an agent: {line!r}"
        assert mode in ON_A_CLUSTER or not re.match(AGENT, line), line
    return [re.sub(f"^{prefix}", "", line) for line in lines]


@pytest.mark.parametrize("mode", MODES)
def test_the_same_result(mode: str, cluster: str, tmp_path: Path) -> None:
    assert run_in(mode, cluster, tmp_path, SUMS).stdout == SUMS_PRINTED
    assert os.listdir(tmp_path) == ["script.py"]


@pytest.mark.slow
def test_quiet_runs_print_no_notes(cluster: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SUMS, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of("own cluster", cluster), "-glow.quiet")
    assert (ended.stdout, ended.stderr) == (SUMS_PRINTED, "")


@IN_EVERY_MODE
def test_hello_world(mode: str, cluster: str, tmp_path: Path) -> None:
    ended = run(tmp_path, EXAMPLES / "hello_world.py", *flags_of(mode, cluster))
    assert_announced(mode, ended)
    lines = Path("/etc/passwd").read_text(encoding="utf-8").splitlines()
    count = sum(len(line.split(":")) for line in lines if not line.startswith("#"))
    assert without_agents(ended.stdout.splitlines(), mode) == [f"count: {count}"]


@IN_EVERY_MODE
def test_word_count(mode: str, cluster: str, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("to be or\nnot to be\n" * 50, encoding="utf-8")
    (tmp_path / "two.txt").write_text("Is it to be?\n", encoding="utf-8")
    words = [*flags_of(mode, cluster), "t*.txt", "one.txt"]
    ended = run(tmp_path, EXAMPLES / "word_count.py", *words)
    assert_announced(mode, ended)
    *counts, last = ended.stdout.splitlines()
    expected = [("be", 101), ("to", 101), ("not", 50), ("or", 50), ("Is", 1), ("it", 1)]
    assert counts == [f"{count:8} {word}" for word, count in expected]
    assert re.fullmatch(r"2 files, 304 words, 6 different ones, \d+\.\d\d s", last)


@IN_EVERY_MODE
def test_printed_lines_of_tasks_are_complete_and_unmixed(
    mode: str, cluster: str, tmp_path: Path
) -> None:
    """Complete lines, never mixed, for writes of any size."""
    script = """
import sys
from glowpy import Flow

def say(number):
    for piece in ["row ", str(number), " of ", "many\\n"]:
        sys.stdout.write(piece)
    print("half", end="")
    print("", number, file=sys.stdout)
    print("aside", number, file=sys.stderr)
    if number % 10 == 9:
        print("two\\nlines")
        print("no end", end="")
    return number

Flow().slice(range(40), 4).map(say).run()
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster), "-glow.quiet")
    said = [f"row {number} of many" for number in range(40)]
    said += [f"half {number}" for number in range(40)]
    said += ["two", "lines", "no end"] * 4
    printed = ended.stdout
    if mode == "inline":  # the script's own stdout: a line without an end stays without
        printed = printed.replace("no end", "no end\n")
    assert sorted(without_agents(printed.splitlines(), mode)) == sorted(said)
    errors = without_agents(ended.stderr.splitlines(), mode)
    assert sorted(errors) == sorted(f"aside {number}" for number in range(40))


@IN_EVERY_MODE
def test_output_of_the_script_itself_is_seen_once(mode: str, cluster: str, tmp_path: Path) -> None:
    """Tasks run the script as well; the output of these copies does not reach the user."""
    script = """
import sys
from glowpy import Flow

print("begin")
print("beginning", file=sys.stderr, flush=True)
print(Flow().slice(range(6), 6).map(lambda x: x + 1).collect())
print("end")
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster), "-glow.quiet")
    assert ended.stdout == "begin\n[1, 2, 3, 4, 5, 6]\nend\n"
    assert ended.stderr == "beginning\n"


@IN_EVERY_MODE
def test_standard_input_is_the_drivers(mode: str, cluster: str, tmp_path: Path) -> None:
    script = """
import os, sys
import glowpy
from glowpy import Flow

text = "" if glowpy.is_task() else sys.stdin.read()

def seen(row):
    try:
        rest = sys.stdin.read()
    except OSError as exc:
        rest = str(exc)
    return row, os.readlink("/proc/self/fd/0"), rest

print(*Flow().slice([text]).map(seen).collect()[0], sep="|")
"""
    ended = run_in(mode, cluster, tmp_path, script, stdin="given\n")
    row, file, rest = ended.stdout.removesuffix("\n").split("|")
    assert row == "given\n"
    if mode == "inline":  # the functions run in the driver, which has read its input
        assert rest == ""
    else:
        assert file == os.devnull
        assert rest.startswith("a task has no standard input")


@IN_EVERY_MODE
def test_a_plot_runs_nothing(mode: str, cluster: str, tmp_path: Path) -> None:
    script = """
from glowpy import Flow

flow = Flow()
size = flow.slice(range(10), 2).map(print).count()
Flow().slice(range(size)).partition(4).run()
print("below")
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster), "-glow.flow.plot")
    first, *_, last = ended.stdout.splitlines()
    assert (first, last) == ("digraph glow {", "}")
    assert "Map" in ended.stdout and "Partition" not in ended.stdout
    assert re.fullmatch(r"glowpy: .*above the first run, script.py:5; .*\n", ended.stderr)


@pytest.mark.parametrize("flag", ["-glow.flow.plot", "-glow.flow.explain"])
def test_a_reader_that_has_seen_enough_of_a_plan(flag: str, tmp_path: Path) -> None:
    """`python script.py -glow.flow.explain | head -1`"""
    (tmp_path / "script.py").write_text("from glowpy import Flow\nFlow().slice([1]).run()\n")
    ours, theirs = os.pipe()
    os.close(ours)
    ended = subprocess.run(
        [sys.executable, "script.py", flag],
        cwd=tmp_path,
        stdout=theirs,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(theirs)
    assert (ended.returncode, ended.stderr) == (0, b"")
