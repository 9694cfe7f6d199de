"""Reads the lines of a named channel in a background thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from glowpy.channel import Channel
from glowpy.errors import ChannelError, GlowError
from glowpy.flags import MASTER_PORT, Options
from glowpy.task.named_channel import NamedChannelReader
from glowpy.timing import Timing
from glowpy.wire.address import parse_address
from glowpy.wire.key_policy import policy_for
from glowpy.wire.roles import Role


class NamedFeed:
    """Fills a channel until the named channel ends, or `close` is called.

    Raises:
        ConfigError: the leader's address or the key cannot be used.
    """

    def __init__(
        self, name: str, options: Options, timing: Timing, note: Callable[[str], None]
    ) -> None:
        self.channel = Channel()
        self._name = name
        self._master = parse_address(options.leader, MASTER_PORT)
        self._policy = policy_for(
            self._master,
            role=Role.DRIVER,
            key_file=options.key_file,
            insecure=options.insecure,
        )
        self._timing = timing
        self._note = note
        self._stop = -1
        self._thread = threading.Thread(target=self._run, daemon=True, name="glowpy-feed")

    def begin(self) -> None:
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        if self._stop < 0:
            return  # not begun
        os.eventfd_write(self._stop, 1)
        self.channel.close()  # releases a blocked `send`
        self._thread.join()  # bounded: the thread polls the stop descriptor
        os.close(self._stop)

    def _run(self) -> None:
        try:
            with NamedChannelReader(
                self._name,
                self._master,
                self._policy,
                self._timing,
                self._stop,
                self._note,
                option="-glow.leader=",
                key_option="-key.file",
            ) as reader:
                for lines in reader.batches():
                    for line in lines:
                        self.channel.send(line)
            self.channel.close()
        except GlowError as exc:
            self.channel.fail(exc)
        except Exception as exc:  # noqa: BLE001
            text = f"channel {self._name} cannot be read: {type(exc).__name__}: {exc}"
            self.channel.fail(ChannelError(text))
