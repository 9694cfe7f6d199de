"""What a transport requires of libzmq and of the system."""

from __future__ import annotations

import os

from glowpy.errors import ConfigError

_LEAST_LIBZMQ = (4, 3, 3)  # earlier releases let unauthenticated clients exhaust the memory
_DESCRIPTORS = 48  # of a context (8), a server (5), and some links and peers (5 each)


def check_libzmq(version: tuple[int, int, int], *, has_curve: bool) -> None:
    """Refuse a libzmq without encryption, or with faults exploitable before authentication.

    Raises:
        ConfigError: names the version and the remedy.
    """
    if version < _LEAST_LIBZMQ or not has_curve:
        found = ".".join(map(str, version)) + ("" if has_curve else " without CURVE")
        least = ".".join(map(str, _LEAST_LIBZMQ))
        raise ConfigError(
            f"glowpy needs libzmq {least} or later with CURVE, and pyzmq uses libzmq {found}; "
            "install the wheel of pyzmq (pip install --force-reinstall pyzmq), which brings its own"
        )


def check_descriptors() -> None:
    """Check for enough descriptors: where they run out, ZeroMQ aborts the process.

    Raises:
        ConfigError: too many files are open.
    """
    held: list[int] = []
    try:
        held.append(os.open(os.devnull, os.O_RDONLY))
        while len(held) < _DESCRIPTORS:
            held.append(os.dup(held[0]))
    except OSError as exc:
        raise ConfigError(
            f"cannot open sockets: {exc.strerror}; they take {_DESCRIPTORS} descriptors, and this "
            "process may not have so many more (ulimit -n)"
        ) from exc
    finally:
        for descriptor in held:
            os.close(descriptor)
