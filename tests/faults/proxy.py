"""A TCP proxy that delays, cuts or swallows traffic."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from tests.faults.checks import BOUND_S

_READ_BYTES = 1 << 16


class Way(Enum):
    """A direction of the traffic."""

    TO_SERVER = "to the server"
    FROM_SERVER = "from the server"


class Proxy:
    """Forwards connections to a server; a test can change the faults at any time."""

    def __init__(self) -> None:
        self.address = ""
        self.target = ""  # address of the server, set when the server has started
        self.delay_s = 0.0
        self.swallows: set[Way] = set()
        self.is_refusing = False
        self.cut_count = 0
        self._cut_after: dict[Way, int] = {}  # bytes of one connection
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()

    def heal(self) -> None:
        """End all faults."""
        self.delay_s = 0.0
        self.swallows.clear()
        self.is_refusing = False
        self._cut_after.clear()

    def cut(self) -> None:
        """Close every connection."""
        self._loop.call_soon_threadsafe(self._cut)

    def cut_after(self, size_bytes: int, way: Way) -> None:
        """Close the next connection that carries this number of bytes; once."""
        self._cut_after[way] = size_bytes

    def _cut(self) -> None:
        self.cut_count += len(self._open)
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_refusing:
            writer.transport.abort()
            return
        host, _, port = self.target.rpartition(":")
        try:
            there, to_there = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, to_there}
        self._open |= ends
        pumps = [
            asyncio.ensure_future(self._pump(reader, to_there, Way.TO_SERVER, ends)),
            asyncio.ensure_future(self._pump(there, writer, Way.FROM_SERVER, ends)),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.transport.abort()
        await asyncio.wait(pumps)
        self._open -= ends

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        way: Way,
        ends: set[asyncio.StreamWriter],
    ) -> None:
        carried = 0
        try:
            while data := await reader.read(_READ_BYTES):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if way in self.swallows:
                    continue
                carried += len(data)
                if carried > self._cut_after.get(way, 1 << 60):
                    del self._cut_after[way]
                    self.cut_count += 1
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                    return
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return  # when one end closes, close the other

    def _run(self, started: threading.Event, host: str) -> None:
        async def listen() -> None:
            server = await asyncio.start_server(self._serve, host, 0)
            self.address = f"{host}:{server.sockets[0].getsockname()[1]}"
            self._stopped = asyncio.Event()
            started.set()
            await self._stopped.wait()
            server.close()
            self._cut()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if others:
                await asyncio.wait(others)

        self._loop.run_until_complete(listen())
        self._loop.close()


@contextmanager
def proxy(host: str) -> Iterator[Proxy]:
    """A proxy that listens on a loopback host."""
    made, started = Proxy(), threading.Event()
    thread = threading.Thread(target=made._run, args=(started, host), name="proxy", daemon=True)
    thread.start()
    assert started.wait(BOUND_S)
    try:
        yield made
    finally:
        made._loop.call_soon_threadsafe(made._stopped.set)
        thread.join(BOUND_S)
