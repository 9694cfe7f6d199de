"""Explains why an address cannot be listened on, and names the process that uses its port."""

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
    """Return the reason for a failed bind.

    Args:
        other: the option for another port.
        number: errno of the failure.
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
    """Return the process that listens at the address, as far as visible to this user."""
    import psutil

    host = "127.0.0.1" if address.host == "localhost" else address.host
    with suppress(psutil.Error, OSError):  # the process has ended, or belongs to another user
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
    """Return the name of a glowpy server, given a command line; empty for other programs.

    >>> _role(["/usr/bin/python3", "-m", "glowpy", "master", "--address", ":8930"])
    'a glowpy master'
    """
    for word, role in pairwise(words):
        if os.path.basename(word) == "glowpy" and role in ("master", "agent"):
            return f"a glowpy {role}"
    return ""
