"""Channel: the queue between the driver program and a running flow.

    driver program   send → [rows, bounded] → take     a flow's input
    a flow's output  offer → [rows, bounded] → receive  driver program

A channel belongs to one side of one run. `on_change` notifies the run of new rows or free capacity;
the run never blocks in this module, only the user's threads do.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from operator import index
from time import monotonic
from types import TracebackType
from typing import Any, NoReturn, TypeAlias

from glowpy.copies import copied
from glowpy.errors import ChannelClosed, ChannelError, ChannelTimeout, GlowError, RunCancelled
from glowpy.stdio import notify_user
from glowpy.task_scope import is_in_task
from glowpy.timing import Timing

Row: TypeAlias = Any
CHANNEL_NAMES = "1 to 64 letters, digits, '.', '_' and '-', the first a letter or digit"
DEFAULT_CAPACITY = 1024  # rows
_DROPPED_AT_ONCE = 1024

_STAYS = (
    "a Channel stays in the driver program, a flow's functions cannot use it; they return rows, "
    "and add_output() sends those of a dataset to a Channel"
)


def is_channel_name(name: object) -> bool:
    """Return True for a valid name of a named channel."""
    if not isinstance(name, str) or not 1 <= len(name) <= 64 or not name.isascii():
        return False
    return name[0].isalnum() and all(each.isalnum() or each in "._-" for each in name)


def _row_count(capacity: object) -> int:
    """Return a capacity as an `int`, numpy's integers included."""
    with suppress(TypeError):
        count = index(capacity)  # type: ignore[arg-type]
        if count >= 1 and not isinstance(capacity, bool):
            return count
    raise ChannelError(f"a Channel needs a capacity of at least 1 row, not {capacity!r}")


class Channel:
    """A closable queue of rows, for any number of threads. A context manager that closes it.

    `flow.channel(ch)` makes the channel a flow's input, `dataset.add_output(ch)` an output; a
    channel can be used once. Channels belong to the driver program: a flow's functions cannot use
    them. Go: a `chan`.

    Args:
        capacity: row limit; `send` blocks at the limit. Default: `-glow.channel.bufferSize`, or
            1024.

    >>> numbers = Channel()
    >>> with numbers:
    ...     for number in (1, 2):
    ...         numbers.send(number)
    >>> list(numbers)
    [1, 2]
    """

    def __init__(self, capacity: int | None = None) -> None:
        if capacity is not None:
            capacity = _row_count(capacity)
        self._own_capacity = capacity
        self._capacity = capacity or DEFAULT_CAPACITY
        self._rows: deque[Row] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._error: GlowError | None = None
        self._user = ""  # the input or output that uses the channel, as text
        self._reader_count = 0  # threads blocked in `receive`
        self._on_change: Callable[[], None] | None = None

    def __repr__(self) -> str:
        state = "failed" if self._error else "closed" if self._is_closed else "open"
        return f"<Channel {state}, {len(self._rows)} of {self._capacity} rows>"

    def __reduce__(self) -> NoReturn:
        raise ChannelError(_STAYS)

    @property
    def is_closed(self) -> bool:
        """True once sending is over. Rows may still wait for `receive`."""
        return self._is_closed or self._error is not None

    def send(self, row: Row, timeout_s: float | None = None) -> None:
        """Append a copy of a row; block while the channel is full.

        Raises:
            ChannelClosed: the channel is closed, or its run has ended.
            ChannelTimeout: the channel was full for `timeout_s`.
            GlowError: the run that reads the channel has failed or was cancelled: the run's error.
        """
        _check_place()
        row = copied(row)
        until = None if timeout_s is None else monotonic() + timeout_s
        with self._changed:
            while True:
                if self._error is not None:
                    raise self._error.with_traceback(None)
                if self._is_closed:
                    raise ChannelClosed(
                        "a row was sent to a channel that is closed: by close(), or because the "
                        "run that it belongs to has ended"
                    )
                if len(self._rows) < self._capacity:
                    break
                if self._user or until is not None:
                    self._wait(until, timeout_s, "has been full")
                else:
                    self._wait_for_run()
            # The run takes all rows at once: earlier rows have notified it already.
            tell = None if self._rows else self._on_change
            self._rows.append(row)
            self._changed.notify_all()
        if tell is not None:
            tell()

    def receive(self, timeout_s: float | None = None) -> Row:
        """Remove and return the next row; block while the channel is empty.

        Raises:
            ChannelClosed: the channel is closed, and every row has been received.
            ChannelTimeout: no row arrived for `timeout_s`.
            GlowError: the run that writes the channel has failed or was cancelled: the run's error.
        """
        _check_place()
        until = None if timeout_s is None else monotonic() + timeout_s
        with self._changed:
            while not self._rows:
                if self._error is not None:
                    raise self._error.with_traceback(None)
                if self._is_closed:
                    raise ChannelClosed("every row of this closed channel has been received")
                self._reader_count += 1
                try:
                    self._wait(until, timeout_s, "has had no row")
                finally:
                    self._reader_count -= 1
            row = self._rows.popleft()
            self._changed.notify_all()
            # Notify a run that found the channel full once half of it is free, not for each row.
            tell = self._on_change if len(self._rows) == self._capacity // 2 else None
        if tell is not None:
            tell()
        return row

    def close(self) -> None:
        """End sending. Rows in the channel can still be received.

        The reader of a flow's output may also close the channel, which drops the rest of the rows.
        """
        self._end(None)

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        try:
            return self.receive()
        except ChannelClosed:
            raise StopIteration from None

    def __enter__(self) -> Channel:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:  # rows are missing, which a normal close would hide
            text = f"the block that was to close a channel raised {type(error).__name__}: {error}"
            self._end(RunCancelled(text))

    # --- for the run that uses the channel ---

    def attach(self, user: str, capacity: int, on_change: Callable[[], None]) -> None:
        """Bind the channel to a run.

        Args:
            user: the input or output, as text, for the error of a second user.
            on_change: called, on any thread, after new rows, freed capacity or a close.

        Raises:
            ChannelError: the channel is or was bound already.
        """
        with self._changed:
            if self._user:
                raise ChannelError(
                    f"a channel is used once, and this one was {self._user}; make another Channel "
                    "for each flow and each run"
                )
            self._user = user
            self._capacity = self._own_capacity or capacity
            self._on_change = on_change
            self._changed.notify_all()

    def take(self) -> list[Row]:
        """Remove and return all rows, without blocking."""
        with self._changed:
            taken = list(self._rows)
            self._rows.clear()
            if taken:
                self._changed.notify_all()
            return taken

    @property
    def is_drained(self) -> bool:
        """True once the channel is closed and empty."""
        with self._changed:
            return self._is_closed and not self._rows

    @property
    def has_reader(self) -> bool:
        """True while a thread is blocked in `receive`."""
        return self._reader_count > 0

    @property
    def user(self) -> str:
        """The step that the channel is an input or output of, as text."""
        return self._user

    @property
    def error(self) -> GlowError | None:
        """The error by which the run has ended the channel, or None."""
        return self._error

    def offer(self, rows: Iterator[Row]) -> bool:
        """Append rows without blocking, up to the capacity; return False if the channel is full.

        `rows` is consumed only up to the capacity. A closed channel consumes and drops all rows.
        """
        with self._changed:
            is_dropping = self.is_closed
            room = _DROPPED_AT_ONCE if is_dropping else self._capacity - len(self._rows)
            while room > 0:
                some = list(islice(rows, room))
                if not some:
                    return True
                if not is_dropping:
                    self._rows.extend(some)
                    self._changed.notify_all()
                    room = self._capacity - len(self._rows)
            return False

    def fail(self, error: GlowError) -> None:
        """End the channel with the run's error, which `send` and `receive` raise at once."""
        self._end(error)

    def detach(self) -> None:
        """Close the channel at the end of the run."""
        with self._changed:
            self._on_change = None
        self.close()

    def _end(self, error: GlowError | None) -> None:
        with self._changed:
            if not self._is_closed and self._error is None:
                self._is_closed = error is None
                self._error = error
            self._changed.notify_all()
            tell = self._on_change
        if tell is not None:
            tell()

    def _wait_for_run(self) -> None:
        """Block in `send` until there is capacity or a run; note a long wait on standard error."""
        notice_s = Timing.from_environment().channel_notice_s
        if self._changed.wait(notice_s):
            return
        code, line = sys._getframe(2).f_code, sys._getframe(2).f_lineno
        notify_user(
            f"glowpy: {os.path.basename(code.co_filename)}:{line}: send() has waited for "
            f"{notice_s:g} s: the channel is full, with {self._capacity} rows, and no run reads "
            "it; start the flow before this line, or make a larger Channel(capacity=N)"
        )
        self._changed.wait()  # without a deadline, because the caller of `send` set none

    def _wait(self, until: float | None, timeout_s: float | None, what: str) -> None:
        left_s = None if until is None else until - monotonic()
        if left_s is not None and left_s <= 0:
            raise ChannelTimeout(f"the channel {what} for {timeout_s:g} s")
        self._changed.wait(left_s)


def _check_place() -> None:
    """Raises: ChannelError: the code runs in a task."""
    if is_in_task():
        raise ChannelError(_STAYS)
