"""Every operator of Dataset in a form that accepts the rows of any other operator.

`OPERATORS` names each method that makes a dataset from a dataset; `ENDS` names all other public
methods. tests/operators/test_take_of_everything.py fails if a public method is in neither.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from glowpy import Dataset

Make = Callable[[Dataset, Dataset], Dataset]  # from pairs, and pairs of another dataset

ENDS = {
    *("add_output", "collect", "count", "explain", "for_each", "plot", "run"),
    *("save_bytes_to_file", "save_text_to_file", "take", "top"),
}


def as_pair(row: Any) -> tuple[str, str]:
    """A pair for any row: a few different keys of one type."""
    text = str(row)
    return "xyz"[len(text) % 3], text


def is_kept(row: Any) -> bool:
    return len(str(row)) % 5 > 0


def joined(left: Any, right: Any) -> str:
    """An associative function: folding partial folds equals folding all rows."""
    return f"{left}{right}"


def as_text(value: Any) -> str:
    return f"<{value}>"


def numbered(rows: Iterator[Any], shard: int) -> Iterator[Any]:
    for place, row in enumerate(rows):
        yield shard, place, row


# By method; methods whose steps depend on the arguments have several entries.
OPERATORS: dict[str, tuple[Make, ...]] = {
    "map": (lambda rows, _: rows.map(lambda key, value: (value, key)),),
    "flat_map": (lambda rows, _: rows.flat_map(lambda row: [row] * (len(str(row)) % 3)),),
    "filter": (lambda rows, _: rows.filter(is_kept),),
    "key_by": (lambda rows, _: rows.key_by(as_text),),
    "map_values": (lambda rows, _: rows.map_values(as_text),),
    "sample": (lambda rows, _: rows.sample(0.7),),
    "pipe": (lambda rows, _: rows.pipe(["cat"]),),
    "reduce": (lambda rows, _: rows.map(str).reduce(operator.add),),
    "local_reduce": (lambda rows, _: rows.map(str).local_reduce(operator.add),),
    "merge_reduce": (lambda rows, _: rows.map(str).merge_reduce(operator.add),),
    "map_partitions": (lambda rows, _: rows.map_partitions(numbered),),
    "round_robin": (lambda rows, _: rows.round_robin(2), lambda rows, _: rows.round_robin(7)),
    "coalesce": (lambda rows, _: rows.coalesce(2), lambda rows, _: rows.coalesce(1)),
    "limit": (lambda rows, _: rows.limit(4), lambda rows, _: rows.limit(0)),
    "union": (lambda rows, other: rows.union(other), lambda rows, _: rows.union(rows)),
    "sort": (
        lambda rows, _: rows.sort(),
        lambda rows, _: rows.sort(key=lambda row: row[1], reverse=True),
        lambda rows, _: rows.sort(shards=3),
        lambda rows, _: rows.sort(key=as_text, shards=2),
    ),
    "local_sort": (lambda rows, _: rows.local_sort(),),
    "merge_sorted": (lambda rows, _: rows.local_sort().merge_sorted(),),
    "partition": (lambda rows, _: rows.partition(3), lambda rows, _: rows.partition(1)),
    "reduce_by_key": (
        lambda rows, _: rows.reduce_by_key(joined),
        lambda rows, _: rows.reduce_by_key(joined, shards=3),
    ),
    "local_reduce_by_key": (lambda rows, _: rows.local_reduce_by_key(joined),),
    "reduce_by_user_defined_key": (
        lambda rows, _: rows.reduce_by_user_defined_key(as_text, joined),
    ),
    "group_by_key": (lambda rows, _: rows.group_by_key(),),
    "local_group_by_key": (lambda rows, _: rows.local_group_by_key(),),
    "distinct": (lambda rows, _: rows.distinct(),),
    "join": (lambda rows, other: rows.join(other), lambda rows, _: rows.join(rows)),
    "left_outer_join": (lambda rows, other: rows.left_outer_join(other),),
    "right_outer_join": (lambda rows, other: rows.right_outer_join(other),),
    "full_outer_join": (lambda rows, other: rows.full_outer_join(other),),
    "join_partitioned_sorted": (
        lambda rows, other: rows.partition(2).join_partitioned_sorted(other.partition(2)),
    ),
    "broadcast_join": (
        lambda rows, other: rows.broadcast_join(other, left_outer=True),
        lambda rows, _: rows.broadcast_join(rows),
    ),
    "cogroup": (lambda rows, other: rows.cogroup(other),),
    "cogroup_partitioned_sorted": (
        lambda rows, other: rows.partition(2).cogroup_partitioned_sorted(other.partition(2)),
    ),
}
NAMED = {
    f"{name}{number or ''}": make
    for name, makes in OPERATORS.items()
    for number, make in enumerate(makes)
}
