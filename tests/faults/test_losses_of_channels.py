"""Executors, agents and drivers that die while a channel feeds a flow.

Rows that have not been delivered are computed again from the input that the driver has kept.
Delivered rows are never repeated: where a repetition would be necessary, the run ends by an error.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from operator import add
from typing import Any

import pytest

from glowpy import Channel, Flow
from glowpy.driver.view.run_monitor import RunMonitor
from glowpy.errors import RowsDelivered
from glowpy.testing import Faults, LocalCluster
from glowpy.wire.run_messages import GroupEnded
from tests.faults.checks import BOUND_S
from tests.faults.place import Place
from tests.processes import await_end, await_idle

pytestmark = pytest.mark.slow

ROWS = list(range(40))


@pytest.fixture(params=["standalone", "cluster"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "cluster":
        cluster: LocalCluster = request.getfixturevalue("cluster")
        await_idle(
            cluster.leader, cluster.key_file
        )  # streaming groups that get too few executors share them
        yield Place(cluster.flags, cluster.faults)
    else:
        yield Place(["-glow.workers=4"], request.getfixturevalue("faults"))


def send_all(channel: Channel, rows: list[Any]) -> None:
    with channel:
        for row in rows:
            channel.send(row, BOUND_S)


@pytest.mark.parametrize("at_row", [0, 7])
def test_undelivered_rows_are_computed_again(place: Place, at_row: int) -> None:
    """The output waits for the sort, which waits for the end of the channel."""
    source, out = Channel(), Channel()
    flow = place.flow()
    flow.channel(source, shards=2).map(lambda x: x * x).sort().add_output(out)
    fault = place.faults.kill_executor(at_row, step="Map1", task=1)
    handle = flow.start()
    send_all(source, ROWS)
    assert list(out) == [x * x for x in ROWS]
    handle.wait()
    assert fault.has_happened
    names = place.faults.recomputed()
    assert set(names.values()) == {1}
    assert any("Map1" in name and "task 1" in name for name in names)


def test_rows_are_replayed_before_the_first_is_received(place: Place) -> None:
    source, out = Channel(), Channel()
    flow = place.flow()
    flow.channel(source).map(abs).add_output(out)
    place.faults.kill_executor(0, step="Map1")
    handle = flow.start()
    for row in ROWS:
        source.send(row)
        assert out.receive(BOUND_S) == row
    source.close()
    handle.wait()
    assert place.faults.recomputed() == {"Input0>Map1 task 0": 1}


def test_rows_that_were_received_are_not_repeated(place: Place) -> None:
    source, out = Channel(), Channel()
    flow = place.flow()
    flow.channel(source).map(abs).add_output(out)
    place.faults.kill_executor(3, step="Map1")
    handle = flow.start()
    for row in range(3):
        source.send(row)
        assert out.receive(BOUND_S) == row
    source.send(3)
    with pytest.raises(RowsDelivered, match=r"Input0>Map1 .*: 3 rows of it had been received"):
        out.receive(BOUND_S)
    with pytest.raises(RowsDelivered, match="they are not repeated, so the run cannot go on"):
        handle.wait()
    with pytest.raises(RowsDelivered):
        source.send(4)


def test_a_streaming_group_is_lost_and_the_others_continue(place: Place) -> None:
    """The group's readers start again with the group; all other groups continue."""
    source, sums, raw = Channel(), Channel(), Channel()
    flow = place.flow()
    rows = flow.channel(source).map(abs).add_output(raw)
    rows.partition(2).map(lambda x: (x % 3, 2 * x)).reduce_by_key(add).add_output(sums)
    fault = place.faults.kill_executor(5, step="Map4", task=0)  # alone on its executor
    handle = flow.start()
    for row in ROWS:
        source.send(row)
        assert raw.receive(BOUND_S) == row
    source.close()
    assert list(sums) == [(key, 2 * sum(x for x in ROWS if x % 3 == key)) for key in range(3)]
    handle.wait()
    assert fault.has_happened


def test_an_agent_dies_with_a_streaming_group(cluster: LocalCluster) -> None:
    await_idle(
        cluster.leader, cluster.key_file
    )  # a held group blocks the groups that share its executor
    source, out = Channel(), Channel()
    flow = cluster.flow()
    flow.channel(source, shards=3).map(abs).partition(2).map(abs).sort().add_output(out)
    faults = [cluster.hold_executor(5, step="Map1", task=task) for task in range(3)]
    handle = flow.start()
    for row in ROWS:
        source.send(row)
    victim = cluster.agent_of(faults[1].wait())
    cluster.kill_agent(victim)
    for fault in faults:
        fault.release()
    source.close()
    assert list(out) == ROWS
    handle.wait()


def test_an_agent_dies_after_its_rows_were_received(cluster: LocalCluster) -> None:
    source, out = Channel(), Channel()
    flow = cluster.flow()
    flow.channel(source).map(abs).add_output(out)
    handle = flow.start()
    source.send(1)
    assert out.receive(BOUND_S) == 1
    (attempt,) = cluster.attempts()
    cluster.kill_agent(cluster.agent_of(attempt.pid))
    with pytest.raises(RowsDelivered, match="1 row of it had been received"):
        out.receive(BOUND_S)
    with pytest.raises(RowsDelivered):
        handle.wait()
    await_end(attempt.pid)


def test_shards_that_are_whole_and_received_are_not_missed(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dead agent held only shards that have been received."""
    await_idle(cluster.leader, cluster.key_file)
    sealed, heard = threading.Event(), RunMonitor.heard

    def hear(monitor: RunMonitor, event: object) -> None:
        heard(monitor, event)
        if isinstance(event, GroupEnded) and event.group == 0:
            sealed.set()

    monkeypatch.setattr(RunMonitor, "heard", hear)
    first, second, out, other = Channel(), Channel(), Channel(), Channel()
    flow = cluster.flow()
    flow.channel(first).map(abs).add_output(out)
    flow.channel(second).map(abs).add_output(other)
    handle = flow.start()
    second.send(1)
    assert other.receive(BOUND_S) == 1  # the end of the first group frees another executor
    send_all(first, ROWS)
    assert list(out) == ROWS
    assert sealed.wait(BOUND_S)  # the report comes on another connection than the last row
    second.send(2)
    assert other.receive(BOUND_S) == 2  # the driver has continued
    by_name = {each.name: cluster.agent_of(each.pid) for each in cluster.attempts()}
    assert by_name["Input0>Map1 task 0"] != by_name["Input2>Map3 task 0"]
    cluster.kill_agent(by_name["Input0>Map1 task 0"])
    second.send(3)
    assert other.receive(BOUND_S) == 3
    second.close()
    assert list(other) == []
    handle.wait()
    assert cluster.recomputed() == {}


def test_a_loop_on_a_cluster_of_one_executor() -> None:
    with LocalCluster(1) as cluster:
        source, partial, total = Channel(), Channel(), Channel()
        flow = cluster.flow()
        rows = flow.channel(source, shards=4, broadcast=True)
        rows.map_partitions(lambda rows, shard: ((shard, row) for row in rows)).add_output(partial)
        rows.partition(3).map(abs).reduce(add).add_output(total)
        handle = flow.start()
        for row in range(5):
            source.send(row)
            assert sorted(partial.receive(BOUND_S) for _ in range(4)) == [
                (shard, row) for shard in range(4)
            ]
        source.close()
        assert list(total) == [4 * sum(range(5))]
        handle.wait()
        assert len({attempt.pid for attempt in cluster.attempts()}) == 1


def test_without_faults_nothing_is_done_twice(faults: Faults) -> None:
    """Each streaming group runs once."""
    source, out = Channel(), Channel()
    flow = Flow(["-glow.workers=2"])
    flow.channel(source, shards=2).map(abs).partition(3).map(abs).add_output(out)
    handle = flow.start()
    send_all(source, ROWS)
    assert sorted(out) == ROWS
    handle.wait()
    assert faults.recomputed() == {}
    assert len(faults.attempts()) == 5
