"""Fetches a run's program: missing contents are pulled from the driver, then laid out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack

from glowpy.agent.incoming import Incoming
from glowpy.agent.program_cache import ProgramCache, ProgramDirectory
from glowpy.errors import GlowError, ProgramError
from glowpy.logger import get_logger
from glowpy.program.program import Program, program_from_json
from glowpy.timing import Timing
from glowpy.wire.address import parse_endpoint
from glowpy.wire.run_messages import OpenRun
from glowpy.wire.transfers import FetchFile, FileFrame
from glowpy.wire.transport import Poller, Transport
from glowpy.wire.transport.curve import run_key

log = get_logger(__name__)

_IN_FLIGHT = 8  # requests; each answer is one frame


class ProgramFetch:
    """The fetch of one run's program.

    Args:
        done: called with the program's directory, or the error.
    """

    def __init__(
        self,
        opening: OpenRun,
        cache: ProgramCache,
        transport: Transport,
        poller: Poller,
        timing: Timing,
        done: Callable[[ProgramFetch, ProgramDirectory | None, GlowError | None], None],
    ) -> None:
        self.run = opening.run
        self.opening = opening
        self.files_fetched = 0
        self.bytes_fetched = 0
        self._cache = cache
        self._poller = poller
        self._done = done
        self._is_over = False
        self._received: set[str] = set()
        self._timing = timing
        self.program: Program = program_from_json(opening.manifest)
        self._sizes = self.program.manifest.contents
        self._waiting = deque(cache.missing(self.program.manifest))
        self._incoming: dict[str, Incoming] = {}
        self._stack = ExitStack()
        server = parse_endpoint(opening.program_server)
        self._link = transport.connect(server, run_key=run_key(opening.secret))
        self.deadline = time.monotonic() + timing.first_contact_s
        poller.register(self._link, self._receive)

    def begin(self) -> None:
        """Request missing contents; done at once if none is missing."""
        try:
            self._ask()
        except GlowError as exc:
            self._finish(exc)

    def expire(self, now: float) -> None:
        """Give up after too long without progress."""
        if now >= self.deadline and not self._is_over:
            self._finish(ProgramError("the driver has stopped sending the program's files"))

    def close(self) -> None:
        """Close the connection and discard unfinished contents."""
        self._is_over = True
        self._poller.unregister(self._link)
        self._link.close()
        self._stack.close()

    def _ask(self) -> None:
        while self._waiting and len(self._incoming) < _IN_FLIGHT:
            sha256 = self._waiting.popleft()
            incoming = self._cache.begin(sha256, self._sizes[sha256])
            self._incoming[sha256] = self._stack.enter_context(incoming)
            self._request(sha256, 0)
        if not self._incoming:
            self._finish(None)

    def _request(self, sha256: str, offset_bytes: int) -> None:
        self._link.send(
            FetchFile(
                run=self.run, sha256=sha256, offset_bytes=offset_bytes, secret=self.opening.secret
            )
        )

    def _receive(self) -> None:
        try:
            self._link.events()
            while not self._is_over and (received := self._link.receive()) is not None:
                message, payload = received
                if isinstance(message, FileFrame) and message.sha256 in self._incoming:
                    self._take(message, payload)
        except GlowError as exc:
            self._finish(exc)

    def _take(self, frame: FileFrame, payload: bytes) -> None:
        incoming = self._incoming[frame.sha256]
        due = self._sizes[frame.sha256], incoming.received_bytes
        if due != (frame.size_bytes, frame.offset_bytes) or not (payload or incoming.is_whole):
            raise ProgramError(
                "a file of the program was changed or removed at the driver while it was sent: "
                "run the script again"
            )
        self.deadline = time.monotonic() + self._timing.first_contact_s
        incoming.write(payload)
        self.bytes_fetched += len(payload)
        if not incoming.is_whole:
            self._request(frame.sha256, incoming.received_bytes)
            return
        incoming.commit()
        self._received.add(frame.sha256)
        del self._incoming[frame.sha256]
        self.files_fetched += 1
        self._ask()

    def _finish(self, error: GlowError | None) -> None:
        directory = None
        if error is None:
            try:
                directory = self._cache.materialise(self.program.manifest)
            except GlowError as exc:
                error = exc
                missing = self._cache.missing(self.program.manifest)
                if missing and self._received.isdisjoint(missing):  # changed in the cache
                    log.warning("%s", exc, extra={"run": self.run})
                    self._waiting.extend(missing)
                    self.begin()
                    return
        self.close()
        self._done(self, directory, error)
