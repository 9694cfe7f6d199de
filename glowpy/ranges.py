"""Ranges of the numbers and names in messages, as annotations of message fields.

`wire.coding` checks each decoded field against its range, so that no machine behind a socket gets a
number that overflows, or a name that the file system refuses.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from glowpy.record import NamedTuple


class Within(NamedTuple):
    """The least and the largest value of a number. NaN and infinity are outside every range."""

    least: float
    most: float


class Characters(NamedTuple):
    """The largest length of a text without lone surrogates and control characters."""

    most: int


LINE_CHARACTERS = 2000
ECHOED_CHARACTERS = 100  # of a name that a peer has sent, in an answer or a log
NOTES_OF_EXECUTOR = 100  # limit for an executor, enforced by its agent

_32_BITS = (1 << 31) - 1
_64_BITS = (1 << 63) - 1

Count: TypeAlias = Annotated[int, Within(0, _32_BITS)]  # executors, groups, steps, files
Size: TypeAlias = Annotated[int, Within(0, _64_BITS)]  # bytes, rows, serial numbers
Megabytes: TypeAlias = Annotated[int, Within(0, _32_BITS)]
Bid: TypeAlias = Annotated[float, Within(0.0, _32_BITS)]
Seconds: TypeAlias = Annotated[float, Within(0.0, 1e12)]
OptionalSize: TypeAlias = Annotated[int, Within(-1, _64_BITS)]  # -1: none
OptionalSeconds: TypeAlias = Annotated[float, Within(-1.0, 1e12)]  # -1: none
Unsigned32: TypeAlias = Annotated[int, Within(0, (1 << 32) - 1)]
Line: TypeAlias = Annotated[str, Characters(LINE_CHARACTERS)]  # a note to the user
Name: TypeAlias = Annotated[str, Characters(400)]  # of a run, executor, lease, host, channel
