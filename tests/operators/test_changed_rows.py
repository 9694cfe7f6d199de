"""Functions, reducers and the driver may change rows without effect on other readers.

The expected rows of each case are those of functions that get a copy of each row.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from glowpy import Channel, Dataset, Flow
from glowpy.copies import are_immutable, copied, hold_mutable
from tests.batch import in_one_run
from tests.runners import ON_EVERY_RUNNER, Runner

Rows = list[Any]


def extended(row: Any) -> Any:
    """Append to each list in the row and return the row."""
    for each in row if isinstance(row, tuple) else [row]:
        if isinstance(each, list):
            each.append("changed")
    return row


def spread(row: Rows) -> Iterator[Rows]:
    row.append("spread")
    yield row


def joined_lists(total: Rows, row: Rows) -> Rows:
    total += row
    return total


def lists(flow: Flow) -> Dataset:
    return flow.slice([[1], [2], [3], [4], [5]], 2)


def pairs(flow: Flow) -> Dataset:
    return flow.slice([(n % 2, [n]) for n in range(6)], 3)


def twice(dataset: Dataset, *steps: Callable[[Dataset], Dataset]) -> Dataset:
    """Let two or more readers of one dataset change the rows."""
    first, *others = [step(dataset) for step in steps]
    return first.union(*others)


CASES: dict[str, tuple[Callable[[Flow], Dataset], Rows]] = {
    "map": (lambda f: lists(f).map(extended), [[n, "changed"] for n in range(1, 6)]),
    "two readers": (
        lambda f: twice(lists(f), lambda d: d.map(extended), lambda d: d.map(list)),
        [*([n, "changed"] for n in range(1, 6)), *([n] for n in range(1, 6))],
    ),
    "two readers of what a step has made": (
        lambda f: twice(lists(f).map(list), lambda d: d.map(extended), lambda d: d.map(extended)),
        2 * [[n, "changed"] for n in range(1, 6)],
    ),
    "union of one dataset": (
        lambda f: (lambda d: d.union(d))(lists(f)).map(extended),
        2 * [[n, "changed"] for n in range(1, 6)],
    ),
    "filter": (
        lambda f: twice(lists(f), lambda d: d.filter(extended), lambda d: d.map(list)),
        [*([n, "changed"] for n in range(1, 6)), *([n] for n in range(1, 6))],
    ),
    "flat_map": (
        lambda f: twice(lists(f), lambda d: d.flat_map(spread), lambda d: d.map(list)),
        [*([n, "spread"] for n in range(1, 6)), *([n] for n in range(1, 6))],
    ),
    "map_partitions": (
        lambda f: twice(
            lists(f), lambda d: d.map_partitions(lambda rows: map(extended, rows)), lambda d: d
        ),
        [*([n, "changed"] for n in range(1, 6)), *([n] for n in range(1, 6))],
    ),
    "sample": (
        lambda f: twice(lists(f), lambda d: d.sample(1.0).map(extended), lambda d: d.sample(1.0)),
        [*([n, "changed"] for n in range(1, 6)), *([n] for n in range(1, 6))],
    ),
    "reduce": (
        lambda f: twice(lists(f), lambda d: d.reduce(joined_lists), lambda d: d.map(extended)),
        [[1, 2, 3, 4, 5], *([n, "changed"] for n in range(1, 6))],
    ),
    "reduce_by_key": (
        lambda f: twice(
            pairs(f),
            lambda d: d.reduce_by_key(joined_lists).map_values(sorted),
            lambda d: d.map(extended),
        ),
        [(0, [0, 2, 4]), (1, [1, 3, 5]), *((n % 2, [n, "changed"]) for n in range(6))],
    ),
    "group_by_key": (
        lambda f: twice(
            pairs(f).group_by_key(),
            lambda d: d.map_values(lambda values: values.pop() and len(values)),
            lambda d: d.map_values(lambda values: sorted(map(tuple, values))),
        ),
        [(0, 2), (1, 2), (0, [(0,), (2,), (4,)]), (1, [(1,), (3,), (5,)])],
    ),
    "sort": (
        lambda f: twice(pairs(f), lambda d: d.sort().map_values(extended), lambda d: d),
        [
            *((0, [n, "changed"]) for n in (0, 2, 4)),
            *((1, [n, "changed"]) for n in (1, 3, 5)),
            *((n % 2, [n]) for n in range(6)),
        ],
    ),
    "join": (
        lambda f: pairs(f).join(f.slice([(0, ["b"])])).map(lambda k, a, b: extended((k, a, b))),
        [(0, [n, "changed"], ["b", "changed"]) for n in (0, 2, 4)],
    ),
    "join of many with many": (
        lambda f: (
            f.slice([(0, [1]), (0, [2])], 2)
            .join(f.slice([(0, {"b": 1}), (0, {"b": 2})], 2))
            .map(lambda k, a, b: (k, extended(a), b.setdefault("new", len(b)), b))
        ),
        [(0, [a, "changed"], 1, {"b": b, "new": 1}) for a, b in ((1, 1), (1, 2), (2, 1), (2, 2))],
    ),
    "join whose rows are shared by nothing else": (
        lambda f: pairs(f).left_outer_join(f.slice([(0, "b")])).map(lambda *row: extended(row)),
        [
            *((0, [n, "changed"], "b") for n in (0, 2, 4)),
            *((1, [n, "changed"], None) for n in (1, 3, 5)),
        ],
    ),
    "broadcast_join": (
        lambda f: (
            f.slice(range(2000), 2)
            .map(lambda n: (n % 2, [n]))
            .broadcast_join(f.slice([(0, ["b"]), (0, ["c"])]))
            .map(lambda k, a, b: extended((k, a, b)))
            .filter(lambda k, a, b: a[0] < 4 or a[0] > 1997 or len(a) + len(b) != 4)
        ),
        [(0, [n, "changed"], [b, "changed"]) for n in (0, 2, 1998) for b in ("b", "c")],
    ),
    "cogroup": (
        lambda f: twice(
            pairs(f).cogroup(f.slice([(0, ["b"])])),
            lambda d: d.map(lambda k, a, b: (k, len(extended(a)), extended(b))),
            lambda d: d.map(lambda k, a, b: (k, len(a), b)),
        ),
        [
            *((0, 4, [["b"], "changed"]), (1, 4, ["changed"])),
            *((0, 3, [["b"]]), (1, 3, [])),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_no_other_reader_sees_a_change(name: str, new_flow: Runner) -> None:
    make, expected = CASES[name]
    found = make(new_flow()).collect()
    assert sorted(found, key=repr) == sorted(expected, key=repr)


@ON_EVERY_RUNNER
def test_the_driver_may_change_input_and_result_rows(new_flow: Runner) -> None:
    flow = new_flow()
    given: list[Any] = [[1], [2]]
    made = flow.slice(given, 2).map(extended)
    first = made.collect()
    for row in first:
        row.clear()
    assert given == [[1], [2]]
    given[0].append("driver")
    # a run starts with the current rows of the driver
    assert made.take(1) == [[1, "driver", "changed"]]
    assert sorted(made.collect(), key=repr) == [[1, "driver", "changed"], [2, "changed"]]
    seen: Rows = []
    flow.slice([[1], [2]]).for_each(lambda row: seen.append(extended(row)))
    assert seen == ([[1, "changed"], [2, "changed"]] if new_flow.is_inline else [])


@ON_EVERY_RUNNER
def test_a_row_is_copied_when_sent_to_a_channel(new_flow: Runner) -> None:
    source, one, other = Channel(), Channel(), Channel()
    flow = new_flow()
    rows = flow.channel(source).map(extended)
    rows.add_output(one)
    rows.add_output(other)
    run = flow.start()
    sent: Rows = []
    for number in range(3):
        sent.append(number)
        source.send(sent)
    source.close()
    expected = [[*range(n), "changed"] for n in (1, 2, 3)]
    got = []
    for row in one:
        got.append(copy.copy(row))
        row.clear()
    assert got == list(other) == expected
    run.wait()


def test_mutable_values_are_copied() -> None:
    class Kind:
        def __init__(self) -> None:
            self.inner = [1]

    kind = Kind()
    for value in (1, "a", None, (1, ("b", 2.0)), frozenset({1}), 2j):
        assert are_immutable([value]) and copied(value) is value
    for mutable in ([1], {1}, {"a": 1}, {"a": [1]}, ([1],), bytearray(b"a"), [[1]]):
        assert not are_immutable([mutable]) and copied(mutable) == mutable
        assert copied(mutable) is not mutable and type(copied(mutable)) is type(mutable)
    assert copied([[1]])[0] is not copied([[1]])[0]
    made = copied(kind)
    made.inner.append(2)
    assert kind.inner == [1]
    assert hold_mutable({1: ["a"], 2: [kind]}) and not hold_mutable({1: ["a", (1, 2)], 2: []})


def test_a_value_that_cannot_be_copied_is_shared() -> None:
    class Single:
        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError("there is one of it")

    single = Single()
    assert copied(single) is single


test_in_one_run = in_one_run()
