"""The locations of a task group's input shards, as sent in its assignment."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from glowpy.errors import ProtocolError
from glowpy.ranges import Count
from glowpy.record import NamedTuple

_WRITER = struct.Struct("<II")


class ShardLocations(NamedTuple):
    """The locations of one input edge's shards, in order of consumption.

    Shards are numbered from `first_shard` on; each has one entry for its writer:

        +0  owner     u32 LE   index in `owners`
        +4  attempt   u32 LE   the writing attempt

    All readers of one boundary share one value, apart from `first_shard`.
    """

    first_shard: Count
    owners: tuple[str, ...]  # addresses of shard owners
    writers: bytes

    def shards(self) -> Iterator[tuple[str, int, int]]:
        """Yield owner, attempt and number of each shard.

        Raises:
            ProtocolError: the layout is wrong.
        """
        try:
            for place, (owner, attempt) in enumerate(_WRITER.iter_unpack(self.writers)):
                yield self.owners[owner], attempt, self.first_shard + place
        except (struct.error, IndexError) as exc:
            raise ProtocolError(f"an assignment's sources make no sense: {exc}") from exc

    @classmethod
    def of(cls, first_shard: int, writers: Iterable[tuple[str, int]]) -> ShardLocations:
        """Build from the owner and attempt of each shard."""
        numbers: dict[str, int] = {}
        packed = b"".join(
            _WRITER.pack(numbers.setdefault(owner, len(numbers)), attempt)
            for owner, attempt in writers
        )
        return cls(first_shard, tuple(numbers), packed)
