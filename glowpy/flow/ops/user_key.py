"""reduce_by_user_defined_key: equality and order by a function of the key.

Rows are stored as (result of the user's function, row) between LocalSort, where the function is
called once per row, and the end of the last LocalReduceByKey (Go: flow/dataset_reduce.go).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from glowpy.errors import unhashable
from glowpy.flow.arguments import check_key, check_reducer
from glowpy.flow.graph import ALL_TO_ONE, ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.by_key import combine_by_key, fold_by_key
from glowpy.flow.ops.fold_tables import Folding
from glowpy.flow.ops.kernel import Batch, BatchOp, PassOp, Row, Stream, TaskContext, chain
from glowpy.flow.ops.keys import check_pairs, pairs_with_distinct_nans
from glowpy.flow.ops.memory import BatchSizer
from glowpy.flow.ops.sorted_runs import Table

_OPERATOR = "reduce_by_user_defined_key"


def add_reduce_by_user_defined_key_steps(
    graph: Graph,
    source: DatasetNode,
    key: Callable[[Row], Row],
    function: Callable[[Row, Row], Row],
) -> DatasetNode:
    """Append the steps of a reduce_by_key; the first computes the substitute for the key."""
    check_key(key, _OPERATOR)
    check_reducer(function, _OPERATOR)
    location = user_location()
    tasks = source.shard_count
    keyed = graph.add_step(
        "LocalSort",
        BatchOp(partial(keyed_kernel, key)),
        ((source, ONE_TO_ONE),),
        location,
        task_count=tasks,
    )
    local = graph.add_step(
        "LocalReduceByKey",
        BatchOp(partial(combine_kernel, function)),
        ((keyed, ONE_TO_ONE),),
        location,
        task_count=tasks,
    )
    merged = graph.add_step("MergeSorted", PassOp(), ((local, ALL_TO_ONE),), location, task_count=1)
    return graph.add_step(
        "LocalReduceByKey",
        BatchOp(partial(fold_kernel, function)),
        ((merged, ONE_TO_ONE),),
        location,
        task_count=1,
    )


def keyed_kernel(
    key: Callable[[Row], Row], _context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """(K, V) → (key of K, (K, V))."""
    for batch in chain(edges[0]):
        check_pairs(batch, _OPERATOR)
        rows: Batch = []
        for row in batch:
            found = key(row[0])
            try:
                hash(found)
            except TypeError as exc:
                raise unhashable("the key function's result", found, exc) from exc
            rows.append((found, row))
        yield pairs_with_distinct_nans(rows)


def combine_kernel(
    function: Callable[[Row, Row], Row], context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """(key of K, (K, V)) → fewer rows of the same form."""
    fold = partial(_fold, function)
    return combine_by_key(fold, fold, context, chain(edges[0]))


def fold_kernel(
    function: Callable[[Row, Row], Row], context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """(key of K, (K, V)) → (K, V), one row for each key of K; K is the first of equal keys."""
    fold = partial(_fold, function)
    for batch in fold_by_key(fold, fold, context, chain(edges[0])):
        yield [tuple(row) for _key, row in batch]


def _fold(
    function: Callable[[Row, Row], Row], batches: Stream, sizer: BatchSizer, table: Table
) -> Folding:
    taken, add = 0, table.__setitem__
    for batch in batches:
        for key, row in pairs_with_distinct_nans(batch):
            if key in table:
                first, total = table[key]
                table[key] = first, function(total, row[1])
            else:
                add(key, row)
        taken += len(batch)
        if taken >= sizer.rows:
            sent = yield
            table, add = (table, add) if sent is None else sent
            taken = 0
