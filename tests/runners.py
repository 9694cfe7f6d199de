"""The runners of the operator tests, and the flags of their flows."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from glowpy import Flow

RUNNERS = ["inline", "standalone", "cluster"]
INLINE = ("-glow.inline",)

# `make check` uses the inline runner only, and runs complete scripts standalone.
_OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in RUNNERS[1:]]
ON_EVERY_RUNNER = pytest.mark.parametrize("new_flow", ["inline", *_OTHERS], indirect=True)
ON_OTHER_RUNNERS = pytest.mark.parametrize("new_flow", _OTHERS, indirect=True)
ON_THIS_MACHINE = pytest.mark.parametrize("new_flow", ["inline", _OTHERS[0]], indirect=True)
ON_THE_CLUSTER = pytest.mark.parametrize("new_flow", _OTHERS[1:], indirect=True)


@dataclass(frozen=True, slots=True)
class Runner:
    """A callable that returns a new flow for its runner."""

    name: str
    flags: tuple[str, ...] = ()

    def __call__(self, *more_flags: str) -> Flow:
        return Flow([*self.flags, *more_flags])

    @property
    def is_inline(self) -> bool:
        """Return whether users' functions run in the test's process, with readable closures."""
        return self.name == "inline"


def flags_of_runner(name: str, request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Flags of flows for a runner; `cluster` is the session's cluster."""
    if name == "inline":
        return INLINE
    if name == "standalone":
        return ()
    return ("-glow", f"-glow.leader={request.getfixturevalue('cluster')}")
