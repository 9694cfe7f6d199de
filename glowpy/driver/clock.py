"""The time by which a driver judges the silence of others."""

from __future__ import annotations

import time


class Clock:
    """Monotonic seconds. Called; it stands still while nobody calls it for longer than a step.

    A driver that was suspended, or busy, has not been listening: whoever it waits for cannot be
    blamed for that time.
    """

    def __init__(self, most_step_s: float) -> None:
        self._most_step_s = most_step_s
        self._called_at = self._now = time.monotonic()

    def __call__(self) -> float:
        called_at = time.monotonic()
        self._now += min(called_at - self._called_at, self._most_step_s)
        self._called_at = called_at
        return self._now
