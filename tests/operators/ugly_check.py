"""Run all operators over ugly data in one run; as a program: inline and standalone."""

from __future__ import annotations

from collections.abc import Sequence

from glowpy import Flow
from tests.operators.ugly import ONE_KEY, ORDERED_PAIRS, SPREAD, Data, Rows, Use, is_as_expected
from tests.operators.ugly_table import TABLE
from tests.tagged import collected

USES = {name: entry for name, entry in TABLE.items() if isinstance(entry, Use)}


def inline() -> Flow:
    return Flow(["-glow.inline"])


def check(name: str, data: Data, found: Rows) -> None:
    entry = USES[name]
    expected = entry.expected(data.shards)
    assert is_as_expected(found, expected, in_order=entry.in_order), (
        f"{name} of {data.name}:\n{found}\ninstead of\n{expected}"
    )


def together(data: Sequence[Data]) -> Sequence[Data]:
    """The rows in one dataset of three shards; data for sorted keys keeps its own dataset.

    Data with repeated rows and with many rows of one key is omitted, because a join returns every
    combination.
    """
    if data is ORDERED_PAIRS:
        return data
    kept = [each for each in data if each.name != ONE_KEY and not each.name.endswith(SPREAD)]
    return [Data("all rows", 3, [row for each in kept for row in each.rows])]


def assert_that_rows_come_back(flow: Flow) -> None:
    some = [(name, data) for name, entry in USES.items() for data in together(entry.data)]
    used = [USES[name].use(flow.slice(data.rows, data.shard_count)) for name, data in some]
    for (name, data), found in zip(some, collected(used), strict=True):
        check(name, data, found)


if __name__ == "__main__":
    assert_that_rows_come_back(inline())
    print("inline")
    assert_that_rows_come_back(Flow([]))
    print("standalone")
