"""Fixtures for all tests: a flow on each runner, and one warm cluster for the whole session."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, settings

from glowpy.servers.output_lines import OutputLines
from tests.batch import batch_of
from tests.runners import INLINE, Runner, flags_of_runner

_START_S = 30.0
_STOP_S = 30.0
_READY = r"ready, leader (\S+:\d+)"

# A shell with the tests in the background, or nohup, ignores these signals, and child processes
# inherit the setting; some children have to end by a signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Tests do not touch the user's own key, which servers and drivers on loopback share.
_STATE = tempfile.mkdtemp(prefix="glowpy-state-")
atexit.register(shutil.rmtree, _STATE, ignore_errors=True)
os.environ["XDG_STATE_HOME"] = _STATE

# The duration of an example depends on the load of the machine, not on the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.distribution import ByFileOrTest

    return ByFileOrTest(config, log)


@pytest.fixture
def new_flow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Makes flows for the inline runner, or for a runner of `ON_EVERY_RUNNER`.

    Without `ON_EVERY_RUNNER`, the last test of the file compares results with the other runners.
    """
    name: str = getattr(request, "param", "")
    if name:
        return Runner(name, flags_of_runner(name, request))
    assert hasattr(request.module, "test_in_one_run"), (
        "the file does not end in: test_in_one_run = in_one_run()"
    )
    batch_of(request.path).record(request.node.nodeid, monkeypatch)
    return Runner("inline", INLINE)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The leader's address of a cluster of three agents; no file and no process may remain.

    Each agent has one executor: what a run costs is the start of its executors. tests/faults and
    drivers with clusters of their own have agents with several.
    """
    # mkdtemp-short: paths of sockets in the directory are limited to 107 bytes
    temporary = tmp_path_factory.mktemp("cluster")
    command = [sys.executable, "-m", "glowpy", "cluster"]
    command += ["--agents", "3", "--executors", "1", "--port", "0"]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=temporary,
        env=os.environ | {"TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
        start_new_session=True,  # a Ctrl-C at pytest does not reach the cluster
    )
    assert process.stdout is not None
    said = OutputLines(process.stdout)
    killed: list[str] = []
    try:
        ready = said.wait_for(_READY, _START_S)
        if ready is None:
            pytest.fail(f"no cluster within {_START_S:g} s; it said:\n{said.text}")
        yield ready[1]
    finally:
        processes = [process_of(process.pid), *family_of(process.pid)]
        process.send_signal(signal.SIGINT)
        try:
            status = process.wait(_STOP_S)
        finally:
            for each in processes:
                if each.is_running() and each.status() != psutil.STATUS_ZOMBIE:
                    each.kill()
                    killed.append(str(each))
        said.finish(_STOP_S)
        text = said.text
        assert status in (0, 130, -signal.SIGINT), f"the cluster ended with {status}:\n{text}"
        assert not killed, f"killed by the test: {killed}\n{text}"
        assert left_in(temporary) == [], text


def process_of(pid: int) -> psutil.Process:
    return psutil.Process(pid)


def family_of(pid: int) -> list[psutil.Process]:
    """All descendants of a process."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def left_in(directory: Path) -> list[str]:
    """Every file and folder below a directory."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))
