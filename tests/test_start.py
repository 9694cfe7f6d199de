"""Start time: the modules that a hello world loads, and the code that runs before the driver."""

from __future__ import annotations

import os
import subprocess
import sys
from operator import add
from pathlib import Path

import pytest

from glowpy import Dataset, Flow
from glowpy.driver.scheduling.events import Demand
from glowpy.driver.scheduling.scheduler import Scheduler
from glowpy.driver.standalone import tasks_at_once
from glowpy.planner.fusion import make_plan

ROOT = Path(__file__).resolve().parent.parent
BOUND_S = 60.0

# The smallest useful script, the first of the README, which prints the loaded modules at its end.
HELLO = """
import sys
from glowpy import Flow

(
    Flow().text_file(__file__, 3)
    .filter(lambda line: not line.startswith("#"))
    .flat_map(lambda line: line.split(":"))
    .map(lambda token: 1)
    .reduce(lambda x, y: x + y)
    .map(lambda count: print("count:", count))
    .run()
)
print(*sys.modules)
"""

# Each module of glowpy takes a few tenths of a percent of a start. If a change exceeds the limit,
# load the new module lazily, in the runs that use it.
MOST_MODULES = 110
# Only the families of operators that the script uses; a method loads the file of its family.
OPERATORS = {"kernel", "memory", "reduce", "rowwise", "source"}
# Standard modules of a start, beyond zmq, msgpack and their imports.
OTHERS = set("_heapq _socket gc heapq select signal zlib".split())
# With the reason why each module is not needed.
UNWANTED = {
    "argparse": "flags are parsed without",
    "cloudpickle": "a fork needs no pickles of functions",
    "dataclasses": "loads inspect; values are named tuples of glowpy.record",
    "glob": "loaded where a path is a pattern",
    "inspect": "functions are read off their code",
    "logging": "loaded where there is something to log",
    "psutil": "the system is asked by /proc",
    "shutil": "makes a tenth of a start",
    "socket": "makes enums of all constants",
    "subprocess": "nothing is launched, only forked",
    "tempfile": "loads random and shutil",
    "traceback": "loaded where something is wrong",
    "glowpy.driver.cluster": "another runner",
    "glowpy.driver.inline": "another runner",
    "glowpy.program": "forks are not sent programs",
    "glowpy.cli": "the commands",
}


def loaded_by(directory: Path, source: str) -> set[str]:
    """The modules that a script has loaded, from its last line."""
    script = directory / "script.py"
    script.write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_a_hello_world_loads_only_the_needed_modules(tmp_path: Path) -> None:
    loaded = loaded_by(tmp_path, HELLO)
    for_zmq = loaded_by(tmp_path, "import sys, zmq, msgpack\nprint(*sys.modules)")
    ours = {name for name in loaded if name.split(".")[0] == "glowpy"}
    operators = {name.rpartition(".")[2] for name in ours if name.startswith("glowpy.flow.ops.")}
    unwanted = {name: why for name, why in UNWANTED.items() if name in loaded - for_zmq}
    assert not unwanted
    assert operators == OPERATORS
    assert loaded - for_zmq - ours <= OTHERS
    assert len(ours) <= MOST_MODULES, f"{len(ours)}: {sorted(ours)}"


def flows() -> dict[str, Dataset]:
    flow = Flow(["-glow.inline"])
    numbers = flow.slice(range(9), 3)
    lines = flow.text_file(__file__, 2)
    return {
        "slice": numbers,
        "lines": lines.map(len).reduce(add),
        "function": flow.source(lambda: range(3), 4).map(str),
        "keyed": lines.map(lambda line: (line, 1)).reduce_by_key(add),
        "scattered": numbers.partition(5).sort(),
        "two sources": numbers.map(str).union(lines),
        "joined": numbers.map(lambda x: (x, x)).join(lines.map(lambda x: (x, x))),
        "read twice": numbers.map(str).union(numbers.map(len)).union(lines),
    }


@pytest.mark.parametrize("name", flows())
def test_executors_started_ahead_are_those_that_the_scheduler_wants_first(name: str) -> None:
    dataset = flows()[name]
    plan = make_plan(dataset._graph, [dataset._node], stored=True)
    scheduler = Scheduler(plan, lost_attempts=3, lost_agents=3, store_owner="store")
    wanted = sum(each.executor_count for each in scheduler.start() if isinstance(each, Demand))
    assert tasks_at_once(plan) == wanted > 0
