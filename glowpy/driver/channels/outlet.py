"""Moves rows of one dataset to one channel of the driver program.

Shards of a streaming dataset are read while being written, in order of arrival; shards of other
datasets once sealed, in shard order. Rows beyond the channel's room stay in their store. Rows
received by the channel cannot be taken back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from glowpy.amounts import counted
from glowpy.channel import Channel
from glowpy.errors import RowsDelivered, ShardError
from glowpy.flow.ops.kernel import Batch
from glowpy.planner.plan import Plan, StepGroup
from glowpy.shards.codec import decode
from glowpy.task.pulling import Pull, Pulls

_PULLED_AHEAD = 4  # shards of a dataset that does not stream


class Outlet:
    """Pulls shards and offers their rows to a channel. Never blocks.

    Args:
        grace_s: time, after an irreparable loss, for its cause to arrive.
    """

    def __init__(
        self,
        plan: Plan,
        step_group: StepGroup,
        channel: Channel,
        pulls: Pulls,
        grace_s: float,
    ) -> None:
        self.step_group = step_group
        self.channel = channel
        self._plan = plan
        self._pulls = pulls
        self._grace_s = grace_s
        # the time and error of a pending failure
        self._pending_error: tuple[float, RowsDelivered] | None = None
        self._is_streaming = step_group.is_streaming_source
        # a rerun yields a shard's rows in the same order, unless a step reads in order of arrival
        self._is_steady = not any(
            plan.mixes(each, edge) for each in plan.step_groups for edge in each.inputs
        )
        self._shards = list(plan.output_shards(step_group.output))
        self._delivered_counts = [0] * len(self._shards)  # rows received by the channel
        self._scanned_counts = [0] * len(self._shards)  # rows read from the current attempt
        self._left = dict.fromkeys(range(len(self._shards)))  # unfinished shards
        self._open: dict[int, Pull] = {}
        self._readable: dict[int, tuple[int, str]] = {}  # group -> (attempt, owner)
        self._pending: tuple[int, Iterator[Any]] | None = None  # shard, rows not offered yet
        self._lost: list[tuple[int, str]] = []
        self._done_groups: list[int] = []

    @property
    def is_done(self) -> bool:
        return not self._left

    def waits(self, notice_s: float) -> tuple[int, str]:
        """Return the number of rows received by the channel, and the awaited event, as text."""
        if self._pending is None:
            return 0, ""
        return sum(self._delivered_counts), (
            f"a reader of the channel that is {self.channel.user}: it has been full for "
            f"{notice_s:g} s; read it while the flow runs (flow.start(), or another thread), or "
            "close it to drop its rows"
        )

    def lost_attempts(self) -> list[tuple[int, str]]:
        """Return attempts with unreadable shards found since the last call, and why."""
        lost, self._lost = self._lost, []
        return lost

    def done_groups(self) -> list[int]:
        """Return groups whose rows have all reached the channel since the last call."""
        done, self._done_groups = self._done_groups, []
        return done

    def group_begun(self, group: int, attempt: int, owner: str) -> None:
        """Read a streaming group's new attempt.

        Raises:
            RowsDelivered: the channel has rows of an earlier attempt.
        """
        if self._is_streaming and group in self.step_group.groups:
            self._forget(group, "its executor is gone")
            self._readable[group] = attempt, owner

    def group_done(self, group: int, attempt: int, owner: str) -> None:
        """Record that a group's shards are sealed."""
        if not self._is_streaming and group in self.step_group.groups:
            self._readable[group] = attempt, owner

    def group_undone(self, group: int) -> None:
        """Forget a sealed group's shards: lost with their agent, to be computed again.

        Raises:
            RowsDelivered: the channel has rows of the group, and a rerun may yield another order.
        """
        if group in self.step_group.groups:
            self._forget(group, "its shards are gone")
            self._readable.pop(group, None)

    def advance(self) -> None:
        """Offer rows to the channel, as far as it has room.

        Raises:
            RowsDelivered: a shard is lost after the channel received some of its rows.
        """
        if self._pending_error is not None and self._pulls.clock() >= self._pending_error[0]:
            raise self._pending_error[1]
        self._pull_ahead()
        while self._give_pending() and self._take_next():
            pass

    def _forget(self, group: int, cause: str) -> None:
        for position in list(self._left):
            if self._shards[position].group != group:
                continue
            if position in self._open:
                self._open.pop(position).cancel()
            if self._delivered_counts[position] and (self._is_streaming or not self._is_steady):
                raise (
                    self._pending_error[1]
                    if self._pending_error
                    else self._delivered(position, cause)
                )
            if self._pending is not None and self._pending[0] == position:
                self._pending = None

    def _delivered(self, position: int, cause: str) -> RowsDelivered:
        label = self._plan.task_group(self._shards[position].group).label
        return RowsDelivered(
            f"{label}: {counted(self._delivered_counts[position], 'row')} of it had been received "
            f"from its output channel when it was lost: {cause}; they are not repeated, so the run "
            "cannot go on"
        )

    def _pull_ahead(self) -> None:
        ahead = len(self._left) if self._is_streaming else _PULLED_AHEAD
        for position in list(self._left)[:ahead]:
            shard = self._shards[position]
            if position not in self._open and shard.group in self._readable:
                attempt, owner = self._readable[shard.group]
                self._open[position] = self._pulls.open(owner, attempt, shard.shard)
                self._scanned_counts[position] = 0

    def _give_pending(self) -> bool:
        """Offer the pending rows; False: the channel is full."""
        if self._pending is None:
            return True
        if not self.channel.offer(self._pending[1]):
            return False
        self._pending = None
        return True

    def _take_next(self) -> bool:
        """Make the next block pending; False: no block is available."""
        for position in list(self._left) if self._is_streaming else list(self._left)[:1]:
            pull = self._open.get(position)
            if pull is None:
                continue
            try:
                payload = pull.next_block()
            except ShardError as exc:
                self._lose(position, pull, str(exc))
                continue
            if payload is not None:
                # round robin: the shard goes to the end
                if self._is_streaming:
                    self._left[position] = self._left.pop(position)
                self._pending = position, self._not_given_yet(position, decode(payload))
                return True
            if pull.is_ended:
                self._finish(position)
                return True
        return False

    def _not_given_yet(self, position: int, rows: Batch) -> Iterator[Any]:
        for row in rows:
            self._scanned_counts[position] += 1
            if self._scanned_counts[position] > self._delivered_counts[position]:
                self._delivered_counts[position] += 1
                yield row

    def _lose(self, position: int, pull: Pull, cause: str) -> None:
        del self._open[position]
        self._lost.append((pull.attempt, cause))
        group = self._shards[position].group
        if self._readable.get(group, (-1, ""))[0] == pull.attempt:
            del self._readable[group]
        if (
            self._delivered_counts[position]
            and (self._is_streaming or not self._is_steady)
            and not self._pending_error
        ):
            # The cause may still arrive by another connection, and a failure says more.
            until = self._pulls.clock() + self._grace_s
            self._pending_error = until, self._delivered(position, cause)

    def _finish(self, position: int) -> None:
        del self._open[position], self._left[position]
        group = self._shards[position].group
        if not any(self._shards[each].group == group for each in self._left):
            self._done_groups.append(group)
        self._pull_ahead()
