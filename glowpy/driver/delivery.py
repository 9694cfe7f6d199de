"""Delivery of the target shards to the driver, in shard order, once each, as soon as sealed.

Shards are pulled ahead of their turn, within their credit. If a shard is lost half-way, the result
is rewound to the start of the shard; once computed again, the shard is pulled again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from glowpy.driver.clock import ListeningClock
from glowpy.driver.fleets.fleet import Fleet
from glowpy.driver.results import Result
from glowpy.errors import ShardError
from glowpy.planner.plan import Plan, ShardRef
from glowpy.planner.run_description import RunDescription, Sink
from glowpy.task.pulling import Pull, Pulls
from glowpy.timing import Timing

_PULLED_AHEAD = 16  # shards; without it, small shards would cost a round trip each
# Blocks of about a MiB: agents wait for the driver's beats meanwhile, new executors for answers.
_GIVEN_AT_ONCE = 64


class Delivery:
    """Reads the target shards of a run and passes their rows to the result."""

    def __init__(
        self,
        plan: Plan,
        description: RunDescription,
        result: Result,
        fleet: Fleet,
        timing: Timing,
        clock: ListeningClock,
    ) -> None:
        self._result = result
        self.pulls = Pulls(
            fleet.transport,
            fleet.poller,
            fleet.reader_host,
            description.run,
            fleet.secret,
            timing,
            clock,
        )
        self._order: Sequence[ShardRef] = (
            ()
            if result.sink is Sink.DRAIN
            else [shard for target in plan.targets for shard in plan.output_shards(target)]
        )
        self._budget = 0  # blocks left for this call of `advance`
        self._next = 0  # position of the first undelivered shard
        self._sealed: dict[int, tuple[int, str]] = {}  # group -> (attempt, owner)
        self._open: dict[int, Pull] = {}  # by position in the order
        self._left = Counter(shard.group for shard in self._order)  # undelivered shards, by group
        self._lost: list[tuple[int, str]] = []
        self._collected: list[int] = []

    @property
    def is_done(self) -> bool:
        return self._next == len(self._order) or self._result.is_complete

    @property
    def next_group(self) -> int:
        """The group whose shard is delivered next; -1 after the last."""
        return -1 if self.is_done else self._order[self._next].group

    def group_done(self, group: int, attempt: int, owner: str) -> None:
        """Record that a group's shards are sealed."""
        if self._order:
            self._sealed[group] = attempt, owner

    def group_undone(self, group: int) -> None:
        """Forget a group's shards, lost with their agent; the group runs again."""
        self._sealed.pop(group, None)
        for position in [p for p in self._open if self._order[p].group == group]:
            self._open.pop(position).cancel()
            if position == self._next:
                self._result.rewind()

    def agent_lost(self, agent: str, cause: str) -> None:
        """Stop reading from an agent."""
        self.pulls.owner_lost(agent, cause)

    def lost_attempts(self) -> list[tuple[int, str]]:
        """Return attempts with unreadable shards found since the last call, and why."""
        lost, self._lost = self._lost, []
        return lost

    def collected(self) -> list[int]:
        """Return groups whose shards have all reached the result since the last call."""
        collected, self._collected = self._collected, []
        return collected

    def advance(self, now: float) -> float:
        """Pull sealed shards, deliver complete blocks; return the latest time of the next call."""
        self.pulls.expire(now)
        self._budget = _GIVEN_AT_ONCE
        while not self.is_done:
            self._pull_ahead()
            pull = self._open.get(self._next)
            if pull is None or not self._give(pull):
                break
            self._result.mark()
            del self._open[self._next]
            group = self._order[self._next].group
            self._left[group] -= 1
            if not self._left[group]:
                self._collected.append(group)
            self._next += 1
        return self.pulls.deadline(now) if self._budget else now

    def _pull_ahead(self) -> None:
        last = min(self._next + _PULLED_AHEAD, len(self._order))
        for position in range(self._next, last):
            shard = self._order[position]
            if position not in self._open and shard.group in self._sealed:
                attempt, owner = self._sealed[shard.group]
                self._open[position] = self.pulls.open(owner, attempt, shard.shard)

    def _give(self, pull: Pull) -> bool:
        """Pass received blocks of the next shard to the result; True at the end of the shard."""
        try:
            while (payload := pull.next_block()) is not None:
                self._result.receive(payload)
                self._budget -= 1
                if not self._budget:
                    return False  # perhaps not all: other work has its turn first
        except ShardError as exc:
            self._lost.append((pull.attempt, str(exc)))
            self.group_undone(self._order[self._next].group)
            return False
        return pull.is_ended
