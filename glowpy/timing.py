"""Every interval, deadline and retry limit of glowpy, in one value that tests can shrink.

A constant elsewhere has its reason beside it, above all if it follows from the cost of some work or
from human perception, which tests cannot shrink.

All durations are seconds of a monotonic clock. A process gets its `Timing` from
`Timing.from_environment()`; GLOWPY_TIME_SCALE=0.05 divides all durations by twenty.
"""

from __future__ import annotations

import os

from glowpy.environment import SCALE_VARIABLE
from glowpy.errors import ConfigError
from glowpy.record import NamedTuple


class Timing(NamedTuple):
    """Durations, named `…_s`, which scale; and limits, which do not."""

    heartbeat_s: float = 5.0  # agent -> master; also at once after each change
    agent_eviction_s: float = 15.0  # silence after which the master drops an agent
    tick_s: float = 1.0  # interval of the master's checks for expired agents and leases
    lease_s: float = 15.0  # a granted lease that no agent reports for this time is free again
    ask_s: float = 1.0  # interval at which the driver repeats its demand to the master
    call_s: float = 0.03  # pause between calls of the master to drivers that wait for executors
    # interval at which a reader waiting for a named channel asks the master again
    find_s: float = 0.25
    first_contact_s: float = 10.0  # timeout of the first contact with a master
    patience_s: float = 60.0  # timeout of a cluster that has worked before
    notice_s: float = 2.0  # a longer wait is announced on stderr
    # a channel without rows, or without a reader, is announced after this time
    channel_notice_s: float = 10.0
    view_after_s: float = 2.0  # a run that lasts longer is shown in the live view
    view_s: float = 0.25  # interval of redrawing the live view on a terminal
    progress_s: float = 10.0  # interval of progress lines without a terminal
    beat_s: float = 1.0  # driver <-> agent keep-alive within a run
    peer_lost_s: float = 15.0  # silence after which a driver declares an agent lost
    driver_lost_s: float = 30.0  # silence after which an agent declares a driver dead
    standstill_s: float = 20.0  # an executor that waits for its own lock this long is stuck
    executor_start_s: float = 60.0  # from launching an executor to its hello
    send_s: float = 60.0  # a full queue to a peer that reads nothing
    handshake_s: float = 8.0  # transport: time for the key exchange; shorter than the first contact
    linger_s: float = 2.0  # transport: time for the last messages after a close
    shutdown_s: float = 5.0  # a process asked to stop is killed after this time
    program_age_s: float = 30 * 86_400.0  # an agent removes a program unused for this time
    named_channels_mb: int = 10_240  # limit of rows that `glowpy send` may store at an agent
    program_cache_mb: int = 1024  # limit of programs stored by an agent
    lost_attempts: int = 4  # attempts of a task group that end with the death of their executor
    lost_agents: int = 10  # attempts of a task group that end with the loss of their agent

    def scaled(self, factor: float) -> Timing:
        """Return the timing with every duration multiplied by `factor`."""
        durations = {name: value for name, value in self._asdict().items() if name.endswith("_s")}
        return self._replace(**{name: value * factor for name, value in durations.items()})

    def without_linger(self) -> Timing:
        """Return the timing for a transport whose last messages may be lost."""
        return self._replace(linger_s=0.0)

    @classmethod
    def from_environment(cls) -> Timing:
        """Return the default timing, scaled by GLOWPY_TIME_SCALE if set.

        Raises:
            ConfigError: the variable is not a positive number.
        """
        text = os.environ.get(SCALE_VARIABLE)
        if not text:
            return cls()
        try:
            factor = float(text)
        except ValueError:
            factor = 0.0
        if not factor > 0:
            raise ConfigError(f"{SCALE_VARIABLE}={text!r} is not a positive number")
        return cls().scaled(factor)
