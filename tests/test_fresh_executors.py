"""Executors of a standalone run that start as new processes instead of forks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from glowpy.driver.fleets.fork_hazard import fork_hazard
from tests.processes import run

LIBRARIES = """
from glowpy.driver.fleets.fork_hazard import fork_hazard
import numpy as np
print(f"numpy: {fork_hazard()!r}")
np.ones((300, 300)) @ np.ones((300, 300))
print(f"OpenBLAS used: {fork_hazard()!r}")
from pykdtree.kdtree import KDTree
print(f"libgomp loaded: {fork_hazard()!r}")
KDTree(np.random.rand(9999, 3)).query(np.random.rand(9999, 3))
print(f"libgomp used: {fork_hazard()!r}")
"""

AFTER_POLARS = """
import polars
import numpy
from pykdtree.kdtree import KDTree
from glowpy import Flow

frame = polars.DataFrame({"k": [number % 3 for number in range(3000)], "v": range(3000)})

def total(key):
    return frame.filter(polars.col("k") == key).group_by("k").agg(polars.col("v").sum())["v"][0]

def nearest(position):
    return int(tree.query(numpy.full((1000, 2), position))[1][0])

before = Flow().slice([1, 2], 2).map(lambda row: row + 1).collect()
print(before, frame.group_by("k").len().height)
print(Flow().slice(range(3), 3).map(total).collect())
points = numpy.arange(20000.0).reshape(-1, 2)
tree = KDTree(points)
print(len(tree.query(points)[0]))
del frame, tree
"""


def test_only_threads_that_a_fork_would_need_are_a_hazard() -> None:
    done = subprocess.run([sys.executable, "-c", LIBRARIES], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "numpy: ''",
        "OpenBLAS used: ''",
        "libgomp loaded: ''",
        "libgomp used: 'OpenMP (libgomp)'",
    ], done.stderr


@pytest.mark.parametrize(
    ("library", "thread", "owner"),
    [
        ("/usr/lib/libcuda.so.550.1", "cuda-EvtHandlr", "CUDA"),
        ("/usr/lib/libcuda.so.550.1", "python", ""),
        ("/site-packages/grpc/_cython/cygrpc.cpython-311.so", "grpc_global_tim", "gRPC"),
        ("/site-packages/polars/polars.abi3.so", "polars-0", "Polars"),
        ("/site-packages/_polars_runtime_32/_polars_runtime.abi3.so", "polars-ooc-clea", ""),
        ("/site-packages/pyarrow/libarrow.so", "polars-0", ""),
    ],
)
def test_pools_are_recognized_by_library_and_thread_names(
    library: str, thread: str, owner: str, tmp_path: Path
) -> None:
    (tmp_path / "maps").write_text(f"7f00-7f01 r-xp 00000000 00:00 0 {library}\n")
    for number, name in enumerate(["python", thread]):
        (tmp_path / "task" / str(number)).mkdir(parents=True)
        (tmp_path / "task" / str(number) / "comm").write_text(f"{name}\n")
    assert fork_hazard(str(tmp_path)) == owner


@pytest.mark.slow
def test_functions_that_use_polars_run_after_the_script_has_used_it(tmp_path: Path) -> None:
    (tmp_path / "frames.py").write_text(AFTER_POLARS)
    ended = run(tmp_path, "frames.py", "-glow.workers=2")
    assert ended.stdout.splitlines() == ["[2, 3] 3", "[1498500, 1499500, 1500500]", "10000"]
    (note,) = ended.stderr.splitlines()
    assert note.startswith("glowpy: Polars has started threads")
    assert "-glow.start=forked" in note


FRESH = """
import os, sys, threading
import glowpy
from glowpy import Channel, Flow
from glowpy.errors import GlowError
from helper import offset

class Point:
    def __init__(self, x): self.x = x
    def __eq__(self, other): return type(self) is type(other) and self.x == other.x
    def __hash__(self): return hash(self.x)

started = os.getpid()
offset.value = 5
lock = threading.Lock()

def work(row):
    print("working on", row)
    return Point(row), (sys.argv[1:], glowpy.argv(), glowpy.is_task(), os.getpid() != started)

rows = Flow().slice(range(4), 2).map(work).collect()
assert [point for point, _ in rows] == [Point(number) for number in range(4)], rows
print(*{str(facts) for _, facts in rows})

print(Flow().slice([Point(1), Point(1), Point(2)], 2).distinct().count())

numbers, doubled = Channel(), Channel()
flow = Flow()
flow.channel(numbers).map(lambda number: number * 2).add_output(doubled)
run = flow.start()
numbers.send(21)
print(next(iter(doubled)))
numbers.close()
run.wait()
try:
    Flow().slice([1]).map(lambda row: lock).collect()
except GlowError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
def test_fresh_executors_do_what_forks_do(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(FRESH)
    (tmp_path / "helper.py").write_text("class offset: value = 0\n")
    ended = run(tmp_path, "script.py", "-glow.start=fresh", "-glow.workers=2", "word")
    lines = ended.stdout.splitlines()
    assert sorted(lines[:4]) == [f"working on {number}" for number in range(4)], ended.stderr
    arguments = ["-glow.start=fresh", "-glow.workers=2", "word"]
    assert lines[4] == str((arguments, ["word"], False, True))
    assert lines[5:7] == ["2", "42"]
    assert lines[7].startswith("ProgramError Map1 (script.py:36): its function cannot be pickled")
    assert ended.stderr == ""


SETTINGS = """
import os, sys
from glowpy import Flow

def settings(row):
    return hash("text"), os.environ["PYTHONHASHSEED"], sys.flags.optimize

print(len(set(Flow().slice(range(8), 8).map(settings).collect())), settings(0)[2])
print(Flow().slice([0]).map(settings).collect()[0][1:])
"""


@pytest.mark.slow
def test_fresh_executors_have_the_options_of_python_and_one_hash_seed(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SETTINGS)
    words = ["-O", "script.py", "-glow.start=fresh", "-glow.workers=2"]
    for given, seed in ("random", "0"), ("7", "7"):
        ended = run(tmp_path, *words, environment={**os.environ, "PYTHONHASHSEED": given})
        assert ended.stdout.splitlines() == ["1 1", str((seed, 1))], ended.stderr
