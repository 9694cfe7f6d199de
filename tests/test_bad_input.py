"""Invalid input of a script, in every mode: an immediate, clear error, and no remaining files."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from glowpy.errors import (
    ConfigError,
    DefinitionError,
    FlagError,
    InputError,
    OutputError,
    PlanMismatch,
    ProgramError,
    TaskFailed,
)
from tests.failing_scripts import FULL_DISK, error_text, failure, usage_error
from tests.processes import ON_A_CLUSTER, ON_THE_CLUSTER, flags_of, run

pytestmark = pytest.mark.slow

IN_MOST_MODES = pytest.mark.parametrize("mode", ["plain", "inline", "cluster"])
HERE = socket.gethostname()

GOOD = """
from glowpy import Flow
print(Flow().slice(range(10), 2).map(str).count())
"""


def host_of(mode: str) -> str:
    """The host on which tasks run in a mode, as a regular expression."""
    return r"127\.0\.0\.\d" if mode in ON_A_CLUSTER else re.escape(HERE)


# --- input files --------------------------------------------------------------------------------


@IN_MOST_MODES
def test_a_missing_file(mode: str, cluster: str, tmp_path: Path) -> None:
    script = "from glowpy import Flow\nFlow().text_file('no.txt', 2).run()"
    text = error_text(failure(tmp_path, mode, cluster, script), InputError)
    assert text == (
        f"Source0 (script.py:2): cannot read {tmp_path}/no.txt on {HERE}: No such file or directory"
    )


def test_a_glob_that_matches_nothing(tmp_path: Path) -> None:
    script = "from glowpy import Flow\nFlow().text_file('*.csv', 2).run()"
    text = error_text(failure(tmp_path, "plain", "", script), InputError)
    assert text == f"Source0 (script.py:2): no file matches {tmp_path}/*.csv on {HERE}"


@ON_THE_CLUSTER
def test_a_file_that_only_the_driver_has(mode: str, cluster: str, tmp_path: Path) -> None:
    script = """
import os, glowpy
if not glowpy.is_task():
    os.dup2(os.open("script.py", os.O_RDONLY), 200)
glowpy.Flow().text_file("/proc/self/fd/200", 1).run()
"""
    text = error_text(failure(tmp_path, mode, cluster, script), InputError)
    assert re.fullmatch(
        r"Source0 \(script.py:5\): "
        rf"cannot read /proc/self/fd/200 on {HERE}: No such file or directory",
        text,
    )


# --- the command line ---------------------------------------------------------------------------


@IN_MOST_MODES
def test_an_unknown_flag(mode: str, cluster: str, tmp_path: Path) -> None:
    line = usage_error(failure(tmp_path, mode, cluster, GOOD, "-glow.flow.stats"))
    assert line == "unknown flag -glow.flow.stats; did you mean -glow.flow.stat?"


def test_flags_that_contradict_each_other(tmp_path: Path) -> None:
    line = usage_error(failure(tmp_path, "plain", "", GOOD, "-glow", "-glow.inline"))
    assert "give only one" in line


def test_an_unknown_flag_of_a_flow(tmp_path: Path) -> None:
    script = "from glowpy import Flow\nFlow(['-glow.inlin'])"
    text = error_text(failure(tmp_path, "plain", "", script), FlagError)
    assert "did you mean -glow.inline?" in text


@pytest.mark.parametrize("address", ["127.0.0.1:port", "a:b:c", "127.0.0.1:99999", "two words:1"])
def test_a_bad_address(address: str, tmp_path: Path) -> None:
    line = usage_error(failure(tmp_path, "plain", "", GOOD, "-glow", f"-glow.leader={address}"))
    assert line.startswith("-glow.leader: address ")
    assert address in line


def test_a_driver_address_that_is_not_this_hosts(cluster: str, tmp_path: Path) -> None:
    words = ["-glow.driver.host=192.0.2.1"]
    text = error_text(failure(tmp_path, "cluster", cluster, GOOD, *words), ConfigError)
    assert "192.0.2.1" in text


def test_a_driver_port_in_use(cluster: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = [f"-glow.driver.port={port}"]
        text = error_text(failure(tmp_path, "cluster", cluster, GOOD, *words), ConfigError)
    assert text.startswith(f"cannot listen on 127.0.0.1:{port}: its port is in use by ")
    assert text.endswith("; name another by -glow.driver.port=PORT, or 0 for any that is free")


def test_a_key_file_that_is_not_there(cluster: str, tmp_path: Path) -> None:
    text = error_text(failure(tmp_path, "cluster", cluster, GOOD, "-key.file=no.key"), ConfigError)
    assert text == "cannot read key file no.key: No such file or directory"


# --- the user's functions -----------------------------------------------------------------------


@IN_MOST_MODES
def test_an_exception_in_a_function(mode: str, cluster: str, tmp_path: Path) -> None:
    """The message has the step and its line, the host, the row and the traceback in the task."""
    script = """
from glowpy import Flow

def inverse(row):
    return 1 / row["number"]

rows = Flow().slice([{"number": n} for n in (4, 2, 1, 0)], 2)
rows.map(inverse).run()
"""
    text = error_text(failure(tmp_path, mode, cluster, script), TaskFailed)
    lines = text.splitlines()
    assert re.fullmatch(
        rf"Map1 \(script.py:8\) failed on {host_of(mode)} in task 1 of 2: "
        "ZeroDivisionError: division by zero",
        lines[0],
    )
    assert lines[1:5] == [
        "row: {'number': 0}",
        "",
        "Traceback in the task:",
        "Traceback (most recent call last):",
    ]
    assert lines[5] == f'  File "{tmp_path}/script.py", line 5, in inverse'
    assert lines[6] == '    return 1 / row["number"]'
    assert text.count("ZeroDivisionError: division by zero") == 1


@IN_MOST_MODES
def test_a_function_that_leaves(mode: str, cluster: str, tmp_path: Path) -> None:
    script = """
import sys
from glowpy import Flow

def leave(row):
    sys.exit("enough")

Flow().slice(range(4), 2).filter(leave).run()
"""
    text = error_text(failure(tmp_path, mode, cluster, script), TaskFailed)
    assert re.match(
        rf"Filter1 \(script.py:8\) failed on {host_of(mode)} in task \d of 2: "
        r"the step called sys.exit\('enough'\)\nrow: \d\n",
        text,
    )


def test_an_exception_that_cannot_be_pickled(tmp_path: Path) -> None:
    script = """
import threading
from glowpy import Flow

class Odd(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")
        self.lock = threading.Lock()

def fail(row):
    raise Odd("this", "that")

Flow().slice([1]).map(fail).run()
"""
    text = error_text(failure(tmp_path, "plain", "", script), TaskFailed)
    assert "Odd: this and that\nrow: 1\n" in text


# --- the script ---------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["-glow", "-glow.flow.plot", "-glow.flow.explain"])
def test_a_script_that_does_not_run_its_flow(flag: str, tmp_path: Path) -> None:
    script = "from glowpy import Flow\nFlow().slice(range(10), 2)"
    ended = failure(tmp_path, "plain", "", script, flag)
    assert ended.stderr == (
        "glowpy: the script ended without running a flow: "
        "no run(), collect() or other terminal call was reached\n"
    )


@pytest.mark.parametrize("flags", [(), ("-glow.inline",)])
def test_a_note_reports_a_flow_that_never_runs(flags: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("from glowpy import Flow\nFlow().slice([1]).map(print)")
    ended = run(tmp_path, "script.py", *flags)
    assert ended.stderr == (
        "glowpy: the script ended without running a flow: "
        "no run(), collect() or other terminal call was reached\n"
    )
    (tmp_path / "other.py").write_text("import script\nscript.Flow().slice([1]).run()")
    assert run(tmp_path, "other.py", *flags).stderr == ""


def test_a_script_in_a_folder_that_is_gone(cluster: str, tmp_path: Path) -> None:
    script = """
import os
import glowpy
from glowpy import Flow
if not glowpy.is_task():
    os.rmdir(os.getcwd())
print(Flow().slice([1]).map(str).collect())
"""
    (tmp_path / "gone").mkdir()
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    flags = flags_of("cluster", cluster)
    assert run(tmp_path / "gone", tmp_path / "script.py", *flags).stdout == "['1']\n"


@ON_THE_CLUSTER
def test_a_task_that_does_not_run_its_flow(mode: str, cluster: str, tmp_path: Path) -> None:
    script = """
import glowpy
rows = glowpy.Flow().slice(range(10), 2)
if glowpy.is_task():
    print("on my way")
else:
    rows.run()
"""
    text = error_text(failure(tmp_path, mode, cluster, script), ProgramError)
    assert re.fullmatch(
        rf"agent {host_of(mode)}:\d+: the program ended \(exit status 1\) in the task before its "
        r"flow was run; it had written:\non my way\nglowpy: the task ended without running .*",
        text,
    )


DIFFERENCES = {
    "another number of shards": (
        "rows = flow.slice(range(9), 3 if task else 2).map(str)",
        ["-Input0 at script.py:5: 2 tasks", "+Input0 at script.py:5: 3 tasks"],
    ),
    "another step": (
        "rows = flow.slice(range(9))\nrows = rows.filter(str) if task else rows.map(str)",
        ["-Map1 at script.py:6: 1 tasks", "+Filter1 at script.py:6: 1 tasks"],
    ),
    "fewer steps": (
        "rows = flow.slice(range(9))\nif not task:\n    rows = rows.map(str)",
        ["step 1 of the flow defined at script.py:4", "in the task that flow has 1 steps"],
    ),
    "no such flow": (
        "if not task:\n    flow = Flow()\nrows = flow.slice(range(9))",
        ["the driver runs flow 1 of the script", "the task has not made that flow"],
    ),
}


@pytest.mark.parametrize(
    ("mode", "difference"),
    [*(("cluster", each) for each in DIFFERENCES), ("own cluster", "another step")],
)
def test_a_flow_that_is_another_one_in_tasks(
    mode: str, difference: str, cluster: str, tmp_path: Path
) -> None:
    code, expected = DIFFERENCES[difference]
    script = "\n".join(
        ["from glowpy import Flow", "import glowpy", "task = glowpy.is_task()", "flow = Flow()"]
        + [code, "rows.count()"]
    )
    text = error_text(failure(tmp_path, mode, cluster, script), PlanMismatch)
    assert re.match(rf"agent {host_of(mode)}:\d+: ", text)
    for words in expected:
        assert words in text


@pytest.mark.parametrize("place", ["script", "function"])
def test_a_module_that_the_agent_lacks(place: str, cluster: str, tmp_path: Path) -> None:
    """Installed modules are not sent: only the driver's Python finds this module."""
    installed = tmp_path / "lib" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "solver.py").write_text("solve = str\n", encoding="utf-8")
    imported = "from solver import solve"
    script = "\n".join(
        ["from glowpy import Flow"]
        + ([imported] if place == "script" else [])
        + ["def f(row):"]
        + ([f"    {imported}"] if place == "function" else [])
        + ["    return solve(row)", "Flow().slice([1]).map(f).run()"]
    )
    environment = {"PYTHONPATH": str(installed)}
    ended = failure(tmp_path, "cluster", cluster, script, environment=environment)
    host = host_of("cluster")
    missing = "ModuleNotFoundError: No module named 'solver'"
    if place == "function":
        text = error_text(ended, TaskFailed)
        assert re.match(rf"Map1 \(script.py:5\) failed on {host}: {missing}\n", text)
    else:
        text = error_text(ended, ProgramError)
        assert re.match(rf"agent {host}:\d+: the program ended ", text)
        assert 'script.py", line 2, in <module>' in text
        assert missing in text
        assert text.endswith("installed ones are not: install it there, too.")


# --- shards -------------------------------------------------------------------------------------


@IN_MOST_MODES
def test_no_shards(mode: str, cluster: str, tmp_path: Path) -> None:
    script = "from glowpy import Flow\nFlow().slice(range(10), 0).run()"
    text = error_text(failure(tmp_path, mode, cluster, script), DefinitionError)
    assert text == "script.py:2: slice() needs at least 1 shard, not 0"


# --- places that cannot be written --------------------------------------------------------------


@IN_MOST_MODES
@pytest.mark.parametrize("place", ["no/out.txt", "script.py/out.txt", "."])
def test_a_result_that_cannot_be_written(
    place: str, mode: str, cluster: str, tmp_path: Path
) -> None:
    script = f"""
from glowpy import Flow
Flow().slice(range(10), 2).map(print).save_text_to_file({place!r})
"""
    ended = failure(tmp_path, mode, cluster, script)
    path = re.escape(str((tmp_path / place).resolve()))
    assert re.match(f"cannot write {path}: .+", error_text(ended, OutputError))
    assert ended.stdout == "", "the flow was run, for nothing"


@IN_MOST_MODES
def test_no_temporary_directory(mode: str, cluster: str, tmp_path: Path) -> None:
    script = """
import os
import glowpy.driver.scratch
os.environ["TMPDIR"] = "/nowhere"
glowpy.driver.scratch._PLACES = ()
"""
    text = error_text(failure(tmp_path, mode, cluster, script + GOOD), ConfigError)
    assert text.startswith(f"cannot make a temporary directory on {HERE}: [Errno 2] No such file")
    assert text.endswith("; name one that can be written by TMPDIR")


@pytest.mark.parametrize("mode", ["plain", "cluster"])
def test_a_disk_that_takes_nothing(mode: str, cluster: str, tmp_path: Path) -> None:
    ended = failure(tmp_path, mode, cluster, FULL_DISK + GOOD)
    assert re.search(r"Error: cannot (write|make) .*: File too large$", ended.stderr.strip())


@pytest.mark.parametrize("mode", ["plain", "inline", "own cluster"])
def test_a_disk_that_fills_up(mode: str, tmp_path: Path) -> None:
    """The shards exceed the disk space of their writer."""
    script = """
import resource
from glowpy import Flow
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

def many(row):
    for number in range(100_000):
        yield number

Flow().slice([1]).flat_map(many).collect()
"""
    text = error_text(failure(tmp_path, mode, "", script), OutputError)
    assert re.search(r"cannot write shard data to /\S+\.seg: File too large$", text)


def test_a_result_that_does_not_fit_on_the_disk(cluster: str, tmp_path: Path) -> None:
    script = """
import resource
from glowpy import Flow, is_task
if not is_task():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
Flow().slice([1]).flat_map(lambda row: range(100_000)).save_text_to_file("out.txt")
"""
    text = error_text(failure(tmp_path, "cluster", cluster, script), OutputError)
    assert text == f"cannot write {tmp_path}/out.txt: File too large"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["script.py"]
