"""source, slice, text_file: the sources of rows (Go: flow/dataset_source.go)."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Union

from glowpy.errors import NotComputed
from glowpy.flow.arguments import check_shards, definition_error
from glowpy.flow.graph import ONE_TO_ONE, DatasetNode, Graph, OutputKind, Step
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import BatchOp, PassOp, Row, Stream, TaskContext, TextOp
from glowpy.flow.ops.memory import batches_from

PathLike = Union[str, "os.PathLike[str]"]


def add_function_source(
    graph: Graph, function: Callable[[], Iterable[Row]], shards: int
) -> DatasetNode:
    """Add a source: one task calls the function and deals its rows round robin, as in Glow."""
    shards = check_shards(shards, "source")
    if not callable(function):
        raise definition_error(
            f"source() needs a function that returns rows, not {type(function).__qualname__}; "
            "for existing rows use slice()"
        )
    return graph.add_step(
        "Source",
        BatchOp(partial(source_kernel, function)),
        (),
        user_location(),
        task_count=1,
        shard_count=shards,
        output_kind=OutputKind.DEAL if shards > 1 else OutputKind.ONE_SHARD,
    )


def source_kernel(
    function: Callable[[], Iterable[Row]],
    context: TaskContext,
    _edges: Sequence[Sequence[Stream]],
) -> Stream:
    """Yield the rows of the user's iterable."""
    yield from batches_from(function(), context.wanted_rows)


def add_slice(graph: Graph, rows: Iterable[Row], shards: int) -> DatasetNode:
    """Add rows of the driver program, in contiguous shards of its own store.

    The Input step reads them there. They are never computed again, so that the result does not
    depend on the expression's value in a task's run of the script.
    """
    shards = check_shards(shards, "slice")
    try:
        kept = tuple(rows)
    except NotComputed:
        raise
    except TypeError as exc:
        raise definition_error(f"slice() needs rows to iterate over, not {rows!r:.100}") from exc
    stored = DatasetNode(
        id=len(graph.steps),
        shard_count=shards,
        part_count=shards,
        output_kind=OutputKind.ONE_SHARD,
        rows=kept,
    )
    return graph.add_step(
        "Input", PassOp(), ((stored, ONE_TO_ONE),), user_location(), task_count=shards
    )


def slice_shard(dataset: DatasetNode, shard: int) -> Sequence[Row]:
    """Return the rows of one shard of a slice."""
    assert dataset.rows is not None
    total = len(dataset.rows)
    first = total * shard // dataset.shard_count
    return dataset.rows[first : total * (shard + 1) // dataset.shard_count]


def without_rows(step: Step) -> Step:
    """Return the step for tasks: rows of a slice, and channels, stay with the driver."""
    if not any(dataset.rows or dataset.feed for dataset, _edge in step.inputs):
        return step
    inputs = tuple((_bare(dataset), edge) for dataset, edge in step.inputs)
    return Step(
        id=step.id,
        name=step.name,
        op=step.op,
        task_count=step.task_count,
        inputs=inputs,
        output=step.output,
        location=step.location,
    )


def _bare(dataset: DatasetNode) -> DatasetNode:
    if dataset.rows:
        return dataset._replace(rows=())
    if dataset.feed is not None:
        return dataset._replace(feed=dataset.feed._replace(channel=None))
    return dataset


def add_text_file(
    graph: Graph,
    path: PathLike | Iterable[PathLike],
    shards: int,
    encoding: str,
    errors: str,
) -> DatasetNode:
    """Add the lines of files; unlike in Glow, each shard's task reads a part of the files."""
    shards = check_shards(shards, "text_file")
    patterns = _patterns(path)
    try:
        "\n".encode(encoding)  # unlike codecs.lookup, encode refuses base64 and similar codecs
        codecs.lookup_error(errors)
    except (LookupError, TypeError, ValueError) as exc:
        raise definition_error(f"text_file(): {exc}") from exc
    return graph.add_step(
        "Source", TextOp(patterns, encoding, errors), (), user_location(), task_count=shards
    )


def _patterns(path: PathLike | Iterable[PathLike]) -> tuple[str, ...]:
    paths: list[Any]
    if isinstance(path, (str, bytes, os.PathLike)) or not isinstance(path, Iterable):
        paths = [path]
    else:
        paths = list(path)
    if not paths:
        raise definition_error("text_file() got an empty list of paths")
    for each in paths:
        if not isinstance(each, (str, os.PathLike)) or not os.fspath(each):
            raise definition_error(f"text_file() needs a path, a glob or a list, not {each!r}")
    return tuple(os.fspath(each) for each in paths)
