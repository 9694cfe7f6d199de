"""`-glow.speculate`: a task that is much slower than others gets a rival; the first one counts."""

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
    """Drivers look more often whether somebody is slow."""
    monkeypatch.setenv("GLOWPY_TIME_SCALE", str(TIME_SCALE))


def tries(faults: Faults) -> list[str]:
    """How the tries of the slow task have ended, in order of their beginning."""
    return [faults.outcome(each) for each in faults.attempts() if each.name == f"{MAPS} task 1"]


def slow_one(place: Place) -> tuple[ArmedFault, Started, list[ArmedFault]]:
    """A run whose task 1 stands still, and the tasks that it will be compared with.

    These are held, too: until they are released, nobody can be taken for slow.
    """
    others = [place.faults.hold_executor(50, step="Map1", task=task) for task in (0, 2)]
    slow = place.faults.hold_executor(50, step="Map1", task=1)
    run = started(steps_of(place.flow("-glow.speculate")).collect)
    slow.wait()
    return slow, run, others


def test_the_rival_is_first(place: Place) -> None:
    """The run ends while the slow one stands still; nothing of that one is in the result."""
    slow, run, others = slow_one(place)
    release(others)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert tries(place.faults) == ["", "sealed"]
    slow.release()
    await_end(slow.pid)


def test_the_slow_one_is_first_after_all(place: Place) -> None:
    """Its rival is stopped; that it was there costs nobody anything."""
    slow, run, others = slow_one(place)
    rival = place.faults.hold_executor(60, step="Map1", task=1)
    release(others)
    assert rival.wait() != slow.pid
    slow.release()
    assert sorted(run.result(BOUND_S)) == EXPECTED
    rival.release()
    assert tries(place.faults)[0] == "sealed"


def test_a_rival_is_not_read_before_it_is_whole(place: Place) -> None:
    """It has written all and told nobody when it dies: the slow one's rows are what is read."""
    slow, run, others = slow_one(place)
    rivals = [place.faults.kill_executor(at_end=True, step="Map1", task=1) for _ in range(3)]
    release(others)
    rivals[0].wait()
    slow.release()
    assert sorted(run.result(BOUND_S)) == EXPECTED
    first, *later = tries(place.faults)  # there may be another rival already, which dies as well
    assert first == "sealed" and later and "sealed" not in later


def test_a_slow_one_that_dies_leaves_its_place_to_its_rival(place: Place) -> None:
    slow, run, others = slow_one(place)
    rival = place.faults.hold_executor(70, step="Map1", task=1)
    release(others)
    rival.wait()
    os.kill(slow.pid, signal.SIGKILL)  # it is held: its number is its own
    await_end(slow.pid)
    rival.release()
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert tries(place.faults) == ["", "sealed"]


def test_without_the_flag_nobody_has_a_rival(cluster: LocalCluster) -> None:
    slow = cluster.hold_executor(50, step="Map1", task=1)
    run = started(steps_of(cluster.flow()).collect)
    slow.wait()
    cluster.faults.wait_for(lambda: len(cluster.attempts()) >= 5)  # readers have begun early
    slow.release()
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert again(cluster, MAPS) == {}


def test_a_task_that_is_alone_has_nobody_to_be_compared_with() -> None:
    rows = Flow(["-glow.speculate", "-glow.workers=3"]).slice(range(9), 1).map(abs).collect()
    assert rows == list(range(9))
