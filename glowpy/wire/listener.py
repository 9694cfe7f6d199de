"""Why an address cannot be listened on, in words: who has it, where that can be found out."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

from glowpy.wire.address import Address

_FIRST_FREE_PORT = 1024
_ANYWHERE = ("0.0.0.0", "::")


def why_not(address: Address, other: str, number: int) -> str:
    """Why one cannot listen there.

    Args:
        other: how the user names another port.
        number: of the system's error.
    """
    if number == errno.EADDRINUSE:
        hint = f"; name another by {other}, or 0 for any that is free" if other else ""
        return f"{_holder(address)}{hint}"
    if number in (errno.EADDRNOTAVAIL, errno.ENODEV):
        return "this host has no such address"
    if number == errno.EACCES and address.port < _FIRST_FREE_PORT:
        return f"ports below {_FIRST_FREE_PORT} are the system's"
    return os.strerror(number)


def _holder(address: Address) -> str:
    """The process that listens there, where the system tells: its user and root are told."""
    import psutil

    host = "127.0.0.1" if address.host == "localhost" else address.host
    with suppress(psutil.Error, OSError):  # it has ended, or is another user's
        for each in psutil.net_connections("tcp"):
            there: tuple[object, ...] = each.laddr
            if each.status != psutil.CONN_LISTEN or there[1:] != (address.port,):
                continue
            if each.pid is not None and (not host or there[0] in (host, *_ANYWHERE)):
                process = psutil.Process(each.pid)
                who = _role(process.cmdline()) or process.name()
                return f"its port is in use by {who} (process {each.pid})"
    return "its port is in use"


def _role(words: Sequence[str]) -> str:
    """A server of ours by its command line, in words; else nothing.

    >>> _role(["/usr/bin/python3", "-m", "glowpy", "master", "--address", ":8930"])
    'a glowpy master'
    """
    for word, role in pairwise(words):
        if os.path.basename(word) == "glowpy" and role in ("master", "agent"):
            return f"a glowpy {role}"
    return ""
