"""Attempts whose rows come from a channel: several of them take turns in one process.

The end of such an attempt is unknown, so none may keep the process to itself. Each runs on a
strand. When its input has nothing for it, it passes on what it holds and pauses; when it has much
to do, it pauses now and then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from glowpy.task.draws import Draws
from glowpy.task.output import ShardWriter
from glowpy.task.turn_thread import TurnThread

# How long an attempt with much to do keeps the others waiting. Not in `timing`: much shorter, and
# changing to another strand would cost more than what is done in between.
_TURN_S = 0.01


class InputSource(Protocol):
    """What an attempt may wait for."""

    @property
    def has_news(self) -> bool:
        """There is a block to be had, or an end, or an error."""


class StreamingAttempt:
    """One attempt and its turns.

    Args:
        work: the whole of it; waits by `wait`, and calls `yield_turn` between batches.
        is_stopped: it is to be resumed whatever it waits for, so that it learns of that.
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
        self.due_at = 0.0  # it continues then, also without news

    @property
    def is_ended(self) -> bool:
        return self._thread.is_ended

    def is_due(self, now: float) -> bool:
        """Has it something to do?"""
        return (
            now >= self.due_at
            or self._is_stopped()
            or any(source.has_news for source in self._sources)
        )

    def take_turn(self, now: float) -> None:
        """Let it run. Raises: any exception of the work."""
        self._turn_ends = now + _TURN_S
        if self._draws is not None:
            self._draws.resume()
        try:
            self._thread.resume()
        finally:
            if self._draws is not None:
                self._draws.pause()

    def stop(self, patience_s: float) -> None:
        """End it, wherever it is."""
        self._thread.stop(patience_s)

    # --- called by the work ---

    def begin_draws(self, draws: Draws) -> None:
        """The work draws these random numbers, in this turn and in later ones."""
        self._draws = draws
        draws.resume()

    def wait(self, until: float, sources: Sequence[InputSource]) -> None:
        """Nothing to do until a monotonic time, or until one of the sources has news."""
        if self.output is not None:
            self.output.flush()
        self._sources, self.due_at = sources, until
        self._thread.pause()

    def yield_turn(self) -> None:
        """Between batches: let others have their turn, if this one has lasted."""
        if time.monotonic() >= self._turn_ends:
            self._sources, self.due_at = (), 0.0
            self._thread.pause()


class StreamingAttempts:
    """All live attempts of a process."""

    def __init__(self) -> None:
        self._attempts: list[StreamingAttempt] = []

    def add(self, attempt: StreamingAttempt) -> None:
        self._attempts.append(attempt)

    def take_turns(self, now: float) -> bool:
        """Let each that has something to do run once; True: some have ended by that.

        Raises: any exception of their work.
        """
        before = self._attempts
        for attempt in [each for each in before if each.is_due(now)]:
            attempt.take_turn(time.monotonic())
        self._attempts = [each for each in before if not each.is_ended]
        return len(self._attempts) < len(before)

    def due_at(self, now: float) -> float | None:
        """When to call `take_turns` again, if nothing comes before; None: there are no attempts."""
        if any(each.is_due(now) for each in self._attempts):
            return now
        return min((each.due_at for each in self._attempts), default=None)

    def stop_all(self, patience_s: float) -> None:
        """End every one of them."""
        for attempt in self._attempts:
            attempt.stop(patience_s)
        self._attempts.clear()
