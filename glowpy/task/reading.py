"""The input shards of an attempt, as streams of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from glowpy.errors import ShardCorrupt, ShardError, ShardLost
from glowpy.flow.ops.kernel import Batch, Stream
from glowpy.shards.codec import decode
from glowpy.task.metrics import AttemptMetrics
from glowpy.task.pulling import Pull, Pulls
from glowpy.wire.run_messages import Assign
from glowpy.wire.shard_locations import ShardLocations

_OPEN_AHEAD = 8  # streams fetched ahead of the kernel, so that owners never idle


# Wait for events until this monotonic time at most, or until one of these has news.
Wait = Callable[[float, Sequence[Pull]], None]


class LostInputError(ShardError):
    """A shard of the attempt's input cannot be read; carries the attempt that wrote the shard."""

    def __init__(self, attempt: int, reason: str) -> None:
        super().__init__(reason)
        self.attempt = attempt


def streams_of(
    pulls: Pulls,
    assign: Assign,
    wait: Wait,
    metrics: AttemptMetrics,
    *,
    mixed: Sequence[bool] = (),
    opened: list[Pull] | None = None,
) -> list[list[Stream]]:
    """Return the input streams of an assignment, by edge in shard order; each is read lazily.

    Args:
        wait: handles events until a monotonic time at most.
        metrics: counts rows, bytes and waiting time.
        mixed: edges whose shards form one stream, in the order of arrival.
        opened: collects every started reading.
    """
    opened = [] if opened is None else opened
    return [
        [_mixed_stream(pulls, edge, wait, metrics, opened)]
        if number < len(mixed) and mixed[number]
        else _edge_streams(pulls, edge, wait, metrics, opened)
        for number, edge in enumerate(assign.inputs)
    ]


def _edge_streams(
    pulls: Pulls, sources: ShardLocations, wait: Wait, metrics: AttemptMetrics, opened: list[Pull]
) -> list[Stream]:
    shards = list(sources.shards())
    of_edge: dict[int, Pull] = {}

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
    pulls: Pulls, sources: ShardLocations, wait: Wait, metrics: AttemptMetrics, opened: list[Pull]
) -> Stream:
    of_edge = [pulls.open(*shard) for shard in sources.shards()]
    opened += of_edge
    yield from batches_of_pulls(pulls, of_edge, wait, metrics)


def batches_of_pulls(
    pulls: Pulls, some: Sequence[Pull], wait: Wait, metrics: AttemptMetrics
) -> Iterator[Batch]:
    """Yield the batches of one shard, or those of several shards in turn as they arrive."""
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
