"""A terminal call on a background thread, for tests that disturb the cluster meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class BackgroundCall:
    """A call on a background thread; `result` waits for the end of the call."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._value: Any = None
        self._error: BaseException | None = None
        # A daemon thread: a test whose run hangs fails after its time limit instead of hanging too.
        self._thread = threading.Thread(target=self._run, daemon=True, name="glowpy-started")
        self._thread.start()

    def result(self, timeout_s: float = 60.0) -> Any:
        """Wait for the end of the call, and return its value or raise its exception.

        Raises:
            TimeoutError: the call did not end within `timeout_s`.
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
            self._error = exc  # `result` raises it on the test's own thread


def started(call: Callable[[], Any]) -> BackgroundCall:
    """Start a terminal call: `started(dataset.collect)`; its `result()` waits for the end."""
    return BackgroundCall(call)


Started = BackgroundCall  # the name of earlier releases, to be removed in 0.3
