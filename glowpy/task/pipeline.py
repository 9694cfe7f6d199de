"""One task group as a chain of streams: input shards in, batches of the last step out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import glowpy.flow.ops as ops_package
from glowpy.errors import InputError, OutputError, RunCancelled, ShardError, unexpected
from glowpy.flow.graph import SCATTERED, EdgeKind, Step
from glowpy.flow.ops.kernel import (
    BatchOp,
    FoldKind,
    FoldOp,
    PassOp,
    RowKind,
    RowOp,
    Stream,
    TextOp,
    chain,
)
from glowpy.flow.ops.memory import BATCH_BYTES, BatchSizer, size_of_rows
from glowpy.planner.plan import InputEdge, StepGroup
from glowpy.planner.run_description import InputFile
from glowpy.task.compile import FusedSteps, fuse
from glowpy.task.context import Context
from glowpy.task.failure import NO_ROW, AttemptAborted, StepFailed, row_in
from glowpy.task.metrics import AttemptMetrics
from glowpy.task.text import ranges_of, read_lines

_KERNELS = tuple(ops_package.__path__)
# CPython allows 20 nested blocks in a function; the loop over the batch is the first.
_MOST_NESTED = 17
_UNBOUNDED = 1 << 62
_NESTED = {RowKind.FILTER: 1, RowKind.FLAT_MAP: 1}
# Errors from our own code, which pass through unchanged.
_OURS = (StepFailed, AttemptAborted, RunCancelled, ShardError, InputError, OutputError)

RowObserver: TypeAlias = Callable[[Stream], Stream]


def build(
    step_group: StepGroup,
    context: Context,
    edges: Sequence[Sequence[Stream]],
    listings: dict[int, tuple[InputFile, ...]],
    observe_rows: RowObserver | None = None,
) -> Stream:
    """Yield the batches of the group's output rows; nothing runs before the first is requested.

    Args:
        observe_rows: wraps each stream of rows that enters the group.

    Raises (when drawn from):
        StepFailed: the user's code raised.
        ShardError, InputError: an input cannot be read.
    """
    edges = [
        [
            _cancellable(each, context, observe_rows)
            for each in _checked(step_group, edge, streams, context)
        ]
        for edge, streams in zip(step_group.inputs, edges, strict=True)
    ]
    made: list[Any] = []
    stream: Stream | None = None
    for part in _parts(step_group.steps):
        is_source = stream is None and not edges
        inputs = edges if stream is None else [[stream]]
        if isinstance(part, FusedSteps):
            stream = _run_fused(part, context, _all_rows(inputs))
        elif isinstance(part.op, TextOp):
            stream = _read_text(part, part.op, context, listings[part.id])
        elif isinstance(part.op, BatchOp):
            stream = _run_kernel(part, part.op, context, inputs)
        elif isinstance(part.op, PassOp):
            stream = _all_rows(inputs)
        else:
            raise AssertionError(f"{part.label} was not fused: {part.op!r}")
        if is_source:
            stream = _cancellable(_counted(stream, context.metrics), context, observe_rows)
        made.append(stream)
    assert stream is not None
    try:
        yield from stream
    finally:
        # An exception keeps the generators in its traceback alive. Close them now, so that
        # resources of the steps, such as the process of pipe(), are released here.
        for each in reversed(made):
            each.close()


def _checked(
    step_group: StepGroup, edge: InputEdge, streams: Sequence[Stream], context: Context
) -> Sequence[Stream]:
    if edge.edge.kind is not EdgeKind.COLLECT or edge.dataset.output_kind not in SCATTERED:
        return streams
    from glowpy.task.partitioning import checked

    step, kind = step_group.steps[0], edge.dataset.output_kind
    return [checked(stream, kind, context, step) for stream in streams]


def _counted(stream: Stream, metrics: AttemptMetrics) -> Stream:
    """Count the rows of a source as the input of its group."""
    for batch in stream:
        metrics.rows_in += len(batch)
        yield batch


def _cancellable(stream: Stream, context: Context, observe_rows: RowObserver | None) -> Stream:
    """Check for cancellation before each batch of input.

    Steps that read all input before their first output may read for long: an abort or a progress
    report must not wait for them.
    """
    observed = stream if observe_rows is None else observe_rows(stream)
    for batch in observed:
        context.check_cancelled()
        yield batch


def _all_rows(edges: Sequence[Sequence[Stream]]) -> Stream:
    """Return the rows of all inputs, one input after another."""
    return chain([stream for edge in edges for stream in edge])


def _parts(steps: Sequence[Step]) -> Iterator[Step | FusedSteps]:
    """Yield the steps in order; adjacent row steps are compiled together, up to the next fold."""
    pending: list[Step] = []
    nested = 0
    for step in steps:
        op = step.op
        if isinstance(op, PassOp) and pending:
            continue  # a step without an effect
        if isinstance(op, RowOp):
            nested += _NESTED.get(op.kind, 0)
            if nested > _MOST_NESTED:
                yield fuse(pending)
                pending, nested = [], _NESTED.get(op.kind, 0)
            pending.append(step)
            continue
        if isinstance(op, FoldOp):
            yield fuse([*pending, step])
        else:
            if pending:
                yield fuse(pending)
            yield step
        pending, nested = [], 0
    if pending:
        yield fuse(pending)


def _run_fused(fused: FusedSteps, context: Context, stream: Stream) -> Stream:
    op = fused.fold
    if op is None:
        made = _batches(fused, stream)
    elif op.kind is FoldKind.ALL:
        made = fused.run(stream, BatchSizer(_UNBOUNDED, rows=_UNBOUNDED))
    elif op.kind is FoldKind.BY_KEY:
        made = _fold_by_key(fused, op, context, stream)
    else:
        unexpected(op.kind)
    while True:
        try:
            batch = next(made, None)
        except _OURS:
            raise
        except BaseException as exc:
            # All exceptions count, SystemExit too: the user's function raised it.
            raise _failed(fused, exc) from exc
        if batch is None:
            return
        if batch:
            yield batch


def _fold_by_key(fused: FusedSteps, op: FoldOp, context: Context, stream: Stream) -> Stream:
    from glowpy.flow.ops.by_key import combine_by_key, fold_by_key

    again = fuse(fused.steps[-1:])
    fold_rows = combine_by_key if op.is_partial else fold_by_key
    return fold_rows(fused.run, again.run, context, stream)


def _batches(fused: FusedSteps, stream: Stream) -> Stream:
    sizer = BatchSizer(BATCH_BYTES)
    for batch in fused.run(sizer.resize(stream), sizer):
        sizer.record_size(size_of_rows(batch))
        yield batch


def _failed(fused: FusedSteps, exc: BaseException) -> StepFailed:
    exc = _raised_by_user(exc)
    blame = fused.blame(exc.__traceback__)
    if blame is None:
        return StepFailed(fused.steps[-1], NO_ROW, exc)
    step, row = blame
    if isinstance(step.op, FoldOp) and step.op.kind is FoldKind.BY_KEY:
        from glowpy.flow.ops.by_key import fault_of

        fault = fault_of(row)  # clearer than Python's own message
        if fault is not None:
            fault.__cause__ = exc
            return StepFailed(step, row, fault)
    return StepFailed(step, row, exc)


def _run_kernel(
    step: Step, op: BatchOp, context: Context, inputs: Sequence[Sequence[Stream]]
) -> Stream:
    stream = op.kernel(context, inputs)
    while True:
        try:
            batch = next(stream)
        except StopIteration:
            return
        except _OURS:
            raise
        except BaseException as exc:
            raise _failed_in_kernel(step, _raised_by_user(exc)) from exc
        if batch:
            yield batch


def _failed_in_kernel(step: Step, exc: BaseException) -> StepFailed:
    return StepFailed(step, row_in(exc.__traceback__, _KERNELS), exc)


def _raised_by_user(exc: BaseException) -> BaseException:
    """Return the user's exception: Python wraps a StopIteration raised in a generator."""
    is_wrapped = type(exc) is RuntimeError and str(exc) == "generator raised StopIteration"
    return exc.__cause__ if is_wrapped and exc.__cause__ is not None else exc


def _read_text(step: Step, op: TextOp, context: Context, listing: Sequence[InputFile]) -> Stream:
    try:
        for part in ranges_of(listing, op, context.task, context.task_count):
            yield from read_lines(part, op)
            context.metrics.bytes_in += part.size_bytes
    except _OURS:
        raise
    except Exception as exc:
        # The codec or its error handler may be the user's.
        raise StepFailed(step, NO_ROW, exc) from exc
