"""The table of uses: every public method of Dataset and Flow, over ugly data."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from glowpy import Channel, Dataset, Flow
from tests.operators.ugly import (
    ALL_WORK,
    EMPTY,
    HASHED,
    ORDERED_PAIRS,
    PAIRS,
    ROWS,
    STORED,
    Call,
    Data,
    Elsewhere,
    Fault,
    Rows,
    Shards,
    Source,
    Use,
    all_rows,
    groups_of,
)
from tests.ugly_rows import UGLY, written_length


def boxed(row: Any) -> list[Any]:
    return [row]


def joined(left: list[Any], right: list[Any]) -> list[Any]:
    return left + right


def is_pair(row: Any) -> bool:
    return isinstance(row, tuple) and len(row) == 2


def backwards(rows: Iterator[Any]) -> list[Any]:
    return list(rows)[::-1]


def numbered(rows: Iterator[Any], shard: int) -> Iterator[Any]:
    for row in rows:
        yield shard, row


def leave_a_mark(path: Path, row: Any) -> None:
    with path.open("ab", 0) as file:
        file.write(b".")


def sent(flow: Flow, data: Data) -> Dataset:
    channel = Channel(capacity=1000)
    with channel:
        for row in data.rows:
            channel.send(row)
    return flow.channel(channel, data.shard_count)


def received(rows: Dataset, _path: Path) -> list[Any]:
    channel = Channel(capacity=1000)
    rows.add_output(channel)
    rows.run()
    return list(channel)


def marks_left(rows: Dataset, path: Path) -> int:
    path.touch()
    rows.for_each(partial(leave_a_mark, path))
    return path.stat().st_size


def text_saved(rows: Dataset, path: Path) -> str:
    rows.save_text_to_file(path)
    return path.read_text(encoding="utf-8")


def bytes_saved(rows: Dataset, path: Path) -> bytes:
    rows.save_bytes_to_file(path)
    return path.read_bytes()


def key_of(row: Any) -> Any:
    return row[0]


def folded(rows: Rows) -> Rows:
    """The fold of boxed rows by `joined`."""
    return [rows] if rows else []


def dealt_shards(shards: Shards, count: int) -> Shards:
    """Rows dealt round robin by each shard; shard n starts at part n."""
    parts: Shards = [[] for _ in range(count)]
    for number, shard in enumerate(shards):
        for place, row in enumerate(shard):
            parts[(number + place) % count].append(row)
    return parts


def dealt(shards: Shards, count: int) -> Rows:
    return all_rows(dealt_shards(shards, count))


def reduced(shards: Shards) -> Rows:
    return [(key, values) for key, values in groups_of(all_rows(shards))]


def cogrouped(shards: Shards) -> Rows:
    rows = all_rows(shards)
    return [tuple(group) for group in groups_of(rows, rows)]


def combined(shards: Shards, *, left: bool = False, right: bool = False) -> Rows:
    """The rows joined with themselves; rows without a partner get None."""
    rows = []
    for key, ours, theirs in cogrouped(shards):
        some = ours or ([None] if right else [])
        others = theirs or ([None] if left else [])
        rows += [(key, one, other) for one in some for other in others]
    return rows


def looked_up(shards: Shards) -> Rows:
    """Each row with every value of its key, or with None without a match."""
    rows = all_rows(shards)
    return [
        (key, value, other)
        for key, value in rows
        for other in [other for same, other in rows if same == key] or [None]
    ]


LINES = [*EMPTY, Data("lines", 3, ["b", "", "é🙂", "a b", "\x00"]), Data("one line", 4, ["x"])]
ENDS = [*EMPTY, Data("one row", 4, [None]), Data("rows of all kinds", 3, UGLY)]
BYTES = [*EMPTY, Data("bytes", 3, [b"", b"\x00\n", bytearray(b"a"), b"\xff", b"\r\n"])]
TEXTS = [*EMPTY, Data("texts", 3, ["a", 1, None, (1, "é"), "", -0.0, "\U0001f642"])]
PAIRED = HASHED | {Fault.NO_PAIR}

Entry = Use | Call | Source | Elsewhere
TABLE: dict[str, Entry] = {
    # --- sources ---
    "Flow.slice": Source(
        lambda flow, data: flow.slice(data.rows, data.shard_count), lambda data: data.rows, ROWS
    ),
    "Flow.source": Source(
        lambda flow, data: flow.source(lambda: iter(data.rows), data.shard_count),
        lambda data: dealt([data.rows], data.shard_count),
        ROWS,
    ),
    "Flow.text_file": Elsewhere("test_text.py::test_every_line_is_read_once_and_in_order"),
    "Flow.start": Elsewhere(
        "operators/test_channels.py::test_each_row_comes_back_before_the_next_is_sent"
    ),
    "Flow.run": Elsewhere("operators/test_runs.py::test_run_gives_nothing_and_runs_each_leaf"),
    "Flow.channel": Source(sent, lambda data: dealt([data.rows], data.shard_count), ENDS),
    "Flow.named_channel": Elsewhere(
        "operators/test_channel_failures.py::test_calls_that_make_no_sense"
    ),
    # --- one row after another ---
    "Dataset.map": Use(
        lambda rows: rows.map(boxed),
        lambda shards: list(map(boxed, all_rows(shards))),
        ROWS,
        STORED,
    ),
    "Dataset.flat_map": Use(
        lambda rows: rows.flat_map(lambda row: [row, row]),
        lambda shards: [row for row in all_rows(shards) for _ in range(2)],
        ROWS,
        STORED,
    ),
    "Dataset.filter": Use(
        lambda rows: rows.filter(is_pair),
        lambda shards: list(filter(is_pair, all_rows(shards))),
        ROWS,
        STORED,
    ),
    "Dataset.key_by": Use(
        lambda rows: rows.key_by(boxed),
        lambda shards: [([row], row) for row in all_rows(shards)],
        ROWS,
        STORED,
    ),
    "Dataset.map_values": Use(
        lambda rows: rows.map_values(boxed),
        lambda shards: [(key, [value]) for key, value in all_rows(shards)],
        PAIRS,
        STORED | {Fault.NO_PAIR},
    ),
    "Dataset.sample": Use(lambda rows: rows.sample(1.0), all_rows, ROWS, STORED),
    "Dataset.pipe": Use(lambda rows: rows.pipe("cat"), all_rows, LINES, ALL_WORK),
    # --- whole shards ---
    "Dataset.reduce": Use(
        lambda rows: rows.map(boxed).reduce(joined),
        lambda shards: folded(all_rows(shards)),
        ROWS,
        STORED,
    ),
    "Dataset.local_reduce": Use(
        lambda rows: rows.map(boxed).local_reduce(joined),
        lambda shards: [row for shard in shards for row in folded(shard)],
        ROWS,
        STORED,
    ),
    "Dataset.merge_reduce": Use(
        lambda rows: rows.map(boxed).merge_reduce(joined),
        lambda shards: folded(all_rows(shards)),
        ROWS,
        STORED,
    ),
    "Dataset.map_partitions": Use(
        lambda rows: rows.map_partitions(backwards).map_partitions(numbered),
        lambda shards: [(n, row) for n, shard in enumerate(shards) for row in shard[::-1]],
        ROWS,
        STORED,
    ),
    "Dataset.round_robin": Use(
        lambda rows: rows.round_robin(3), lambda shards: dealt(shards, 3), ROWS, STORED
    ),
    "Dataset.coalesce": Use(lambda rows: rows.coalesce(2), all_rows, ROWS, STORED),
    "Dataset.limit": Use(
        lambda rows: rows.limit(7), lambda shards: all_rows(shards)[:7], ROWS, STORED
    ),
    "Dataset.union": Use(
        lambda rows: rows.union(rows, rows.map(boxed)),
        lambda shards: all_rows(shards) * 2 + list(map(boxed, all_rows(shards))),
        ROWS,
        STORED,
    ),
    "Dataset.sort": Use(
        lambda rows: rows.sort(),
        lambda shards: sorted(all_rows(shards), key=key_of),
        ORDERED_PAIRS,
        STORED | {Fault.KEYS_WITHOUT_ORDER, Fault.ADDRESS_AS_HASH},
    ),
    "Dataset.local_sort": Use(
        lambda rows: rows.local_sort(),
        lambda shards: [row for shard in shards for row in sorted(shard, key=key_of)],
        ORDERED_PAIRS,
        STORED | {Fault.KEYS_WITHOUT_ORDER, Fault.ADDRESS_AS_HASH},
    ),
    "Dataset.merge_sorted": Use(
        lambda rows: rows.local_sort(reverse=True).merge_sorted(reverse=True),
        lambda shards: sorted(all_rows(shards), key=key_of, reverse=True),
        ORDERED_PAIRS,
        STORED | {Fault.KEYS_WITHOUT_ORDER, Fault.ADDRESS_AS_HASH},
    ),
    # --- equal keys ---
    "Dataset.partition": Use(
        lambda rows: rows.partition(3), all_rows, PAIRS, HASHED, in_order=False
    ),
    "Dataset.reduce_by_key": Use(
        lambda rows: rows.map_values(boxed).reduce_by_key(joined),
        reduced,
        PAIRS,
        PAIRED,
        in_order=False,
    ),
    "Dataset.local_reduce_by_key": Use(
        lambda rows: rows.map_values(boxed).local_reduce_by_key(joined),
        lambda shards: [row for shard in shards for row in reduced([shard])],
        PAIRS,
        PAIRED,
        in_order=False,
    ),
    "Dataset.reduce_by_user_defined_key": Use(
        lambda rows: rows.map_values(boxed).reduce_by_user_defined_key(lambda key: key, joined),
        reduced,
        PAIRS,
        PAIRED,
        in_order=False,
    ),
    "Dataset.distinct": Use(
        lambda rows: rows.map(key_of).distinct(),
        lambda shards: [row[0] for row in reduced([[(r[0], 0) for r in all_rows(shards)]])],
        PAIRS,
        HASHED - STORED,  # the step drops the values
        in_order=False,
    ),
    "Dataset.broadcast_join": Use(
        lambda rows: rows.broadcast_join(rows, left_outer=True),
        looked_up,
        PAIRS,
        PAIRED,
    ),
    "Dataset.group_by_key": Use(
        lambda rows: rows.group_by_key(), reduced, PAIRS, PAIRED, in_order=False
    ),
    "Dataset.local_group_by_key": Use(
        lambda rows: rows.local_group_by_key(),
        lambda shards: [row for shard in shards for row in reduced([shard])],
        PAIRS,
        PAIRED,
        in_order=False,
    ),
    "Dataset.cogroup": Use(
        lambda rows: rows.cogroup(rows), cogrouped, PAIRS, PAIRED, in_order=False
    ),
    "Dataset.join": Use(lambda rows: rows.join(rows), combined, PAIRS, PAIRED, in_order=False),
    "Dataset.left_outer_join": Use(
        lambda rows: rows.left_outer_join(rows),
        lambda shards: combined(shards, left=True),
        PAIRS,
        PAIRED,
        in_order=False,
    ),
    "Dataset.right_outer_join": Use(
        lambda rows: rows.right_outer_join(rows),
        lambda shards: combined(shards, right=True),
        PAIRS,
        PAIRED,
        in_order=False,
    ),
    "Dataset.full_outer_join": Use(
        lambda rows: rows.full_outer_join(rows),
        lambda shards: combined(shards, left=True, right=True),
        PAIRS,
        PAIRED,
        in_order=False,
    ),
    "Dataset.join_partitioned_sorted": Use(
        lambda rows: rows.partition(3).join_partitioned_sorted(rows.partition(3)),
        combined,
        PAIRS,
        PAIRED,
        in_order=False,
    ),
    "Dataset.cogroup_partitioned_sorted": Use(
        lambda rows: rows.partition(3).cogroup_partitioned_sorted(rows.partition(3)),
        cogrouped,
        PAIRS,
        PAIRED,
        in_order=False,
    ),
    "Dataset.explain": Elsewhere(
        "test_plots.py::test_the_picture_of_steps_and_the_text_have_the_same_groups"
    ),
    "Dataset.plot": Elsewhere("test_plots.py::test_a_node_for_each_step_with_its_tasks_and_line"),
    # --- channels and terminal calls ---
    "Dataset.add_output": Call(received, all_rows, ENDS, STORED),
    "Dataset.collect": Call(lambda rows, _: rows.collect(), all_rows, ENDS, STORED),
    "Dataset.count": Call(
        lambda rows, _: rows.count(), lambda shards: len(all_rows(shards)), ENDS, ALL_WORK
    ),
    "Dataset.run": Call(lambda rows, _: rows.run(), lambda shards: None, ENDS, ALL_WORK),
    "Dataset.take": Call(
        lambda rows, _: rows.take(7), lambda shards: all_rows(shards)[:7], ENDS, STORED
    ),
    "Dataset.top": Call(
        lambda rows, _: rows.top(7, key=written_length),
        lambda shards: sorted(all_rows(shards), key=written_length, reverse=True)[:7],
        ENDS,
        STORED,
    ),
    "Dataset.for_each": Call(
        marks_left,
        lambda shards: len(all_rows(shards)),
        ENDS,
        ALL_WORK,
    ),
    "Dataset.save_text_to_file": Call(
        text_saved,
        lambda shards: "".join(f"{row}\n" for row in all_rows(shards)),
        TEXTS,
        ALL_WORK,
    ),
    "Dataset.save_bytes_to_file": Call(
        bytes_saved,
        lambda shards: b"".join(all_rows(shards)),
        BYTES,
        frozenset(Fault),
        says="needs rows of bytes",
    ),
}
