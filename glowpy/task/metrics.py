"""What an attempt has read, written and waited for: counted by the batch, never by the row."""

from __future__ import annotations

import time

from glowpy.wire.run_messages import AttemptStats


class AttemptMetrics:
    """The counters of one attempt, which readers, output and scratch files add to."""

    __slots__ = (
        "begun_at",
        "bytes_in",
        "bytes_out",
        "rows_in",
        "rows_out",
        "spilled_bytes",
        "waited_s",
    )

    def __init__(self) -> None:
        self.rows_in = self.bytes_in = self.rows_out = self.bytes_out = self.spilled_bytes = 0
        self.waited_s = 0.0
        self.begun_at = time.monotonic()

    def stats(self) -> AttemptStats:
        """All of it, at this moment."""
        took_s = time.monotonic() - self.begun_at
        return AttemptStats(
            self.rows_in,
            self.bytes_in,
            self.rows_out,
            self.bytes_out,
            self.spilled_bytes,
            self.waited_s,
            max(0.0, took_s - self.waited_s),
        )
