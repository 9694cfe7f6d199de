"""Scripts with several runs, and the parts of a script that tasks run.

A task starts its script from the top and ends in its own run. Earlier runs return the results that
the driver has recorded; earlier runs without a result are skipped.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.processes import (
    IN_EVERY_MODE,
    IN_MOST_MODES,
    ON_A_CLUSTER,
    ON_THE_CLUSTER,
    flags_of,
    run,
)

pytestmark = pytest.mark.slow

# `note(word)` creates a file whose name has the word, the kind of the process and its id.
NOTE = """
import os
import glowpy
from glowpy import Flow

def note(word):
    kind = "task" if glowpy.is_task() else "driver"
    with open("notes", "a") as file:
        file.write(f"{word} {kind} {os.getpid()}\\n")
"""


def noted(directory: Path) -> Counter[tuple[str, str]]:
    """Number of processes that noted each word, by word and kind of process."""
    lines = (directory / "notes").read_text(encoding="utf-8").splitlines()
    assert len(set(lines)) == len(lines), lines
    return Counter((word, kind) for word, kind, _pid in map(str.split, lines))


def result_of(mode: str, leader: str, directory: Path, text: str) -> str:
    """The script's standard output; standard error must be empty."""
    (directory / "script.py").write_text(text, encoding="utf-8")
    ended = run(directory, "script.py", *flags_of(mode, leader), "-glow.quiet")
    assert ended.stderr == ""
    return ended.stdout


@IN_EVERY_MODE
def test_a_flow_that_depends_on_earlier_results(mode: str, cluster: str, tmp_path: Path) -> None:
    """Structure, functions and rows depend on results that no task could guess."""
    script = """
import uuid
from glowpy import Flow

first = Flow()
names = first.slice(range(6), 3).map(lambda _: uuid.uuid4().hex)
tokens = names.collect()
long = first.slice(tokens).filter(lambda token: token[0] in "01234567").count()

second = Flow()
rows = second.slice(range(12), long + 1)
for _ in range(long):
    rows = rows.map(lambda x: x + 1)
pairs = rows.map(lambda x: (x - long, tokens[x % 6])).partition(long + 2).collect()

assert sorted(pairs) == [(x, tokens[(x + long) % 6]) for x in range(12)], pairs
again = second.slice(pairs).map(lambda n, token: (token, n)).reduce_by_key(max).collect()
assert dict(again) == {tokens[(x + long) % 6]: x for x in range(6, 12)}, again
print(len(set(tokens)), "good")
"""
    assert result_of(mode, cluster, tmp_path, script) == "6 good\n"


@IN_MOST_MODES
def test_a_result_that_the_script_changes(mode: str, cluster: str, tmp_path: Path) -> None:
    """A task gets the result that the run returned and changes it once, like the driver."""
    script = """
from glowpy import Flow

flow = Flow()
rows = flow.slice([[1], [2]]).collect()
rows[0].append(3)
rows.append(rows.pop(0) + rows[0])
print(rows, flow.slice([0]).map(lambda _: rows).collect())
"""
    expected = "[[2], [1, 3, 2]]"
    assert result_of(mode, cluster, tmp_path, script) == f"{expected} [{expected}]\n"


@IN_MOST_MODES
def test_a_run_that_fails_and_a_script_that_goes_on(
    mode: str, cluster: str, tmp_path: Path
) -> None:
    """In a task of a later run, the failed run raises the same error."""
    script = """
from glowpy import Flow
from glowpy.errors import TaskFailed

flow = Flow()
taken = []
for end in ("run", "collect"):
    try:
        getattr(flow.slice([0]).map(lambda x: 1 // x), end)()
    except TaskFailed as exc:
        taken.append(type(exc.__cause__).__name__)
print(taken, flow.slice([0]).map(lambda _: taken).collect())
"""
    expected = ["ZeroDivisionError"] * 2
    assert result_of(mode, cluster, tmp_path, script) == f"{expected} [{expected}]\n"


@IN_MOST_MODES
def test_several_flows_in_one_script(mode: str, cluster: str, tmp_path: Path) -> None:
    """Flows built in one order and run in another; one never runs, one grows after a run."""
    script = """
from glowpy import Flow

one, unused, two = Flow(), Flow(), Flow()
unused.slice([1]).map(lambda x: 1 / 0)
odd = one.slice(range(10), 2).filter(lambda x: x % 2)
even = two.slice(range(10), 2).filter(lambda x: x % 2 == 0)
print(even.collect(), odd.collect(), odd.count())
print(odd.map(lambda x: -x).sort().collect(), even.reduce(lambda x, y: x + y).collect())
"""
    assert result_of(mode, cluster, tmp_path, script) == (
        "[0, 2, 4, 6, 8] [1, 3, 5, 7, 9] 5\n[-9, -7, -5, -3, -1] [20]\n"
    )


@IN_MOST_MODES
def test_runs_without_a_result_are_not_run_again(mode: str, cluster: str, tmp_path: Path) -> None:
    """Tasks of the third run skip the first two: no row twice, no file written again."""
    script = """
import glowpy, os
from glowpy import Flow

def count(word):
    with open(word, "a") as file:
        file.write(".")
    return word

flow = Flow()
flow.slice(["drained"] * 4, 2).map(count).run()
flow.slice(["saved"] * 3, 2).map(count).save_text_to_file("saved.txt")
if not glowpy.is_task():
    os.rename("saved.txt", "kept.txt")
flow.slice(["unseen"]).map(count)
print(flow.slice(["collected"] * 2, 2).map(count).collect())
for name in sorted(os.listdir(".")):
    if name != "script.py":
        print(name, os.path.getsize(name))
"""
    assert result_of(mode, cluster, tmp_path, script).splitlines() == [
        "['collected', 'collected']",
        "collected 2",
        "drained 4",
        f"kept.txt {3 * len('saved' + chr(10))}",
        "saved 3",
    ]


@IN_MOST_MODES
def test_run_of_a_flow_runs_all_of_it(mode: str, cluster: str, tmp_path: Path) -> None:
    script = """
from glowpy import Flow

def count(word):
    with open(word, "a") as file:
        file.write(".")
    return word

flow = Flow()
shared = flow.slice(["root"] * 4, 2).map(count)
shared.map(lambda _: "left").map(count)
shared.map(lambda _: "right").map(count)
flow.run()
"""
    assert result_of(mode, cluster, tmp_path, script) == ""
    sizes = {word: (tmp_path / word).stat().st_size for word in ("left", "right")}
    assert sizes == {"left": 4, "right": 4}


@IN_MOST_MODES
def test_code_below_ready_runs_in_the_driver_only(mode: str, cluster: str, tmp_path: Path) -> None:
    script = f"""{NOTE}
note("above")
flow = Flow()
rows = flow.slice(range(8), 4).map(lambda x: x + 1)
sums = flow.slice(range(8), 4).reduce(lambda x, y: x + y)
glowpy.ready()
note("below")
print(rows.collect(), sums.collect())
"""
    assert result_of(mode, cluster, tmp_path, script) == f"{list(range(1, 9))} [28]\n"
    found = noted(tmp_path)
    tasks = found.pop(("above", "task"), 0)
    assert found == {("above", "driver"): 1, ("below", "driver"): 1}
    assert tasks > 0 if mode in ON_A_CLUSTER else tasks == 0


@IN_MOST_MODES
def test_without_ready_tasks_go_as_far_as_their_run(
    mode: str, cluster: str, tmp_path: Path
) -> None:
    """The code below the run, exit handlers and `finally` do not run in a task."""
    script = f"""{NOTE}
import atexit

atexit.register(note, "exit")
flow = Flow()
try:
    note("first")
    total = flow.slice(range(8), 4).count()
    note("second")
    print(total, flow.slice(range(total), 4).count())
finally:
    note("finally")
note("end")
"""
    assert result_of(mode, cluster, tmp_path, script) == "8 8\n"
    found = noted(tmp_path)
    in_first, in_second = found.pop(("first", "task"), 0), found.pop(("second", "task"), 0)
    words = ("first", "second", "finally", "end", "exit")
    assert found == {(word, "driver"): 1 for word in words}
    assert in_first > in_second > 0 if mode in ON_A_CLUSTER else in_first == in_second == 0


@ON_THE_CLUSTER
def test_is_task_is_known_from_the_first_line_on(mode: str, cluster: str, tmp_path: Path) -> None:
    """A script can omit work that only the driver needs."""
    script = """
import glowpy
costly = None if glowpy.is_task() else object()

def seen(_row):
    return glowpy.is_task(), costly is None

print(glowpy.is_task(), glowpy.Flow().slice([0]).map(seen).collect())
"""
    assert result_of(mode, cluster, tmp_path, script) == "False [(True, True)]\n"


@ON_THE_CLUSTER
def test_a_script_that_ends_before_its_flow_in_tasks(
    mode: str, cluster: str, tmp_path: Path
) -> None:
    """The driver reports the early end, with the task's output, instead of waiting."""
    script = """
import glowpy, sys
flow = glowpy.Flow()
if glowpy.is_task():
    print("leaving early")
    sys.exit(0)
print(flow.slice([1]).collect())
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster), "-glow.quiet", status=1)
    assert ended.stdout == ""
    assert "ended without running a flow" in ended.stderr
    assert "leaving early" in ended.stderr


@ON_THE_CLUSTER
def test_a_script_that_builds_another_flow_in_tasks(
    mode: str, cluster: str, tmp_path: Path
) -> None:
    """The plans are compared before the run, and the error shows the difference."""
    script = """
import glowpy
rows = glowpy.Flow().slice(range(4), 3 if glowpy.is_task() else 2)
print(rows.map(print).collect())
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster), "-glow.quiet", status=1)
    assert ended.stdout == ""
    assert "builds another flow in the task than in the driver" in ended.stderr
    assert "\n-Input0 at script.py:3: 2 tasks" in ended.stderr
    assert "\n+Input0 at script.py:3: 3 tasks" in ended.stderr


@ON_THE_CLUSTER
def test_an_exception_in_the_users_function(mode: str, cluster: str, tmp_path: Path) -> None:
    script = """
from glowpy import Flow

def fails(row):
    raise KeyError("nothing here")

Flow().slice([1], 1).map(fails).run()
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster), "-glow.quiet", status=1)
    assert "KeyError: 'nothing here'" in ended.stderr
    assert f'File "{tmp_path}/script.py", line 5, in fails' in ended.stderr, "not the agent's copy"


@pytest.mark.parametrize("mode", ["plain", "inline", "cluster"])
def test_a_run_inside_a_function_is_refused(mode: str, cluster: str, tmp_path: Path) -> None:
    script = """
from glowpy import Flow

flow = Flow()
dataset = flow.slice([1, 2])
print(flow.slice([7]).map(lambda row: dataset.count()).collect())
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster), status=1)
    assert "count() was called by a function that runs in a task" in ended.stderr
    assert "row: 7" in ended.stderr
