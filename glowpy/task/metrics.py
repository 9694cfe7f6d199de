"""Counters of rows, bytes and waiting time of an attempt, updated per batch, never per row."""

from __future__ import annotations

import time

from glowpy.wire.run_messages import AttemptStats


class AttemptMetrics:
    """The counters of one attempt; readers, output and scratch files add to them."""

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
        """Return the current values of all counters."""
        took_s = time.monotonic() - self.begun_at
        return AttemptStats(
            rows_in=self.rows_in,
            bytes_in=self.bytes_in,
            rows_out=self.rows_out,
            bytes_out=self.bytes_out,
            spilled_bytes=self.spilled_bytes,
            waited_s=self.waited_s,
            ran_s=max(0.0, took_s - self.waited_s),
        )
