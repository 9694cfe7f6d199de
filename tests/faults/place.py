"""The place where a flow runs under faults: the executors of this machine, or a cluster."""

from __future__ import annotations

from glowpy import Flow
from glowpy.testing import Faults


class Place:
    """Flags of a flow and the fault injector for its executors."""

    def __init__(self, flags: list[str], faults: Faults) -> None:
        self._flags = flags
        self.faults = faults

    def flow(self, *more_flags: str) -> Flow:
        return Flow([*self._flags, *more_flags])
