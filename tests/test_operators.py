"""Every operator, on every runner: what it gives, in which order, and what it refuses."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from operator import add, itemgetter
from pathlib import Path
from typing import Any

import pytest

from glowpy import Dataset
from glowpy.errors import DefinitionError, GlowError, OutputError, TaskFailed
from tests.runners import Runner
from tests.ugly_rows import UGLY, City, Colour, Level, Metres, Name, Point, same

WORDS = "the quick brown fox jumps over the lazy dog and the cat".split()


def shards_of(dataset: Dataset) -> list[list[Any]]:
    """The rows of each shard that has any, in shard order, seen through the public operators.

    Each row goes in twice, so that a shard's fold is never a single leaf; reduce folds each shard
    first, and the merge can tell a shard's fold from a leaf.
    """
    folded = dataset.flat_map(leaves_of).reduce(fold).collect()
    if not folded:
        return []
    kind, rows = folded[0]
    shards = rows if kind == "all" else [rows]
    return [shard[::2] for shard in shards]


def leaves_of(*row: Any) -> list[tuple[str, list[Any]]]:
    return [("leaf", list(row)), ("leaf", list(row))]


def fold(left: tuple[str, list[Any]], right: tuple[str, list[Any]]) -> tuple[str, list[Any]]:
    if right[0] == "leaf":
        return "shard", left[1] + right[1]
    shards = left[1] if left[0] == "all" else [left[1]]
    return "all", [*shards, right[1]]


# --- map, flat_map, filter ---------------------------------------------------------------------


def test_map_gives_one_row_for_each_in_shard_order(new_flow: Runner) -> None:
    assert new_flow().slice(range(10), 3).map(lambda x: x * x).collect() == [
        x * x for x in range(10)
    ]


def test_map_keeps_none_and_every_other_false_row(new_flow: Runner) -> None:
    rows = [None, 0, "", (), [], False, {}]
    assert new_flow().slice(rows, 2).map(lambda row: row).collect() == rows
    assert new_flow().slice(range(3)).map(lambda row: None).collect() == [None] * 3
    assert new_flow().slice(rows).map(lambda row: None).count() == len(rows)


def test_flat_map_gives_none_one_or_many(new_flow: Runner) -> None:
    lines = ["a b", "", "c", "  d  e f "]
    assert new_flow().slice(lines, 2).flat_map(str.split).collect() == list("abcdef")
    assert new_flow().slice(lines).flat_map(lambda line: ()).collect() == []


def test_flat_map_takes_generator_functions_and_any_iterable(new_flow: Runner) -> None:
    def up_to(number: int) -> Iterable[int]:
        yield from range(number)

    flow = new_flow()
    assert flow.slice([2, 0, 3], 2).flat_map(up_to).collect() == [0, 1, 0, 1, 2]
    assert flow.slice([3]).flat_map(range).collect() == [0, 1, 2]
    assert flow.slice([{"k": 1}]).flat_map(lambda row: row.items()).collect() == [("k", 1)]


def test_filter_keeps_rows_for_which_the_result_is_true(new_flow: Runner) -> None:
    assert new_flow().slice(range(9), 4).filter(lambda x: x % 3).collect() == [1, 2, 4, 5, 7, 8]
    assert new_flow().slice(["", "x", None, [0]]).filter(bool).collect() == ["x", [0]]


def test_row_steps_after_one_another_are_applied_in_order(new_flow: Runner) -> None:
    dataset = (
        new_flow()
        .slice(["3 1", "x 2", ""], 2)
        .flat_map(str.split)
        .filter(str.isdigit)
        .map(int)
        .flat_map(lambda n: [n] * n)
        .filter(lambda n: n > 1)
        .map(lambda n: (n, -n))
    )
    assert dataset.collect() == [(3, -3)] * 3 + [(2, -2)] * 2


def test_more_steps_than_python_can_nest(new_flow: Runner) -> None:
    dataset = new_flow().slice(range(50), 2)
    for number in range(45):
        dataset = dataset.filter(lambda row, n=number: row != n).map(lambda row: row)
    assert dataset.collect() == [45, 46, 47, 48, 49]


# --- reduce ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [1, 2, 5, 13])
def test_reduce_folds_all_rows_in_row_order(new_flow: Runner, shards: int) -> None:
    assert new_flow().slice(WORDS, shards).reduce(add).collect() == ["".join(WORDS)]


def test_reduce_of_nothing_is_nothing_and_of_one_row_is_that_row(new_flow: Runner) -> None:
    flow = new_flow()
    assert flow.slice([], 3).reduce(add).collect() == []
    assert flow.slice(range(9), 3).filter(lambda x: x < 0).reduce(add).collect() == []
    assert flow.slice([None], 3).reduce(lambda x, y: "never called").collect() == [None]


def test_reduce_counts_none_as_a_row(new_flow: Runner) -> None:
    rows = [None, 1, None]
    dataset = new_flow().slice(rows, 1).reduce(lambda x, y: (x, y))
    assert dataset.collect() == [((None, 1), None)]


def test_reduce_takes_builtins_without_a_signature(new_flow: Runner) -> None:
    assert new_flow().slice([3, 9, 4], 2).reduce(max).collect() == [9]


# --- reduce_by_key -----------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [1, 3, 20])
def test_reduce_by_key_gives_one_pair_per_key_in_key_order(new_flow: Runner, shards: int) -> None:
    pairs = [(word, 1) for word in WORDS]
    dataset = new_flow().slice(pairs, shards).reduce_by_key(lambda x, y: x + y)
    assert dataset.shard_count == 1
    assert dataset.collect() == sorted(Counter(WORDS).items())


def test_reduce_by_key_reduces_the_values_in_row_order(new_flow: Runner) -> None:
    pairs = [(n % 2, str(n)) for n in range(10)]
    dataset = new_flow().slice(pairs, 3).reduce_by_key(lambda x, y: x + y)
    assert dataset.collect() == [(0, "02468"), (1, "13579")]


def test_reduce_by_key_takes_lists_and_gives_tuples(new_flow: Runner) -> None:
    dataset = new_flow().slice([["a", 1], ("a", 2)]).reduce_by_key(add)
    assert dataset.collect() == [("a", 3)]


def test_reduce_by_key_keeps_the_first_of_equal_keys(new_flow: Runner) -> None:
    dataset = new_flow().slice([(1, "a"), (1.0, "b"), (True, "c")], 2).reduce_by_key(add)
    rows = dataset.collect()
    assert rows == [(1, "abc")] and type(rows[0][0]) is int


def test_reduce_by_key_of_keys_without_an_order(new_flow: Runner) -> None:
    pairs = [(None, 1), ("a", 2), (3, 4), (None, 5), (("t",), 6), (Colour.RED, 1), ("a", 1)]
    rows = new_flow().slice(pairs, 3).reduce_by_key(add).collect()
    assert sorted(rows, key=repr) == sorted(
        [(None, 6), ("a", 3), (3, 4), (("t",), 6), (Colour.RED, 1)], key=repr
    )


def test_reduce_by_key_of_nothing_and_of_one_key(new_flow: Runner) -> None:
    flow = new_flow()
    assert flow.slice([], 2).reduce_by_key(add).collect() == []
    assert flow.slice([("k", 1)] * 100, 7).reduce_by_key(add).collect() == [("k", 100)]


def test_reduce_by_key_passes_values_that_are_none(new_flow: Runner) -> None:
    dataset = new_flow().slice([("k", None), ("k", None)]).reduce_by_key(lambda x, y: (x, y))
    assert dataset.collect() == [("k", (None, None))]


@pytest.mark.parametrize("row", [("k", 1, 2), ("k",), "ab", 7, None, {"k": 1}])
def test_reduce_by_key_shows_a_row_that_is_no_pair(new_flow: Runner, row: Any) -> None:
    dataset = new_flow().slice([("a", 1), row], 1).reduce_by_key(add)
    with pytest.raises(TaskFailed, match=r"reduce_by_key needs rows of \(key, value\)") as failure:
        dataset.collect()
    assert repr(row) in str(failure.value)


def test_reduce_by_key_shows_a_key_that_cannot_be_hashed(new_flow: Runner) -> None:
    dataset = new_flow().slice([(["a", "b"], 1)]).reduce_by_key(add)
    with pytest.raises(TaskFailed, match=r"\['a', 'b'\] cannot be hashed") as failure:
        dataset.run()
    assert "LocalReduceByKey" in str(failure.value) and "test_operators.py:" in str(failure.value)


# --- partition ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1), (3, 5), (7, 2), (2, 2)])
def test_partition_keeps_every_row_and_brings_equal_keys_together(
    new_flow: Runner, before: int, after: int
) -> None:
    pairs = [(word, number) for number, word in enumerate(WORDS * 3)]
    dataset = new_flow().slice(pairs, before).partition(after)
    assert dataset.shard_count == after
    shards = shards_of(dataset)
    assert len(shards) <= after
    assert sorted(row for shard in shards for row in shard) == sorted(pairs)
    homes: dict[str, set[int]] = {}
    for number, shard in enumerate(shards):
        for word, _ in shard:
            homes.setdefault(word, set()).add(number)
    assert all(len(numbers) == 1 for numbers in homes.values())
    for shard in shards:  # of a key, rows stay in order of the shards they came from
        assert [n for _, n in sorted(shard, key=itemgetter(0))] == [
            n for _, n in sorted(shard, key=itemgetter(0, 1))
        ]


def test_partition_uses_all_shards(new_flow: Runner) -> None:
    assert len(shards_of(new_flow().slice(range(0, 400, 4), 2).partition(4))) == 4


@pytest.mark.parametrize(
    "keys",
    [
        [1, 1.0, True, Metres(1), Level.LOW, Decimal(1), Fraction(1), 1 + 0j],
        ["a", Name("a")],
        [(1, None), (1.0, None), Point(1, None), (True, None)],
        [frozenset({1, "x"}), frozenset({"x", 1.0})],
        [-0.0, 0.0, 0, False],
        [City("Bonn", None), City("Bonn", None)],
        [None, None],
        [float("nan"), math.nan, -math.nan],
    ],
    ids=["numbers", "str", "tuples", "frozensets", "zeros", "dataclasses", "none", "nan"],
)
def test_equal_keys_of_different_types_land_together(new_flow: Runner, keys: list[Any]) -> None:
    rows = [(key, n) for n, key in enumerate(keys)]
    # one shard for each row: every key is hashed in a batch of its own
    assert len(shards_of(new_flow().slice(rows, len(rows)).partition(64))) == 1


def test_partition_of_rows_that_are_their_own_key(new_flow: Runner) -> None:
    rows = [None, "a", 1, None, "a", 1.0]
    shards = shards_of(new_flow().slice(rows, 2).partition(3))
    assert Counter(row for shard in shards for row in shard) == Counter(rows)
    assert all(sum(row in shard for shard in shards) == 1 for row in rows)


def test_partition_of_nothing(new_flow: Runner) -> None:
    assert new_flow().slice([], 3).partition(2).collect() == []


@pytest.mark.parametrize("row", [{"a": 1}, [["x"], 2], {1, 2}, bytearray(b"k"), (1, [2])])
def test_partition_shows_a_key_that_cannot_be_hashed(new_flow: Runner, row: Any) -> None:
    rows = [row if not isinstance(row, tuple) else (row, 0)]
    with pytest.raises(TaskFailed, match=r"cannot be hashed: unhashable type") as failure:
        new_flow().slice(rows).partition(2).run()
    assert "Partition_scatter" in str(failure.value) and "test_operators.py:" in str(failure.value)


class Thing:
    """Hashed by its address."""


def test_partition_refuses_keys_told_apart_by_address(new_flow: Runner) -> None:
    dataset = new_flow().slice([1]).map(lambda row: Thing()).partition(2)
    with pytest.raises(TaskFailed, match=r"Thing objects would be told apart by their address"):
        dataset.run()


# --- sort --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [1, 2, 7, 20])
@pytest.mark.parametrize("reverse", [False, True])
def test_sort_gives_the_whole_order_in_one_shard(
    new_flow: Runner, shards: int, reverse: bool
) -> None:
    dataset = new_flow().slice(WORDS, shards).sort(reverse=reverse)
    assert dataset.shard_count == 1
    assert dataset.collect() == sorted(WORDS, reverse=reverse)


@pytest.mark.parametrize("reverse", [False, True])
def test_sort_is_stable(new_flow: Runner, reverse: bool) -> None:
    rows = [(n * 7 % 3, n) for n in range(30)]
    expected = sorted(rows, key=itemgetter(0), reverse=reverse)
    flow = new_flow()
    assert flow.slice(rows, 4).sort(reverse=reverse).collect() == expected
    assert flow.slice(rows, 4).sort(key=lambda row: row[0], reverse=reverse).collect() == expected


def test_sort_without_a_key_compares_first_elements_only(new_flow: Runner) -> None:
    rows: list[Any] = [(2, {}), (1, None), [1, {}], (2, None)]
    assert new_flow().slice(rows, 2).sort().collect() == [
        (1, None),
        [1, {}],
        (2, {}),
        (2, None),
    ]


def test_sort_passes_the_row_to_its_key(new_flow: Runner) -> None:
    rows = [("b", 1), ("a", 2), ("c", 0)]
    assert new_flow().slice(rows, 2).sort(key=itemgetter(1)).collect() == [
        ("c", 0),
        ("b", 1),
        ("a", 2),
    ]
    assert new_flow().slice(["bb", "a"]).sort(key=len).collect() == ["a", "bb"]


def test_sort_of_nothing_and_after_a_sort(new_flow: Runner) -> None:
    flow = new_flow()
    assert flow.slice([], 2).sort().collect() == []
    assert flow.slice([2, 3, 1], 2).sort().sort(reverse=True).collect() == [3, 2, 1]
    assert flow.slice([2, 3, 1], 2).sort(reverse=True).sort().collect() == [1, 2, 3]


@pytest.mark.parametrize("rows", [[1, "a"], [None, 1], [1j, 2j], [{}, {}]], ids=repr)
def test_sort_says_which_keys_it_cannot_order(new_flow: Runner, rows: list[Any]) -> None:
    with pytest.raises(
        TaskFailed, match=r"sort cannot order its keys: .* not supported"
    ) as failure:
        new_flow().slice(rows).sort().collect()
    kinds = ", ".join(sorted({type(row).__name__ for row in rows}))
    assert f"keys are of type {kinds}" in str(failure.value)
    assert "LocalSort" in str(failure.value)


# --- sources -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [1, 2, 3, 10])
def test_slice_lays_rows_into_contiguous_shards(new_flow: Runner, shards: int) -> None:
    found = shards_of(new_flow().slice(range(7), shards))
    assert [row for shard in found for row in shard] == list(range(7))
    sizes = [len(shard) for shard in found]
    assert max(sizes) - min(sizes) <= 1 and len(found) == min(shards, 7)


def test_slice_takes_any_iterable_once(new_flow: Runner) -> None:
    dataset = new_flow().slice(iter("abc"), 2)
    assert dataset.collect() == ["a", "b", "c"]
    assert dataset.count() == 3


def test_slice_copies_the_callers_list(new_flow: Runner) -> None:
    rows = [1, 2]
    dataset = new_flow().slice(rows)
    rows.append(3)
    assert dataset.collect() == [1, 2]


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 5000])
def test_source_deals_its_rows_round_robin(new_flow: Runner, shards: int, count: int) -> None:
    dataset = new_flow().source(lambda: range(count), shards)
    assert dataset.shard_count == shards
    rows = list(range(count))
    assert dataset.collect() == [row for first in range(shards) for row in rows[first::shards]]


def test_source_takes_a_generator_function(new_flow: Runner) -> None:
    def rows() -> Iterable[str]:
        yield "a"
        yield "b"

    assert new_flow().source(rows, 2).collect() == ["a", "b"]


def test_source_that_raises_names_its_step(new_flow: Runner) -> None:
    def rows() -> Iterable[int]:
        yield 1
        raise OSError("the tape is torn")

    with pytest.raises(TaskFailed, match=r"Source0 .* failed on .*: OSError: the tape is torn"):
        new_flow().source(rows, 2).collect()


# --- terminal calls ----------------------------------------------------------------------------


def test_count_counts_rows_of_all_shards(new_flow: Runner) -> None:
    flow = new_flow()
    dataset = flow.slice(range(100), 7)
    assert dataset.count() == 100
    assert dataset.filter(lambda x: x > 95).count() == 4
    assert flow.slice([], 2).count() == 0
    assert dataset.partition(3).count() == 100


def test_run_gives_nothing_and_runs_each_leaf(new_flow: Runner, tmp_path: Path) -> None:
    flow = new_flow()
    numbers = flow.slice(range(4), 2)

    def note(number: int) -> None:
        (tmp_path / str(number)).touch()

    numbers.map(lambda n: note(n))
    numbers.map(lambda n: note(n + 100))
    flow.run()
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == [0, 1, 2, 3, *range(100, 104)]


def test_a_run_computes_only_what_it_needs(new_flow: Runner, tmp_path: Path) -> None:
    flow = new_flow()
    numbers = flow.slice(range(3))
    numbers.map(lambda n: (tmp_path / "touched").touch())
    numbers.map(lambda n: n + 1).run()
    assert not (tmp_path / "touched").exists()


def test_a_dataset_can_be_read_many_times_and_the_flow_may_grow(new_flow: Runner) -> None:
    flow = new_flow()
    words = flow.slice(WORDS, 3)
    assert words.count() == len(WORDS)
    longest = words.map(len).reduce(max).collect()[0]
    assert words.filter(lambda word: len(word) == longest).collect() == ["quick", "brown", "jumps"]
    assert words.collect() == WORDS


def test_one_dataset_with_two_readers_in_one_run(new_flow: Runner) -> None:
    flow = new_flow()
    squares = flow.slice(range(5), 2).map(lambda x: x * x)
    squares.map(lambda x: x + 1)
    squares.reduce(add)
    flow.run()
    assert squares.reduce(add).collect() == [30]


# --- save_text_to_file -------------------------------------------------------------------------


def test_save_writes_a_line_per_row_in_shard_order(new_flow: Runner, tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    new_flow().slice(["a", 1, None, ("x", 2)], 3).save_text_to_file(path)
    assert path.read_bytes() == b"a\n1\nNone\n('x', 2)\n"


@pytest.mark.parametrize("rows", [[], ["only"], ["", ""]])
def test_save_writes_nothing_for_empty_shards(
    new_flow: Runner, tmp_path: Path, rows: list[str]
) -> None:
    path = tmp_path / "out.txt"
    new_flow().slice(rows, 3).save_text_to_file(path)
    assert path.read_text() == "".join(f"{row}\n" for row in rows)


def test_save_writes_utf8_whatever_the_locale(new_flow: Runner, tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    new_flow().slice(["Köln", "東京", "🙂", "\u2028"], 2).save_text_to_file(str(path))
    assert path.read_bytes() == "Köln\n東京\n🙂\n\u2028\n".encode()


def test_save_of_many_rows_equals_what_was_given(new_flow: Runner, tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    new_flow().source(lambda: range(30_000), 1).map(lambda n: "x" * (n % 90)).save_text_to_file(
        path
    )
    assert path.read_text() == "".join("x" * (n % 90) + "\n" for n in range(30_000))


def test_save_replaces_an_older_file_only_when_all_is_there(
    new_flow: Runner, tmp_path: Path
) -> None:
    path = tmp_path / "out.txt"
    path.write_text("older")
    with pytest.raises(TaskFailed, match="ZeroDivisionError"):
        new_flow().slice([1, 0], 2).map(lambda x: 1 / x).save_text_to_file(path)
    assert path.read_text() == "older"
    assert [each.name for each in tmp_path.iterdir()] == ["out.txt"]
    new_flow().slice([1, 2], 2).save_text_to_file(path)
    assert path.read_text() == "1\n2\n"
    assert [each.name for each in tmp_path.iterdir()] == ["out.txt"]


def test_save_where_nothing_can_be_written(new_flow: Runner, tmp_path: Path) -> None:
    dataset = new_flow().slice([1])
    with pytest.raises(OutputError, match="is a directory"):
        dataset.save_text_to_file(tmp_path)
    with pytest.raises(OutputError, match=r"cannot write .*none/out: No such file or directory"):
        dataset.save_text_to_file(tmp_path / "none" / "out")


def test_save_of_a_row_that_has_no_text(new_flow: Runner, tmp_path: Path) -> None:
    with pytest.raises(TaskFailed, match="UnicodeEncodeError") as failure:
        new_flow().slice(["\ud800"]).save_text_to_file(tmp_path / "out")
    assert repr("\ud800") in str(failure.value)
    assert list(tmp_path.iterdir()) == []


# --- rows travel as they are -------------------------------------------------------------------


def test_rows_come_back_equal_and_of_the_same_type(new_flow: Runner) -> None:
    for shards in (1, 4):
        rows = new_flow().slice(UGLY, shards).map(lambda row: row).collect()
        assert len(rows) == len(UGLY)
        different = [(a, b) for a, b in zip(UGLY, rows, strict=True) if not same(a, b)]
        assert different == []


@pytest.mark.parametrize("row", UGLY, ids=lambda row: repr(row)[:40].encode("ascii", "replace"))
def test_a_row_comes_back_the_same_alone_in_a_tuple_and_across_shards(row: Any) -> None:
    flow = Runner("inline", ("-glow.inline",))()
    rows = [row, (row, row), [row], {"k": row}]
    for dataset in (flow.slice(rows, 2), flow.source(lambda: rows, 1).reduce(lambda x, y: y)):
        found = dataset.map(lambda each: each).collect()
        assert same(found, rows if len(found) > 1 else rows[-1:])


def test_rows_of_classes_that_no_module_holds(new_flow: Runner) -> None:
    @dataclass
    class Local:
        number: int

    rows = new_flow().slice([1, 2], 2).map(Local).map(lambda row: (row, row.number)).collect()
    assert [number for _, number in rows] == [1, 2]
    assert [row.number for row, _ in rows] == [1, 2]
    assert {type(row).__name__ for row, _ in rows} == {"Local"}


def test_functions_keep_their_closures_defaults_and_state(new_flow: Runner) -> None:
    offset = 10

    class Adder:
        def __init__(self, number: int) -> None:
            self.number = number

        def __call__(self, row: int) -> int:
            return row + self.number

        def twice(self, row: int) -> int:
            return row + 2 * self.number

    dataset = new_flow().slice([1, 2], 2).map(lambda row: row + offset).map(Adder(100))
    assert dataset.map(Adder(1000).twice).collect() == [2111, 2112]


def test_a_row_that_cannot_travel_is_shown(new_flow: Runner) -> None:
    dataset = new_flow().slice([1]).map(lambda row: (row, (n for n in [1])))
    with pytest.raises(TaskFailed, match=r"row \(1, <generator .* cannot be pickled") as failure:
        dataset.collect()
    assert "Map1" in str(failure.value)


# --- all together ------------------------------------------------------------------------------


def test_word_count(new_flow: Runner) -> None:
    lines = [" ".join(WORDS[n:] + WORDS[:n]) for n in range(len(WORDS))]
    counts = (
        new_flow()
        .slice(lines, 4)
        .flat_map(str.split)
        .map(lambda word: (word, 1))
        .partition(3)
        .reduce_by_key(lambda x, y: x + y)
        .sort(key=lambda pair: (-pair[1], pair[0]))
        .collect()
    )
    expected = Counter(word for line in lines for word in line.split())
    assert counts == sorted(expected.items(), key=lambda pair: (-pair[1], pair[0]))


def test_large_rows_and_many_rows(new_flow: Runner) -> None:
    big = ["x" * 3_000_000, "y", "z" * 2_000_000]
    assert new_flow().slice(big, 2).map(lambda row: row + "!").map(len).collect() == [
        3_000_001,
        2,
        2_000_001,
    ]
    rows = new_flow().source(lambda: range(40_000), 3).partition(2).sort().collect()
    assert rows == list(range(40_000))


def test_definition_errors_are_glow_errors_and_start_nothing(new_flow: Runner) -> None:
    flow = new_flow()
    with pytest.raises(DefinitionError, match=r"^test_operators\.py:\d+: run\(\) of a flow"):
        flow.run()
    assert issubclass(DefinitionError, GlowError)
    assert reduce(add, [1, 2]) == 3
