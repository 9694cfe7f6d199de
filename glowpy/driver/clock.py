"""The clock by which a driver judges the silence of its peers."""

from __future__ import annotations

import time


class ListeningClock:
    """Monotonic seconds, when called; a gap between calls longer than a step counts as one step.

    A suspended or busy driver has not been listening: its peers cannot be blamed for the gap.
    """

    def __init__(self, most_step_s: float) -> None:
        self._most_step_s = most_step_s
        self._called_at = self._now = time.monotonic()

    def __call__(self) -> float:
        called_at = time.monotonic()
        self._now += min(called_at - self._called_at, self._most_step_s)
        self._called_at = called_at
        return self._now
