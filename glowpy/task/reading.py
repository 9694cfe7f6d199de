"""What an attempt reads, as streams of batches: from whatever has the blocks of its shards.

In an executor that is `task.pulling`; in an inline run, whose shards are its own, `LocalPulls`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from glowpy.errors import ShardCorrupt, ShardError, ShardLost
from glowpy.flow.ops.kernel import Batch, Stream
from glowpy.shards.codec import decode
from glowpy.task.metrics import AttemptMetrics
from glowpy.wire.run_messages import Assign
from glowpy.wire.sources import Sources

_OPEN_AHEAD = 8  # streams fetched before the kernel asks for them, so that owners never idle


class Reading(Protocol):
    """One shard on its way here."""

    @property
    def attempt(self) -> int:
        """That writes it, or wrote it."""

    @property
    def has_news(self) -> bool:
        """`next_block` has something to give or to raise, or it has ended."""

    @property
    def is_ended(self) -> bool:
        """No more will come: once `next_block` gives None, that was all."""

    def next_block(self) -> bytes | None:
        """The payload of the next block; None: it has not come yet, or there is none.

        Raises:
            ShardLost, ShardCorrupt: the shard cannot be had.
        """

    def cancel(self) -> None:
        """Nothing more of it is wanted."""


class Readings(Protocol):
    """All shards that somebody is reading. Never waits."""

    @property
    def clock(self) -> Callable[[], float]:
        """Monotonic seconds."""

    def open(self, owner: str, attempt: int, shard: int) -> Reading:
        """Begin to read a shard."""

    def expire(self, now: float) -> None:
        """Give up on owners that are silent."""

    def deadline(self, now: float) -> float:
        """When `expire` is due next."""


# Wait for events until this monotonic time at most, or until one of these has news.
Wait = Callable[[float, Sequence[Reading]], None]


class LostInputError(ShardError):
    """A shard that an attempt is bound to cannot be read; carries the attempt that wrote it."""

    def __init__(self, attempt: int, reason: str) -> None:
        super().__init__(reason)
        self.attempt = attempt


def streams_of(
    pulls: Readings,
    assign: Assign,
    wait: Wait,
    metrics: AttemptMetrics,
    *,
    mixed: Sequence[bool] = (),
    opened: list[Reading] | None = None,
) -> list[list[Stream]]:
    """The input streams of an assignment: by edge, in shard order; each is read when drawn from.

    Args:
        wait: waits until a monotonic time at most, handling whatever comes.
        metrics: counts what is read and waited for.
        mixed: edges whose shards are one stream, of rows as they come.
        opened: gets what has been begun to read.
    """
    opened = [] if opened is None else opened
    return [
        [_mixed_stream(pulls, edge, wait, metrics, opened)]
        if number < len(mixed) and mixed[number]
        else _edge_streams(pulls, edge, wait, metrics, opened)
        for number, edge in enumerate(assign.inputs)
    ]


def _edge_streams(
    pulls: Readings, sources: Sources, wait: Wait, metrics: AttemptMetrics, opened: list[Reading]
) -> list[Stream]:
    shards = list(sources.shards())
    of_edge: dict[int, Reading] = {}

    def open_until(position: int) -> None:
        for ahead in range(position, min(position + _OPEN_AHEAD, len(shards))):
            if ahead not in of_edge:
                of_edge[ahead] = pulls.open(*shards[ahead])
                opened.append(of_edge[ahead])

    def read(position: int) -> Stream:
        open_until(position)
        yield from batches_of_pulls(pulls, [of_edge[position]], wait, metrics)

    return [read(position) for position in range(len(shards))]


def _mixed_stream(
    pulls: Readings, sources: Sources, wait: Wait, metrics: AttemptMetrics, opened: list[Reading]
) -> Stream:
    of_edge = [pulls.open(*shard) for shard in sources.shards()]
    opened += of_edge
    yield from batches_of_pulls(pulls, of_edge, wait, metrics)


def batches_of_pulls(
    pulls: Readings, some: Sequence[Reading], wait: Wait, metrics: AttemptMetrics
) -> Iterator[Batch]:
    """Batches of one shard, or of several as they come: a block of each in turn."""
    left = list(some)
    while left:
        is_idle = True
        for pull in tuple(left):
            try:
                payload = pull.next_block()
            except (ShardLost, ShardCorrupt) as exc:
                raise LostInputError(pull.attempt, str(exc)) from exc
            if payload is not None:
                is_idle = False
                batch = decode(payload)
                metrics.rows_in += len(batch)
                metrics.bytes_in += len(payload)
                yield batch
            elif pull.is_ended:
                left.remove(pull)
        if is_idle and left:
            now = pulls.clock()
            pulls.expire(now)
            wait(pulls.deadline(now), left)
            metrics.waited_s += pulls.clock() - now
