"""Attempts fed by a channel, which take turns in one process.

The end of such an attempt is unknown, so none may occupy the process alone. Each runs on a turn
thread. An attempt without input flushes its output and pauses; an attempt with much input pauses at
intervals.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from glowpy.task.draws import Draws
from glowpy.task.output import ShardWriter
from glowpy.task.turn_thread import TurnThread

# Length of a turn while other attempts wait. Not in `timing`: a turn must be short for people, and
# long compared with the cost of a thread switch.
_TURN_S = 0.01


class InputSource(Protocol):
    """A stream that an attempt may wait for."""

    @property
    def has_news(self) -> bool:
        """True if a block, an end or an error has arrived."""


class StreamingAttempt:
    """One attempt and its turns.

    Args:
        work: runs the whole attempt; waits with `wait`, and calls `yield_turn` between batches.
        is_stopped: true once the attempt must be resumed, whatever it waits for, to end.
    """

    def __init__(
        self, work: Callable[[StreamingAttempt], None], is_stopped: Callable[[], bool]
    ) -> None:
        self._thread = TurnThread(lambda: work(self))
        self._is_stopped = is_stopped
        self._sources: Sequence[InputSource] = ()
        self._turn_ends = 0.0
        self.output: ShardWriter | None = None
        self._draws: Draws | None = None
        self.due_at = 0.0  # time of the next turn even without news

    @property
    def is_ended(self) -> bool:
        return self._thread.is_ended

    def is_due(self, now: float) -> bool:
        """True if the attempt has input, has waited until `due_at`, or must stop."""
        return (
            now >= self.due_at
            or self._is_stopped()
            or any(source.has_news for source in self._sources)
        )

    def take_turn(self, now: float) -> None:
        """Run the attempt until it pauses. Raises: any exception of the work."""
        self._turn_ends = now + _TURN_S
        if self._draws is not None:
            self._draws.resume()
        try:
            self._thread.resume()
        finally:
            if self._draws is not None:
                self._draws.pause()

    def stop(self, patience_s: float) -> None:
        """End the attempt wherever it waits."""
        self._thread.stop(patience_s)

    # --- called by the work ---

    def begin_draws(self, draws: Draws) -> None:
        """Use these random numbers in this turn and in later ones."""
        self._draws = draws
        draws.resume()

    def wait(self, until: float, sources: Sequence[InputSource]) -> None:
        """Flush the output, then pause until a monotonic time or until a source has news."""
        if self.output is not None:
            self.output.flush()
        self._sources, self.due_at = sources, until
        self._thread.pause()

    def yield_turn(self) -> None:
        """Pause between batches if the turn has lasted long enough."""
        if time.monotonic() >= self._turn_ends:
            self._sources, self.due_at = (), 0.0
            self._thread.pause()


class StreamingAttempts:
    """All streaming attempts of a process."""

    def __init__(self) -> None:
        self._attempts: list[StreamingAttempt] = []

    def add(self, attempt: StreamingAttempt) -> None:
        self._attempts.append(attempt)

    def take_turns(self, now: float) -> bool:
        """Run each attempt that is due once; return True if any has ended.

        Raises: any exception of their work.
        """
        before = self._attempts
        for attempt in [each for each in before if each.is_due(now)]:
            attempt.take_turn(time.monotonic())
        self._attempts = [each for each in before if not each.is_ended]
        return len(self._attempts) < len(before)

    def due_at(self, now: float) -> float | None:
        """Return the latest time for the next `take_turns`; None without attempts."""
        if any(each.is_due(now) for each in self._attempts):
            return now
        return min((each.due_at for each in self._attempts), default=None)

    def stop_all(self, patience_s: float) -> None:
        """End all attempts."""
        for attempt in self._attempts:
            attempt.stop(patience_s)
        self._attempts.clear()
