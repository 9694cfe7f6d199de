"""Every interval, deadline and bound of glowpy, in one value that tests can shrink.

What is not here has its reason beside it: above all what follows from the cost of some work, or
from what people see, which no test could shrink.

All durations are seconds of a monotonic clock. A process takes its `Timing` from
`Timing.from_environment()`; GLOWPY_TIME_SCALE=0.05 runs everything at a twentieth.
"""

from __future__ import annotations

import os

from glowpy.environment import SCALE_VARIABLE
from glowpy.errors import ConfigError
from glowpy.record import NamedTuple


class Timing(NamedTuple):
    """Durations end in `_s` and scale; bounds do not."""

    heartbeat_s: float = 5.0  # agent -> master; at once after each change
    agent_eviction_s: float = 15.0  # the master forgets an agent it has not heard of
    tick_s: float = 1.0  # the master looks for agents and leases whose time is over
    lease_s: float = 15.0  # a granted lease that no agent reports in this time is free again
    ask_s: float = 1.0  # the driver repeats its demand to the master
    call_s: float = 0.03  # between calls of the master to drivers that wait for executors
    find_s: float = 0.25  # a reader that waits for a named channel asks the master again
    first_contact_s: float = 10.0  # patience for a master that was never reached
    patience_s: float = 60.0  # patience for a cluster that worked before
    notice_s: float = 2.0  # a wait longer than this is announced on stderr
    channel_notice_s: float = 10.0  # a channel without rows, or without a reader, is announced
    view_after_s: float = 2.0  # a run that lasts longer is shown while it goes on
    view_s: float = 0.25  # its lines on a terminal are drawn anew
    progress_s: float = 10.0  # without a terminal, it says a line
    beat_s: float = 1.0  # driver <-> agent keep-alive within a run
    peer_lost_s: float = 15.0  # a driver's agent that is silent this long is lost
    driver_lost_s: float = 30.0  # an agent's driver that is silent this long is dead
    standstill_s: float = 20.0  # an executor that waits for its own lock is stuck
    executor_start_s: float = 60.0  # from launching an executor to its hello
    send_s: float = 60.0  # a full queue to a peer that takes nothing
    handshake_s: float = 8.0  # transport: key exchange; before first contact is given up
    linger_s: float = 2.0  # transport: last messages may leave after a close
    shutdown_s: float = 5.0  # a process told to stop is killed after this
    program_age_s: float = 30 * 86_400.0  # an agent forgets a program that was not used since
    named_channels_mb: int = 10_240  # of rows that `glowpy send` leaves at an agent
    program_cache_mb: int = 1024  # of programs that an agent keeps
    lost_attempts: int = 4  # attempts of a task group that end with the death of their executor
    lost_agents: int = 10  # attempts of a task group that end with the loss of their agent

    def scaled(self, factor: float) -> Timing:
        """The same timing with every duration multiplied by `factor`."""
        durations = {name: value for name, value in self._asdict().items() if name.endswith("_s")}
        return self._replace(**{name: value * factor for name, value in durations.items()})

    def without_linger(self) -> Timing:
        """The same timing for a transport whose last messages may be lost."""
        return self._replace(linger_s=0.0)

    @classmethod
    def from_environment(cls) -> Timing:
        """The default timing, scaled by GLOWPY_TIME_SCALE where that is set.

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
