"""Print the hash of each of these keys: `python -m tests.table_of_hashes`.

tests/golden/hashes.txt holds the output for every Python. A change of that table moves keys of all
users to other shards, and changes the order of their results.
"""

from __future__ import annotations

import datetime
import ipaddress
import uuid
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from tests.hashes import partition_hash, parts_of
from tests.ugly_rows import City, Colour, Level, Metres, Name, Point

HOUR = datetime.timedelta(hours=1)
CET = datetime.timezone(HOUR)
NOON = datetime.datetime(2024, 1, 2, 12, 30, 0, 5)  # noqa: DTZ001 - without a zone


class Named:
    """A user's class, hashed by class and fields."""

    def __init__(self, name: str, note: object) -> None:
        self.name, self.note = name, note

    def __eq__(self, other: object) -> bool:
        return type(other) is Named and (self.name, self.note) == (other.name, other.note)

    def __hash__(self) -> int:
        return hash((type(self), self.name, self.note))

    def __repr__(self) -> str:
        return f"Named({self.name!r}, {self.note!r})"


KEYS: list[Any] = [
    *(None, ..., NotImplemented, True, False, 0, 1, -1, -2, 17, 2**61 - 2, 2**61 - 1, 2**61),
    *(-(2**61), 10**30, 1.0, -1.0, 0.5, 0.1, -0.25, 1e300, float("inf"), float("nan"), 5e-324),
    *(1j, 2 + 0.5j, Decimal("1.1"), Decimal("nan"), Fraction(1, 3), Metres(5), Level.HIGH),
    *("", "a", "Köln", "\ud800", "key-17", Name("a"), b"", b"a", b"\x00\xff"),
    *((), (1,), (1, 2), (2, 1), ("a", None, 0.5), ((), ((),)), (1, (2, ("a", b"b"))), Point(1, 2)),
    *(frozenset(), frozenset({1, "a", None}), frozenset({frozenset({1}), 2.5})),
    *(range(0), range(5), range(0, 10, 3), range(0, 11, 3), Colour.RED, Colour.BLUE),
    *(NOON, NOON.date(), NOON.time(), NOON.replace(tzinfo=CET), NOON.replace(fold=1), HOUR, CET),
    *(NOON.time().replace(tzinfo=CET), datetime.timedelta(days=-1, microseconds=3)),
    *(uuid.UUID(int=5), PurePosixPath("/a/b"), PureWindowsPath("C:/A")),
    *(ipaddress.ip_address("10.0.0.1"), ipaddress.ip_network("10.0.0.0/8")),
    *(ipaddress.ip_address("::1"), ipaddress.ip_interface("10.0.0.1/8")),
    *(City("Bonn", None), City("Bonn", 330_000), Named("x", None), Named("x", (None, "y"))),
]


def main() -> None:
    for key in KEYS:
        number = partition_hash(key)
        parts = [parts_of([key], 7, seed)[0] for seed in (0, 1, 2)]
        print(text_of(key), number, *parts)


def text_of(key: Any) -> str:
    """The text of `ascii`, with sorted items for sets, whose order depends on builtin hashes."""
    if isinstance(key, frozenset):
        return f"frozenset of {sorted(map(text_of, key))}"
    return ascii(key)


if __name__ == "__main__":
    main()
