"""Rows that are hard to pickle, for every test that sends rows."""

from __future__ import annotations

import datetime
import enum
import math
from collections import Counter, OrderedDict, deque, namedtuple
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Name(str):
    __slots__ = ()


class Metres(int):
    pass


Point = namedtuple("Point", "x y")


@dataclass(frozen=True)
class City:
    name: str
    people: int | None


UGLY: list[Any] = [
    None,
    True,
    0,
    -0.0,
    math.nan,
    math.inf,
    -math.inf,
    5e-324,
    1 << 63,
    -(1 << 63) - 1,
    10**200,
    1 + 2j,
    complex(-0.0, math.nan),
    "",
    "Ünïcödé \u2028 \x00 🙂",
    "\ud800 alone",
    b"",
    b"\x00\xff\n",
    bytearray(b"ab"),
    (),
    [],
    {},
    set(),
    frozenset(),
    (1,),
    [1, (2, [3, {4: (5,)}])],
    ((1, 2.0), [None, True]),
    {"a": [1, {"b": (2,)}], None: {1.5: b"x"}},
    {1, "a", (2,), None},
    frozenset({frozenset({1}), "x"}),
    Colour.BLUE,
    Level.HIGH,
    Name("n"),
    Metres(5),
    Point(1, (2,)),
    City("Köln", 1_000_000),
    (Name("k"), Metres(3)),
    [True, 1, 1.0],
    range(3),
    Decimal("1.10"),
    Fraction(1, 3),
    deque([1, 2], maxlen=5),
    OrderedDict(b=1, a=2),
    Counter("aab"),
    datetime.date(2024, 2, 29),
    datetime.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=datetime.timezone.utc),
    datetime.datetime(2024, 2, 29, fold=1),  # noqa: DTZ001 - a naive one travels as well
    datetime.timedelta(days=-1, microseconds=1),
    datetime.time(1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
    Path("/a/b"),
    int,
    len,
    ValueError("v", 1).args,
    "x" * 100_000,
    ...,
]


def written_length(row: Any) -> int:
    """A key that orders rows of all kinds, equally in every process.

    The order of a set's elements in its text depends on the process, but not the length.
    """
    return len(repr(row))


def same(one: Any, other: Any) -> bool:
    """Return whether values and types are equal at every level; NaN and NaT equal themselves."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (float, complex)):
        return repr(one) == repr(other)
    if isinstance(one, dict):
        return len(one) == len(other) and same(list(one.items()), list(other.items()))
    if isinstance(one, (list, tuple, deque)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (set, frozenset)):
        return len(one) == len(other) and all(any(same(a, b) for b in other) for a in one)
    return bool(one == other or (one != one and other != other))
