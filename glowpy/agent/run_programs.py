"""The programs of an agent's runs: fetched, laid out, and removed after use."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from glowpy.agent.fetching import ProgramFetch
from glowpy.agent.program_cache import ProgramCache, ProgramDirectory
from glowpy.errors import GlowError
from glowpy.logger import get_logger
from glowpy.timing import Timing
from glowpy.wire.run_messages import OpenRun
from glowpy.wire.transport import Poller, Transport

log = get_logger(__name__)


class RunPrograms:
    """Fetches the program of each run, and knows its location.

    Args:
        directory: of the cache.
        layouts: for laid out programs.
        ready: called with the finished fetch of a program.
        failed: called with a run whose program cannot be fetched, and the reason.
    """

    def __init__(
        self,
        directory: Path,
        layouts: Path,
        transport: Transport,
        poller: Poller,
        timing: Timing,
        ready: Callable[[ProgramFetch], None],
        failed: Callable[[str, str], None],
    ) -> None:
        self._cache = ProgramCache(directory, layouts)
        self._transport = transport
        self._poller = poller
        self._timing = timing
        self._ready = ready
        self._failed = failed
        self._fetches: dict[str, ProgramFetch] = {}  # in progress, by run
        self._here: dict[str, tuple[ProgramFetch, ProgramDirectory]] = {}

    def begin(self, opening: OpenRun) -> None:
        """Fetch the program of a new run."""
        try:
            fetch = ProgramFetch(
                opening, self._cache, self._transport, self._poller, self._timing, self._fetched
            )
        except GlowError as exc:
            self._failed(opening.run, str(exc))
            return
        self._fetches[opening.run] = fetch
        fetch.begin()

    def of_run(self, run: str) -> tuple[ProgramFetch, ProgramDirectory]:
        """Return the fetch and the location of a run's program, once `ready` was called."""
        return self._here[run]

    def end(self, run: str) -> tuple[int, int]:
        """End a run; return the number of files and bytes fetched for it."""
        fetch = self._fetches.pop(run, None)
        if fetch is not None:
            fetch.close()
        elif run in self._here:
            fetch, directory = self._here.pop(run)
            shutil.rmtree(directory.path, ignore_errors=True)
        if fetch is None:
            return 0, 0
        if fetch.files_fetched and not self._fetches:
            self.trim()
        return fetch.files_fetched, fetch.bytes_fetched

    def tick(self) -> None:
        """Give up fetches without progress."""
        now = time.monotonic()
        for fetch in list(self._fetches.values()):
            fetch.expire(now)

    def trim(self) -> None:
        """Remove contents unused for long, or in excess."""
        most_bytes = self._timing.program_cache_mb << 20
        gone = self._cache.trim(most_bytes, self._timing.program_age_s)
        if gone:
            log.info("%d files of programs are removed from the cache", gone)

    def close(self) -> None:
        for fetch in list(self._fetches.values()):
            fetch.close()

    def _fetched(
        self, fetch: ProgramFetch, directory: ProgramDirectory | None, error: GlowError | None
    ) -> None:
        self._fetches.pop(fetch.run, None)
        if directory is None:
            self._failed(fetch.run, str(error))
            return
        self._here[fetch.run] = fetch, directory
        text = "run %s: %d program files fetched"
        log.info(text, fetch.run, fetch.files_fetched, extra={"run": fetch.run})
        self._ready(fetch)
