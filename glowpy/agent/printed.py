"""Output of tasks for drivers: a bounded queue, and then a loss that is reported."""

from __future__ import annotations

from glowpy.wire.run_messages import OutputStream, Printed
from glowpy.wire.transport import Server

_REASON = "the driver has not taken them in time"


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
        self.tick()
        if not self._server.is_behind(peer):
            return self._server.send(peer, printed)
        key = peer, printed.run, printed.executor
        self._dropped[key] = self._dropped.get(key, 0) + printed.text.count("\n")
        return True

    def tick(self) -> None:
        """Report lines that were dropped to drivers that have caught up."""
        for (peer, run, executor), count in list(self._dropped.items()):
            if not self._server.is_behind(peer):
                del self._dropped[peer, run, executor]
                text = f"glowpy: {count} lines that were printed here before are lost: {_REASON}\n"
                self._server.send(
                    peer, Printed(run=run, executor=executor, stream=OutputStream.STDERR, text=text)
                )
