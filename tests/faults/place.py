"""Where a flow runs while faults come to it: on this machine's executors, or on a cluster."""

from __future__ import annotations

from glowpy import Flow
from glowpy.testing import Faults


class Place:
    """Where a flow runs, and the faults that come to its executors."""

    def __init__(self, flags: list[str], faults: Faults) -> None:
        self._flags = flags
        self.faults = faults

    def flow(self, *more_flags: str) -> Flow:
        return Flow([*self._flags, *more_flags])
