"""Rows on the way to an output channel, in turns or in order, and losses in between."""

from __future__ import annotations

from typing import Any, cast

import pytest

from glowpy import Channel, Dataset, Flow
from glowpy.driver.channels.outlet import Outlet
from glowpy.errors import RowsDelivered, ShardLost
from glowpy.planner.fusion import make_plan
from glowpy.shards.codec import encode

GRACE_S = 2.0


class Shard:
    """One shard in the form that the outlet reads: `None` while no block has arrived."""

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self.blocks: list[list[Any]] = []
        self.is_over = self.is_cancelled = False
        self.lost = ""

    @property
    def has_news(self) -> bool:
        return True

    @property
    def is_ended(self) -> bool:
        return self.is_over and not self.blocks

    def next_block(self) -> bytes | None:
        if self.lost:
            raise ShardLost(self.lost)
        return encode(self.blocks.pop(0)) if self.blocks else None

    def cancel(self) -> None:
        self.is_cancelled = True


class Pulls:
    """Every requested shard, by (attempt, shard)."""

    def __init__(self) -> None:
        self.now = 0.0
        self.opened: dict[tuple[int, int], Shard] = {}

    def clock(self) -> float:
        return self.now

    def open(self, _owner: str, attempt: int, shard: int) -> Shard:
        return self.opened.setdefault((attempt, shard), Shard(attempt))

    def expire(self, now: float) -> None: ...

    def deadline(self, now: float) -> float:
        return now


def outlet_of(dataset: Dataset, capacity: int = 100) -> tuple[Outlet, Pulls, Channel]:
    channel, pulls = Channel(capacity), Pulls()
    dataset.add_output(channel)
    plan = make_plan(dataset._graph, [dataset._node], stored=False, outputs=[dataset._node])
    outlet = Outlet(plan, plan.step_groups[-1], channel, cast(Any, pulls), GRACE_S)
    return outlet, pulls, channel


def live(shards: int, capacity: int = 100) -> tuple[Outlet, Pulls, Channel]:
    flow = Flow(["-glow.inline"])
    return outlet_of(flow.channel(Channel(), shards).map(abs), capacity)


def test_streaming_shards_take_turns() -> None:
    outlet, pulls, channel = live(2)
    outlet.group_begun(0, 10, "a1")
    outlet.group_begun(1, 11, "a2")
    outlet.advance()
    pulls.opened[10, 0].blocks = [[1], [2], [3]]
    pulls.opened[11, 1].blocks = [[7], [8]]
    outlet.advance()
    assert channel.take() == [1, 7, 2, 8, 3]
    pulls.opened[10, 0].is_over = pulls.opened[11, 1].is_over = True
    assert not outlet.is_done
    outlet.advance()
    assert outlet.is_done and sorted(outlet.done_groups()) == [0, 1]


def test_a_full_channel_leaves_further_rows_unread() -> None:
    outlet, pulls, channel = live(1, capacity=2)
    outlet.group_begun(0, 10, "a1")
    outlet.advance()
    shard = pulls.opened[10, 0]
    shard.blocks, shard.is_over = [[1, 2, 3], [4]], True
    outlet.advance()
    outlet.advance()
    assert (channel.take(), shard.blocks) == ([1, 2], [[4]])
    outlet.advance()
    assert (channel.take(), outlet.is_done) == ([3, 4], False)
    outlet.advance()
    assert outlet.is_done


def test_a_streaming_shard_lost_before_its_first_row_starts_again() -> None:
    outlet, pulls, channel = live(1)
    outlet.group_begun(0, 10, "a1")
    outlet.advance()
    pulls.opened[10, 0].lost = "its executor died"
    outlet.advance()
    assert outlet.lost_attempts() == [(10, "its executor died")]
    outlet.group_begun(0, 12, "a2")
    outlet.advance()
    pulls.opened[12, 0].blocks = [[1]]
    outlet.advance()
    assert channel.take() == [1]


def test_the_cause_of_a_loss_has_time_to_come() -> None:
    """An error of the user's code arrives on another connection and has more information."""
    outlet, pulls, _channel = live(1)
    outlet.group_begun(0, 10, "a1")
    outlet.advance()
    pulls.opened[10, 0].blocks = [[1]]
    outlet.advance()
    pulls.opened[10, 0].lost = "the attempt ended: failed"
    outlet.advance()
    pulls.now = GRACE_S - 0.1
    outlet.advance()
    pulls.now = GRACE_S
    with pytest.raises(RowsDelivered, match=r"1 row of it had been .*: the attempt ended: failed"):
        outlet.advance()


def test_the_loss_of_a_group_that_runs_again_is_reported_at_once() -> None:
    outlet, pulls, _channel = live(1)
    outlet.group_begun(0, 10, "a1")
    outlet.advance()
    pulls.opened[10, 0].blocks = [[1]]
    outlet.advance()
    with pytest.raises(RowsDelivered, match="its executor is gone"):
        outlet.group_begun(0, 12, "a2")


def test_ordered_shards_continue_after_a_loss() -> None:
    """A repeated shard has the same rows in the same order."""
    flow = Flow(["-glow.inline"])
    outlet, pulls, channel = outlet_of(flow.slice(range(9), 2).map(abs))
    outlet.group_begun(0, 10, "a1")
    outlet.advance()
    assert pulls.opened == {}, "it is not read while it is written"
    outlet.group_done(1, 11, "a2")
    outlet.group_done(0, 10, "a1")
    outlet.advance()
    first, second = pulls.opened[10, 0], pulls.opened[11, 1]
    second.blocks, second.is_over = [[5, 6]], True
    first.blocks = [[1, 2]]
    outlet.advance()
    assert channel.take() == [1, 2], "the first shard comes first"
    first.lost = "gone"
    outlet.advance()
    assert outlet.lost_attempts() == [(10, "gone")]
    outlet.group_undone(0)
    outlet.group_done(0, 12, "a2")
    outlet.advance()
    again = pulls.opened[12, 0]
    again.blocks, again.is_over = [[1], [2, 3, 4]], True
    outlet.advance()
    assert channel.take() == [3, 4, 5, 6]
    assert outlet.is_done


def test_rows_that_may_come_in_another_order_do_not_go_on() -> None:
    flow = Flow(["-glow.inline"])
    rows = flow.channel(Channel(), 2).partition(1).map(abs).sort(key=lambda row: row % 2)
    outlet, pulls, channel = outlet_of(rows)
    group = outlet.step_group.first_group
    outlet.group_done(group, 10, "a1")
    outlet.advance()
    pulls.opened[10, 0].blocks = [[1, 2]]
    outlet.advance()
    assert channel.take() == [1, 2]
    with pytest.raises(RowsDelivered, match="its shards are gone"):
        outlet.group_undone(group)
