"""Keys of a server started from the command line; SIGHUP reads the key file again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from glowpy.errors import ConfigError
from glowpy.stdio import notify_user
from glowpy.wire.key_source import KeySource
from glowpy.wire.key_storage import descriptor_of
from glowpy.wire.security import Policy

_PR_SET_DUMPABLE = 4


def server_policy(
    read: Callable[[], Policy], role: str, key_file: str, until_stdin_closes: bool
) -> Policy:
    """Return the policy of a server, after a warning if the server has no keys.

    A server with keys from a descriptor is closed to other processes of the same user, which can
    neither read the memory nor attach a debugger. Such a server writes no core file.

    Raises:
        ConfigError: the keys cannot be used.
    """
    descriptor = descriptor_of(key_file) if key_file else None
    if descriptor == 0 and until_stdin_closes:
        raise ConfigError("--key-file - reads standard input, which --until-stdin-closes waits for")
    if descriptor is not None:
        _close_memory()
    policy = read()
    if policy.is_keyless:
        notify_user(
            f"glowpy: INSECURE: this {role} accepts unauthenticated, unencrypted connections; "
            "every process that reaches a port of this cluster can run programs on it (--insecure)"
        )
    return policy


@contextmanager
def key_source(read: Callable[[], Policy], key_file: str) -> Iterator[KeySource]:
    """Yield a source of keys that SIGHUP marks as changed.

    SIGHUP after the terminal of this process was closed calls the former handler.
    """
    changed, change = os.pipe()
    for descriptor in (changed, change):
        os.set_blocking(descriptor, False)
    former = signal.getsignal(signal.SIGHUP)
    had_terminal = _has_terminal()

    def on_hangup(number: int, frame: FrameType | None) -> None:
        if not had_terminal or _has_terminal():
            with suppress(BlockingIOError):  # a full pipe is readable already
                os.write(change, b"!")
        elif callable(former):
            former(number, frame)

    def clear() -> None:
        with suppress(BlockingIOError):
            os.read(changed, 4096)

    def read_again() -> Policy:
        if descriptor_of(key_file) is not None:
            raise ConfigError(
                f"--key-file {key_file} cannot be read twice: restart the server to change its keys"
            )
        return read()

    signal.signal(signal.SIGHUP, on_hangup)
    try:
        yield KeySource(changed, read_again, clear)
    finally:
        signal.signal(signal.SIGHUP, former)
        os.close(changed)
        os.close(change)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _close_memory() -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise ConfigError(f"cannot close this process to others: {os.strerror(ctypes.get_errno())}")
