"""Messages between a driver and its fork server: one packet each, words with blanks between them.

    to the fork server   "start EXECUTOR SECRET" | "fresh EXECUTOR SECRET" | "kill EXECUTOR"
    to the driver        "started EXECUTOR PID" | "exited EXECUTOR CODE" | "unstarted EXECUTOR WHY"

CODE is an exit status, or minus a signal's number; SECRET is in hexadecimal digits. One message is
one packet. A fresh executor is not a fork but a new process of Python: see `fresh_start`.
"""

from __future__ import annotations

from typing import TypeAlias

from glowpy.record import NamedTuple

PACKET_BYTES = 4096


class Started(NamedTuple):
    """An executor's process has started."""

    executor: str
    pid: int


class Exited(NamedTuple):
    """An executor's process has ended: its exit status, or minus a signal's number."""

    executor: str
    code: int


class Unstarted(NamedTuple):
    """The system refused to create a process."""

    executor: str
    reason: str


ServerEvent: TypeAlias = Started | Exited | Unstarted
