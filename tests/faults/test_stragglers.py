"""`-glow.speculate`: a slow task gets a speculative attempt; the first complete attempt counts."""

from __future__ import annotations

import os
import signal

import pytest

from glowpy import Flow
from glowpy.testing import ArmedFault, Faults, LocalCluster, Started, started
from tests.faults.checks import BOUND_S
from tests.faults.flows import EXPECTED, MAPS, again, release, steps_of
from tests.faults.place import Place
from tests.processes import await_end

pytestmark = pytest.mark.slow

TIME_SCALE = 0.2


@pytest.fixture(autouse=True)
def without_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make drivers look for slow tasks more often."""
    monkeypatch.setenv("GLOWPY_TIME_SCALE", str(TIME_SCALE))


def tries(faults: Faults) -> list[str]:
    """Outcomes of the slow task's attempts, in the order of their start."""
    return [faults.outcome(each) for each in faults.attempts() if each.name == f"{MAPS} task 1"]


def slow_one(place: Place) -> tuple[ArmedFault, Started, list[ArmedFault]]:
    """Return a run whose task 1 is suspended, and the tasks for comparison.

    The tasks for comparison are held as well: before their release no task counts as slow.
    """
    others = [place.faults.hold_executor(50, step="Map1", task=task) for task in (0, 2)]
    slow = place.faults.hold_executor(50, step="Map1", task=1)
    run = started(steps_of(place.flow("-glow.speculate")).collect)
    slow.wait()
    return slow, run, others


def test_the_speculative_attempt_is_first(place: Place) -> None:
    """The run ends while the slow attempt is suspended; none of its rows is in the result."""
    slow, run, others = slow_one(place)
    release(others)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert tries(place.faults) == ["", "sealed"]
    slow.release()
    await_end(slow.pid)


def test_the_slow_attempt_is_first(place: Place) -> None:
    """The speculative attempt is stopped, without effect on the result."""
    slow, run, others = slow_one(place)
    rival = place.faults.hold_executor(60, step="Map1", task=1)
    release(others)
    assert rival.wait() != slow.pid
    slow.release()
    assert sorted(run.result(BOUND_S)) == EXPECTED
    rival.release()
    assert tries(place.faults)[0] == "sealed"


def test_a_speculative_attempt_is_not_read_before_its_end(place: Place) -> None:
    """The speculative attempt dies before its report; readers read the slow attempt."""
    slow, run, others = slow_one(place)
    rivals = [place.faults.kill_executor(at_end=True, step="Map1", task=1) for _ in range(3)]
    release(others)
    rivals[0].wait()
    slow.release()
    assert sorted(run.result(BOUND_S)) == EXPECTED
    # a second speculative attempt may have started; all of them die
    first, *later = tries(place.faults)
    assert first == "sealed" and later and "sealed" not in later


def test_a_slow_attempt_that_dies_is_replaced_by_the_speculative_one(place: Place) -> None:
    slow, run, others = slow_one(place)
    rival = place.faults.hold_executor(70, step="Map1", task=1)
    release(others)
    rival.wait()
    os.kill(slow.pid, signal.SIGKILL)  # a held process has not ended, so the pid is still valid
    await_end(slow.pid)
    rival.release()
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert tries(place.faults) == ["", "sealed"]


def test_no_task_gets_a_speculative_attempt_without_the_flag(cluster: LocalCluster) -> None:
    slow = cluster.hold_executor(50, step="Map1", task=1)
    run = started(steps_of(cluster.flow()).collect)
    slow.wait()
    cluster.faults.wait_for(lambda: len(cluster.attempts()) >= 5)  # pipelined readers have started
    slow.release()
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert again(cluster, MAPS) == {}


def test_a_single_task_gets_no_speculative_attempt() -> None:
    rows = Flow(["-glow.speculate", "-glow.workers=3"]).slice(range(9), 1).map(abs).collect()
    assert rows == list(range(9))
