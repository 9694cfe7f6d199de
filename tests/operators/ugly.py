"""Ugly data for every operator, and the comparison of results.

A `Use` has a call of an operator, the result of plain Python on the same rows, and the error for
rows that the operator refuses. `tests/operators/ugly_table.py` has one or more for each operator.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from glowpy import Dataset, Flow
from tests.ugly_rows import UGLY, City, Colour, Level, Metres, Name, Point, same

Rows = list[Any]
Shards = list[Rows]


class Data(NamedTuple):
    """Rows, and the number of their shards."""

    name: str
    shard_count: int
    rows: Rows

    @property
    def shards(self) -> Shards:
        """The shards as divided by `slice`."""
        total, count = len(self.rows), self.shard_count
        return [self.rows[total * n // count : total * (n + 1) // count] for n in range(count)]


def pairs_of(keys: Iterable[Any]) -> Rows:
    """Each key twice: with its number as value, and with an ugly value."""
    return [
        pair
        for number, key in enumerate(keys)
        for pair in ((key, number), (key, UGLY_VALUES[number % len(UGLY_VALUES)]))
    ]


UGLY_VALUES: Rows = [None, [], {"a": {1}}, math.nan, b"\x00", (None,), City("Köln", None), -0.0, {}]
PLANES = ["\x00", "é", "\u4e2d", "\uffff", "\U0001f642", "\U000e0001", "\U0010ffff", "\u2028", ""]
EARLY = datetime.date.min
UTC = datetime.timezone.utc

KEYS: dict[str, Rows] = {
    "equal keys of different types": [
        *(1, 1.0, True, Metres(1), Level.LOW, Decimal(1), Fraction(1), 1 + 0j),
        *(0, -0.0, 0.0, False),
    ],
    "none": [None, None, (None,), None],
    "nan": [math.nan, float("nan"), -math.nan, math.nan],
    "numbers": [-1, 1 << 64, -(1 << 200), 10**300, 0, -1, 1 << 64, math.inf, -math.inf, 5e-324],
    "tuples": [(1, None), (1, None), (), (None, None), ((), ()), (1, (2, None)), Point(1, None)],
    "texts": [*PLANES, *PLANES, Name("é")],
    "bytes": [b"", b"\x00", b"\xff\n", b"", b"a" * 1000],
    "dates": [EARLY, datetime.date(2024, 2, 29), EARLY, datetime.date.max],
    "times": [
        datetime.datetime(2024, 2, 29, tzinfo=UTC),
        datetime.datetime(2024, 2, 29, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
        datetime.timedelta(-1),
        datetime.time(1, 2),
    ],
    "enums": [Colour.RED, Colour.BLUE, Colour.RED, Level.HIGH, 2],
    "frozensets": [frozenset(), frozenset({1, None}), frozenset({None, 1.0}), frozenset({()})],
    "dataclasses": [City("Köln", None), City("Köln", 1), City("Köln", None)],
    "different types": [None, 1, "a", (1,), b"a", 1.5, "a", None, 1, frozenset()],
}
# Keys with an order by `<`.
IN_ORDER = ("numbers", "texts", "bytes", "dates")

ONE_KEY = "one key"
SPREAD = ", a shard for each"
EMPTY = [
    Data("nothing", 1, []),
    Data("nothing in several shards", 3, []),
]
PAIRS = [
    *EMPTY,
    Data("one pair in one shard", 1, [("k", 1)]),
    Data("one pair in several shards", 4, [(None, None)]),
    Data(ONE_KEY, 3, [("k", number) for number in range(50)]),
    Data("more shards than rows", 7, [("a", 1), ("b", 2), ("a", 3)]),
    Data("pairs that are lists", 2, [["a", 1], ("b", 2), ["a", 3]]),
    *(Data(name, 3, pairs_of(keys)) for name, keys in KEYS.items()),
    *(
        Data(f"{name}{SPREAD}", 2 * len(KEYS[name]), pairs_of(KEYS[name]))
        for name in ("equal keys of different types", "none", "nan", "different types")
    ),
]
ORDERED_PAIRS = [
    data for data in PAIRS if data.name.split(",")[0] in IN_ORDER or len(data.rows) < 4
]
ROWS = [
    *PAIRS,
    Data("one row", 1, [None]),
    Data("one row in several shards", 4, [[]]),
    Data("rows of all kinds", 3, UGLY),
]


class Fault(Enum):
    """A kind of rows that an operator may refuse."""

    UNHASHABLE_KEY = "a key without a hash"
    ADDRESS_AS_HASH = "a key that is hashed by its address"
    KEYS_WITHOUT_ORDER = "keys that cannot be compared"
    NO_PAIR = "a row that is no pair"
    NO_PICKLE = "a row that cannot be pickled"


class Thing:
    """An object with the default hash, which depends on the address."""

    def __repr__(self) -> str:
        return "a Thing"


FAULTY_ROWS: dict[Fault, Callable[[int], Any]] = {
    Fault.UNHASHABLE_KEY: lambda number: (["k"], number),
    Fault.ADDRESS_AS_HASH: lambda number: (Thing(), number),
    Fault.KEYS_WITHOUT_ORDER: lambda number: ([1, "a", 1j, None][number % 4], number),
    Fault.NO_PAIR: lambda number: ("k", 1, number),
    Fault.NO_PICKLE: lambda number: (number, (each for each in "generator")),
}
SHOWN: dict[Fault, str] = {  # of the key or row, in the error
    Fault.UNHASHABLE_KEY: r"\['k'\]",
    Fault.ADDRESS_AS_HASH: "a Thing",
    Fault.KEYS_WITHOUT_ORDER: r"'a'|row: \(1, \d\)|keys: 1j and None",
    Fault.NO_PAIR: r"\('k', 1, \d\)",
    Fault.NO_PICKLE: "<generator",
}
SAID: dict[Fault, str] = {
    Fault.UNHASHABLE_KEY: "cannot be hashed",
    Fault.ADDRESS_AS_HASH: "no hash of its own|cannot order",
    Fault.KEYS_WITHOUT_ORDER: "cannot order",
    Fault.NO_PAIR: r"needs rows of \(key, value\)",
    Fault.NO_PICKLE: "cannot be pickled",
}
ALL_WORK: frozenset[Fault] = frozenset()
STORED = frozenset({Fault.NO_PICKLE})  # every row that leaves a task must be pickled
HASHED = STORED | {Fault.UNHASHABLE_KEY, Fault.ADDRESS_AS_HASH}


class Use(NamedTuple):
    """One way to use an operator, over many kinds of data."""

    use: Callable[[Dataset], Dataset]
    expected: Callable[[Shards], Rows]  # in plain Python, by shard
    data: Sequence[Data]
    fails: frozenset[Fault]  # refused kinds of rows; all other kinds must work
    in_order: bool = True  # the result has this order


class Call(NamedTuple):
    """A terminal call: each kind of data needs a run, so there are fewer kinds."""

    call: Callable[[Dataset, Path], Any]  # with a path for output
    expected: Callable[[Shards], Any]
    data: Sequence[Data]
    fails: frozenset[Fault]
    says: str = ""  # an error for all faults, instead of the usual error of each


class Source(NamedTuple):
    """A method of a flow that makes a dataset of given rows."""

    make: Callable[[Flow, Data], Dataset]
    expected: Callable[[Data], Rows]
    data: Sequence[Data]


class Elsewhere(NamedTuple):
    """The name of the test of an operator without ugly data."""

    test: str  # "file.py::test" below tests/


def groups_of(*sides: Rows) -> list[list[Any]]:
    """[key, values of the first side, …] for each key, in order of appearance; NaN is unique."""
    groups: list[list[Any]] = []
    places: dict[Any, list[Any]] = {}
    for side, rows in enumerate(sides, start=1):
        for key, value in rows:
            group = places.get(key) if key == key else None
            if group is None:
                group = [key, *([] for _ in sides)]
                groups.append(group)
                if key == key:
                    places[key] = group
            group[side].append(value)
    return groups


def all_rows(shards: Shards) -> Rows:
    return [row for shard in shards for row in shard]


def is_as_expected(found: Rows, expected: Rows, *, in_order: bool) -> bool:
    """Compare values and types of rows, in this order or as multisets."""
    if len(found) != len(expected):
        return False
    if in_order:
        return all(map(same, found, expected))
    left = list(expected)
    for row in found:
        place = next((n for n, each in enumerate(left) if same(row, each)), None)
        if place is None:
            return False
        del left[place]
    return True
