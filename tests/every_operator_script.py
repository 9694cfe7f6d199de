"""Print a digest of the rows of every operator: `python -m tests.every_operator_script`.

All operators run in one flow. tests/golden/every_operator.txt holds the output, which is the same
in every mode, with any number of workers, and under every memory budget and PYTHONHASHSEED.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from hashlib import sha256
from operator import add
from typing import Any

from glowpy import Dataset, Flow
from tests.operators.every_operator import NAMED
from tests.ugly_rows import City, Colour, Level

ROWS = 3000
KEYS = 700
PADDING = "-" * 1500  # makes tables larger than 1 MB
KINDS = 12
DAY = datetime.date(2024, 1, 1)
SORTED = ("sort", "local_sort", "merge_sorted")  # operators whose keys need an order


def key_of(number: int) -> Any:
    """Return one of many keys of a dozen types; some keys equal keys of another type."""
    kind, number = number % KINDS, number // KINDS
    return (
        number,
        float(number),
        f"text {number}{PADDING}",
        number / 7,
        (number, f"part {number % 3}{PADDING}"),
        None if number % 50 == 0 else Decimal(number),
        DAY + datetime.timedelta(days=number),
        City(f"town {number}", None if number % 2 else number),
        (Colour.RED, Colour.BLUE, Level.LOW, Level.HIGH)[number % 4],
        frozenset({number, number + 1}),
        f"{number}{PADDING}".encode(),
        float("nan") if number % 40 == 0 else (None, number),
    )[kind]


def pairs(shard: int, salt: int) -> list[Any]:
    return [
        (key_of(place * 7919 % KEYS), (place * salt % 1000) / 7)
        for place in range(shard, ROWS, 4 * salt)
    ]


def with_text_key(key: Any, value: float) -> tuple[str, float]:
    return repr(key), value


def results(flow: Flow) -> dict[str, Dataset]:
    """The rows of each operator."""
    rows = flow.slice(range(4), 4).flat_map(lambda shard: pairs(shard, 1))
    others = flow.slice(range(4), 3).flat_map(lambda shard: pairs(shard, 5))
    found = {
        name: make(rows.map(with_text_key), others.map(with_text_key))
        if name.rstrip("0123456789") in SORTED
        else make(rows, others)
        for name, make in NAMED.items()
    }
    found["float sums"] = rows.reduce_by_key(add)
    found["float sums in shards"] = rows.reduce_by_key(add, shards=3)
    found["local float sums"] = rows.local_reduce_by_key(add)
    found["the first of many"] = rows.group_by_key().limit(200)
    return found


def main() -> None:
    datasets = results(Flow())
    named = [
        dataset.map(lambda row, name=name: (name, text_of(row)))
        for name, dataset in datasets.items()
    ]
    digests = {name: (0, sha256()) for name in datasets}
    for name, text in named[0].union(*named[1:]).collect():
        count, digest = digests[name]
        digest.update(text.encode())
        digests[name] = count + 1, digest
    for name, (count, digest) in digests.items():
        print(f"{name}: {count} rows, {digest.hexdigest()[:16]}")


def text_of(row: Any) -> str:
    """Text of a row with the types of its values, which `==` does not compare."""
    if isinstance(row, (tuple, list)):
        return f"{type(row).__name__}({', '.join(map(text_of, row))})"
    return f"{type(row).__name__} {row!r}"


if __name__ == "__main__":
    main()
