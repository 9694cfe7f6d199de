"""A terminal call that goes on while a test does something to its cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Started:
    """What a call on a thread of its own comes to."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._value: Any = None
        self._error: BaseException | None = None
        # A daemon: a test whose run hangs has to fail, not to hang as well.
        self._thread = threading.Thread(target=self._run, daemon=True, name="glowpy-started")
        self._thread.start()

    def result(self, timeout_s: float = 60.0) -> Any:
        """What the call has returned, or raises what it has raised.

        Raises:
            TimeoutError: it has not ended in time.
        """
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise TimeoutError(f"the run has not ended within {timeout_s:g} s")
        if self._error is not None:
            raise self._error
        return self._value

    def _run(self) -> None:
        try:
            self._value = self._call()
        except BaseException as exc:  # noqa: BLE001
            self._error = exc  # whatever it is, `result` raises it in the test's own thread


def started(call: Callable[[], Any]) -> Started:
    """Begin a terminal call, say `started(dataset.collect)`; its `result()` waits for the end."""
    return Started(call)
