"""What a task must know of its run beyond its program: one value, opaque to master and agents."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING

from glowpy.errors import ProtocolError
from glowpy.flow.graph import Graph
from glowpy.planner.fusion import make_plan
from glowpy.planner.plan import Plan
from glowpy.record import NamedTuple

if TYPE_CHECKING:
    from glowpy.planner.captures import Captures


class Sink(Enum):
    """What happens to the rows of a run's targets."""

    DRAIN = "drain"  # counted, not kept
    ROWS = "rows"  # kept for the driver
    TEXT = "text"  # made into lines of text, kept for the driver
    BYTES = "bytes"  # each row is some bytes, kept for the driver


class InputFile(NamedTuple):
    """One input file as the driver saw it."""

    path: str
    size_bytes: int
    mtime_ns: int


RANDOM_MODULES = ("random", "numpy.random")  # those whose global generator is seeded


class Seeds(NamedTuple):
    """Where the generators of all task groups of a run begin."""

    of_random: int
    of_numpy: int
    loaded: tuple[str, ...] = ()  # of RANDOM_MODULES, those that tasks load before they begin


class RunDescription(NamedTuple):
    """One run, as driver and tasks agree on it.

    `listings` holds the input files of each text_file step, by step number.
    """

    run: str
    run_number: int
    flow: int
    targets: tuple[int, ...]
    sink: Sink
    memory_mb: int
    listings: dict[int, tuple[InputFile, ...]]
    plan_text: str
    host: str  # of the driver, for messages
    limit: int = 0  # the first so many rows of the target are enough; 0: all are wanted
    outputs: tuple[int, ...] = ()  # datasets whose rows go to channels of the driver
    captures: Captures | None = None  # of a script that executors run again
    seeds: Seeds = Seeds(0, 0)
    hash_seed: int = 0  # of the distribution of keys over shards

    def plan(self, graph: Graph) -> Plan:
        """The plan of this run over a flow's graph.

        Raises:
            IndexError: the flow has fewer steps than the targets name.
        """
        targets = [graph.steps[number].output for number in self.targets]
        outputs = [graph.steps[number].output for number in self.outputs]
        is_stored = self.sink is not Sink.DRAIN
        return make_plan(graph, targets, stored=is_stored, limit=self.limit, outputs=outputs)

    def to_bytes(self) -> bytes:
        fields = self._asdict()
        fields["sink"] = self.sink.value
        if self.captures is not None:
            fields["captures"] = self.captures._asdict()
        return json.dumps(fields).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> RunDescription:
        """Raises: ProtocolError when the bytes are no run description."""
        try:
            fields = json.loads(data)
            fields["sink"] = Sink(fields["sink"])
            fields["targets"] = tuple(fields["targets"])
            fields["outputs"] = tuple(fields["outputs"])
            of_random, of_numpy, loaded = fields["seeds"]
            fields["seeds"] = Seeds(int(of_random), int(of_numpy), tuple(map(str, loaded)))
            fields["listings"] = {
                int(step): tuple(InputFile(*entry) for entry in entries)
                for step, entries in fields["listings"].items()
            }
            if fields["captures"] is not None:
                from glowpy.planner.captures import Captures  # no run on one machine has any

                fields["captures"] = Captures.from_fields(fields["captures"])
            return cls(**fields)
        except (ValueError, KeyError, TypeError) as exc:
            raise ProtocolError(f"the run description cannot be read: {exc}") from exc
