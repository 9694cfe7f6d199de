"""Output of tasks for drivers: a bounded queue, and then a loss that is reported."""

from __future__ import annotations

from glowpy.wire.run_messages import OutputStream, Printed
from glowpy.wire.transport import Server

_LOST = "lines that were printed here before are lost: the driver has not taken them in time"


class PrintedOutput:
    """Sends lines of output to drivers, or drops them while other messages wait for the driver.

    ZeroMQ holds some thousand messages for each driver. Once further messages wait, lines are
    counted instead of queued, and the number is sent when the driver has caught up.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._dropped: dict[tuple[bytes, str, str], int] = {}  # lines, by driver, run, executor

    def send(self, peer: bytes, printed: Printed) -> bool:
        """Send or count the lines. False: the driver is gone."""
        if not self._server.is_behind(peer):
            return self._report(peer) and self._server.send(peer, printed)
        key = peer, printed.run, printed.executor
        self._dropped[key] = self._dropped.get(key, 0) + printed.text.count("\n")
        return True

    def tick(self) -> list[bytes]:
        """Report dropped lines to drivers that have caught up; return the drivers that are gone."""
        peers = dict.fromkeys(peer for peer, _run, _executor in self._dropped)
        return [
            peer for peer in peers if not self._server.is_behind(peer) and not self._report(peer)
        ]

    def _report(self, peer: bytes) -> bool:
        """Send the numbers of dropped lines to a driver. False: the driver is gone."""
        dropped = {key: count for key, count in self._dropped.items() if key[0] == peer}
        for key in dropped:
            del self._dropped[key]
        return all(
            self._server.send(
                peer,
                Printed(
                    run=run,
                    executor=executor,
                    stream=OutputStream.STDERR,
                    text=f"glowpy: {count} {_LOST}\n",
                ),
            )
            for (_peer, run, executor), count in dropped.items()
        )
