"""The runners that every operator is tested on, and how a test makes a flow for one."""

from __future__ import annotations

from dataclasses import dataclass

from glowpy import Flow

RUNNERS = ["inline", "standalone", "cluster"]


@dataclass(frozen=True, slots=True)
class Runner:
    """Called, it gives a new flow for its runner."""

    name: str
    flags: tuple[str, ...] = ()

    def __call__(self, *more_flags: str) -> Flow:
        return Flow([*self.flags, *more_flags])

    @property
    def is_inline(self) -> bool:
        """The user's functions run in the test's own process, where closures can be looked at."""
        return self.name == "inline"
