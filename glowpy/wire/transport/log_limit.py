"""The limit of log lines about peers: a flood must not fill the disk.

Without `glowpy.logger`, which most starts do not need.
"""

from __future__ import annotations

_FIRST, _EVERY = 100, 10_000


class LogLimit:
    """Counts events of one kind.

    Attributes:
        count: events so far.
    """

    count = 0

    def admits(self) -> bool:
        """Count an event; True for the first 100 and every 10,000th, which are logged."""
        self.count += 1
        return self.count <= _FIRST or self.count % _EVERY == 0
