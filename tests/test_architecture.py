"""glowpy follows the rules of ARCHITECTURE.md, and each rule fails on a broken example."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture_rules import RULES as HOUSE_RULES
from tests.architecture_rules import Modules, Rule, parse_tree
from tests.record_rules import RECORD_RULES

ROOT = Path(__file__).resolve().parent.parent
RULES = (*HOUSE_RULES, *RECORD_RULES)


@pytest.fixture(scope="module")
def house() -> Modules:
    modules = parse_tree(ROOT)
    assert "glowpy.errors" in modules, f"no sources below {ROOT}"
    return modules


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule: Rule, house: Modules) -> None:
    found = list(rule(house))
    assert not found, "\n".join([rule.__doc__ or rule.__name__, *found])


def broken_rules(root: Path, sources: dict[str, str]) -> list[str]:
    for name, source in sources.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    modules = parse_tree(root)
    return [f"{rule.__name__}: {line}" for rule in RULES for line in rule(modules)]


def guarded(line: str) -> str:
    return f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {line}\n"


def lazy(line: str) -> str:
    return f"def f() -> None:\n    {line}\n"


FAULTS = {
    "unknown room": ("glowpy/util.py", "", "util is no room"),
    "sideways on floor 0": ("glowpy/timing.py", "import glowpy.resources", "timing (floor 0)"),
    "upwards": ("glowpy/flow/x.py", "import glowpy.planner.plan", "flow (floor 1) imports"),
    "upwards, lazily": ("glowpy/wire/x.py", lazy("import glowpy.task"), "inside a function"),
    "upwards, typing": ("glowpy/wire/x.py", guarded("import glowpy.task"), "TYPE_CHECKING"),
    "upwards, by name": (
        "glowpy/flow/x.py",
        "import importlib\nimportlib.import_module('glowpy.launch')",
        "imports glowpy.launch",
    ),
    "sideways": ("glowpy/agent/x.py", "from glowpy.master import y", "agent (floor 3) imports"),
    "sideways, relative": ("glowpy/task/x.py", "from ..agent.y import z", "task (floor 3)"),
    "sideways in a package": ("glowpy/task/__init__.py", "from ..agent import y", "task (floor 3)"),
    "from the front door": ("glowpy/cli/x.py", "from glowpy import Flow", "front door"),
    "front door too heavy": ("glowpy/__init__.py", "from glowpy import planner", "`import glowpy`"),
    "main": ("glowpy/__main__.py", "from glowpy.launch import x", "opens cli only"),
    "entry, not lazily": ("glowpy/flow/entry.py", "import glowpy.launch", "only inside a function"),
    "entry elsewhere": ("glowpy/flow/x.py", lazy("import glowpy.launch"), "flow (floor 1)"),
    "zmq": ("glowpy/wire/security.py", "from zmq.auth import x", "only glowpy.wire.transport"),
    "msgpack": ("glowpy/shards/codec.py", lazy("import msgpack"), "only glowpy.wire imports"),
    "a server unpickles": ("glowpy/agent/x.py", "import pickle", "agent reaches pickle"),
    "a server reads rows": (
        "glowpy/master/x.py",
        lazy("import glowpy.flow"),
        "reaches glowpy.flow",
    ),
    "a clock in a machine": ("glowpy/driver/scheduling/x.py", "import time", "imports time"),
    "a socket in a machine": (
        "glowpy/master/shares.py",
        lazy("from glowpy.wire.transport import Link"),
        "imports glowpy.wire.transport.Link",
    ),
    "a file in a machine": ("glowpy/shards/pull.py", "open('x')", "calls open()"),
    "a process in a machine": ("glowpy/agent/pool.py", "import os\nos.fork()", "takes os.fork"),
    "slow records": ("glowpy/flow/x.py", "from typing import NamedTuple", "glowpy.record"),
    "print": ("glowpy/agent/x.py", "print('x')", "print in a library"),
    "exit": ("glowpy/task/x.py", "import sys\nsys.exit(1)", "exits outside"),
    "exit by name": ("glowpy/task/x.py", "from sys import exit", "exits outside"),
    "exit by exception": ("glowpy/task/x.py", "raise SystemExit(1)", "exits outside"),
    "bare except": ("tests/x.py", "try:\n    1\nexcept:\n    f()", "bare except"),
    "swallowed": ("glowpy/cli/x.py", "try:\n    1\nexcept OSError:\n    pass", "swallows"),
    "swallowed by dots": ("tests/x.py", "try:\n    1\nexcept OSError:\n    ...", "swallows"),
    "sleep": ("tests/x.py", "import time\ntime.sleep(1)", "time.sleep"),
    "sleep by name": ("glowpy/agent/x.py", "from time import sleep", "time.sleep"),
    "a record by position": (
        "glowpy/flow/x.py",
        "class R(NamedTuple):\n    a: int\n    b: int\n    c: int\n    d: int\nR(1, b=2, c=3, d=4)",
        "R is built by position",
    ),
    "long file": ("tests/x.py", "\n" * 401, "401 lines"),
}


@pytest.mark.parametrize(("path", "source", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_found(tmp_path: Path, path: str, source: str, message: str) -> None:
    around = {"glowpy/__init__.py": "", "glowpy/flow/__init__.py": "", "glowpy/planner.py": ""}
    found = broken_rules(tmp_path, {**around, path: source})
    assert [line for line in found if message in line and path in line], found


def test_a_server_reaches_user_code_through_others(tmp_path: Path) -> None:
    found = broken_rules(
        tmp_path,
        {
            "glowpy/agent/store.py": "from glowpy.shards.store import Store",
            "glowpy/shards/__init__.py": "",
            "glowpy/shards/store.py": "from glowpy.shards import codec",
            "glowpy/shards/codec.py": "import pickle",
        },
    )
    way = "glowpy.agent.store → glowpy.shards.store → glowpy.shards.codec"
    assert found == [
        f"servers_stay_closed: glowpy/agent/store.py: agent reaches glowpy.shards.codec ({way})"
    ]


def test_a_ring_of_three_is_found_once(tmp_path: Path) -> None:
    ring = {"a": "b", "b": "c", "c": "a"}
    sources = {f"glowpy/flow/{x}.py": f"from glowpy.flow.{y} import F" for x, y in ring.items()}
    assert broken_rules(tmp_path, sources) == [
        "no_cycles: import cycle: glowpy.flow.a → glowpy.flow.b → glowpy.flow.c → glowpy.flow.a"
    ]


def test_a_ring_through_a_function_is_found(tmp_path: Path) -> None:
    sources = {
        "glowpy/flow/a.py": lazy("from glowpy.flow.b import B"),
        "glowpy/flow/b.py": "from . import a",
    }
    ring = "no_cycles: import cycle: glowpy.flow.a → glowpy.flow.b → glowpy.flow.a"
    assert broken_rules(tmp_path, sources) == [ring]


def test_allowed_imports_break_no_rule(tmp_path: Path) -> None:
    sources = {
        "glowpy/__init__.py": "from glowpy.errors import E\n" + lazy("from glowpy.launch import x"),
        "glowpy/__main__.py": "import sys\nfrom glowpy.cli import main\nsys.exit(main())",
        "glowpy/errors.py": "class E(Exception): ...",
        "glowpy/record.py": "from typing import NamedTuple",
        "glowpy/timing.py": "from glowpy.errors import E\nfrom glowpy.record import NamedTuple",
        "glowpy/flow/__init__.py": "from glowpy.flow.a import A",
        "glowpy/flow/a.py": "from glowpy.errors import E\n" + lazy("from glowpy.flow.b import B"),
        "glowpy/flow/b.py": "from glowpy.errors import E",
        "glowpy/flow/entry.py": lazy("from glowpy.launch import launch"),
        "glowpy/wire/transport/__init__.py": "import zmq",
        "glowpy/wire/transport/poller.py": "import zmq",
        "glowpy/wire/messages.py": "import msgpack",
        "glowpy/driver/scheduling/x.py": "import os\nfrom heapq import heappush\nos.path.join('a')",
        "glowpy/driver/x.py": "import pickle\nfrom glowpy.agent import y\nfrom glowpy import task",
        "glowpy/cli/x.py": "import sys\nfrom glowpy import __version__\nprint(1)\nsys.exit(1)",
        "tests/x.py": "import zmq\nprint(1)\ntry:\n    1\nexcept SystemExit:\n    f()",
    }
    assert broken_rules(tmp_path, sources) == []


IMPORT_AND_LOOK_AROUND = """
import logging, os, signal, sys, threading

def state():
    handlers = [signal.getsignal(number) for number in sorted(signal.valid_signals())]
    logs = logging.root.handlers[:]
    return handlers, threading.enumerate(), logs, dict(os.environ), sys.excepthook

before = state()
{statement}
assert state() == before, "importing glowpy changed the process"
heavy = {{"zmq", "msgpack", "cloudpickle", "psutil", "click"}} & sys.modules.keys()
assert not heavy, f"importing glowpy loaded {{sorted(heavy)}}"
"""


@pytest.mark.parametrize("statement", ["import glowpy", "from glowpy import Dataset, Flow; Flow()"])
def test_importing_glowpy_is_light_and_changes_nothing(statement: str) -> None:
    source = IMPORT_AND_LOOK_AROUND.format(statement=statement)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        # -c puts the directory on sys.path: the sources beside this test, installed or not
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr == ""
