"""The description of a run for its tasks, beside the program; opaque to master and agents."""

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
    """The use of the rows of a run's targets."""

    DRAIN = "drain"  # counted and dropped
    ROWS = "rows"  # stored for the driver
    TEXT = "text"  # formatted as lines of text, stored for the driver
    BYTES = "bytes"  # rows of bytes, stored for the driver


class InputFile(NamedTuple):
    """One input file as listed by the driver."""

    path: str
    size_bytes: int
    mtime_ns: int


RANDOM_MODULES = ("random", "numpy.random")  # modules with a global generator, which tasks seed


class Seeds(NamedTuple):
    """The seeds of the random generators of a run."""

    of_random: int
    of_numpy: int
    loaded: tuple[str, ...] = ()  # the members of RANDOM_MODULES that tasks import at the start


class RunDescription(NamedTuple):
    """One run, as agreed between driver and tasks.

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
    limit: int = 0  # row limit of the target; 0 means no limit
    outputs: tuple[int, ...] = ()  # datasets whose rows go to channels of the driver
    captures: Captures | None = None  # for scripts run again by executors
    seeds: Seeds = Seeds(0, 0)
    hash_seed: int = 0  # of the distribution of keys over shards
    is_debug: bool = False  # tracebacks show frames of glowpy

    def plan(self, graph: Graph) -> Plan:
        """Return the plan of this run for a flow's graph.

        Raises:
            IndexError: the flow has fewer steps than the targets require.
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
        """Raises: ProtocolError: the bytes are not a run description."""
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
                from glowpy.planner.captures import Captures  # needed on clusters only

                fields["captures"] = Captures.from_fields(fields["captures"])
            return cls(**fields)
        except (ValueError, KeyError, TypeError) as exc:
            raise ProtocolError(f"the run description cannot be read: {exc}") from exc
