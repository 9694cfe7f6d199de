"""Fused row steps as one loop over the batch, made once for all task groups of an executor.

    map f, filter g, flat_map h      for batch in batches:
                                         for x0 in batch:
                                             x1 = f1(x0)
                                             if f2(x1):
                                                 for piece in the rows of f3(x1):
                                                     for x3 in piece:
                                                         rows.append(x3)
                                                     yield rows, if they are many
                                         yield rows

Where a reduce follows, the loop ends in it, and no list of rows is made:

    … reduce f               total = x3 if total is nothing else f4(total, x3)
    … reduce_by_key f        k, v = x3
                             if k in totals:
                                 totals[k] = f4(totals[k], v)
                             else:
                                 totals[k, or a copy if it holds NaN, which matches nothing] = v

One row may become any number of rows, and small rows large ones. So a `Pace` says how many rows
are many, by the size of those before; after as many, a fold by key lets its table be measured.

CPython 3.11+ inlines calls of Python functions made from such a loop, so the chain costs one call
of the user's function per row and step and little else. Each step stands on lines of its own: when
a function raises, the line number tells the step, and the variable before it still holds the row.

Measured on `filter, flat_map(split), map` over 9-word lines, ns per word, the least of 51 rounds on
each Python (3.10 / 3.11 / 3.12 / 3.13; `python benchmarks/micro.py fusion`):

                               rows                  reduce                   reduce_by_key
    this loop                  153 / 84 / 97 / 85    200 / 116 / 126 / 120    308 / 195 / 218 / 203
    a loop, and nothing else   107 / 67 / 75 / 67
    one comprehension           89 / 64 / 70 / 62    146 / 107 / 124 / 114    276 / 231 / 237 / 218
    chain of map and filter     83 / 70 / 85 / 77    135 / 110 / 134 / 125    207 / 180 / 204 / 186
    generator                  101 / 75 / 86 / 73                             232 / 179 / 192 / 174

Loop and comprehension are equals where Python calls are inlined (3.11+). What this loop takes above
a bare one is what it does besides: it looks whether a line became many rows (9 ns a word) and when
they are enough (3 ns), tells a pair from what only unpacks like one, and keeps each step's row in a
variable. A comprehension would forget these when a function raises (3.12+); a chain of `map` has
none, and calls from C, which Python does not inline. Neither could show the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import CodeType, TracebackType
from typing import Any

from glowpy.errors import RowError, shown
from glowpy.flow.graph import Step
from glowpy.flow.ops.kernel import FoldKind, FoldOp, RowKind, RowOp, Stream
from glowpy.flow.ops.memory import batches_from
from glowpy.record import NamedTuple
from glowpy.task.failure import FUSED

_PIECES = "for piece in (y,) if y.__class__ is list and len(y) <= pace.rows else pieces(y):"


class FusedSteps(NamedTuple):
    """One generator function for a run of steps.

    `run(batches, pace)` yields batches: of rows, or one of the total. With a fold by key at its
    end it is `run(batches, pace, totals)`, a `flow.ops.by_key.Fold`.
    """

    steps: tuple[Step, ...]
    run: Callable[..., Any]
    lines: dict[int, tuple[Step, str]]  # of the function: the step, the variable with its row

    @property
    def fold(self) -> FoldOp | None:
        """What the loop ends in, if that is a fold."""
        op = self.steps[-1].op
        return op if isinstance(op, FoldOp) else None

    def blame(self, trace: TracebackType | None) -> tuple[Step, Any] | None:
        """The step that raised and the row it had, from the exception's traceback."""
        code = getattr(self.run, "__code__", None)
        while trace is not None and trace.tb_frame.f_code is not code:
            trace = trace.tb_next
        if trace is None or trace.tb_lineno not in self.lines:
            return None
        step, name = self.lines[trace.tb_lineno]
        return step, trace.tb_frame.f_locals.get(name)


class _Ending(NamedTuple):
    """What a loop does with the rows that come through all its steps."""

    begin: str
    after_piece: str  # of what the last flat_map gave for a row
    after_batch: str
    end: str


_ENDINGS = {
    None: _Ending(
        begin="def run(batches, pace):\n rows = []",
        after_piece="if len(rows) >= pace.rows: yield rows; rows = []",
        after_batch="yield rows; rows = []",
        end="",
    ),
    FoldKind.ALL: _Ending(
        begin="def run(batches, pace):\n total = nothing",
        after_piece="",
        after_batch="",
        end="if total is not nothing: yield [total]",
    ),
    FoldKind.BY_KEY: _Ending(
        begin="def run(batches, pace, totals):\n taken = 0",
        after_piece="taken += len(piece)\nif taken >= pace.rows: yield; taken = 0",
        after_batch="taken += len(batch)\nif taken >= pace.rows: yield; taken = 0",
        end="",
    ),
}


class _Source:
    """The lines of a function that is being written, and whose they are."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self.lines: dict[int, tuple[Step, str]] = {}

    def add(self, depth: int, text: str, step: Step | None = None, row: str = "") -> None:
        """Lines; with a step, it is to blame for them, and the variable has its row."""
        for line in text.splitlines():
            self._text.append(" " * depth + line)
            if step is not None:
                self.lines[len(self._text)] = step, row

    def compile(self, namespace: dict[str, Any]) -> Callable[..., Any]:
        exec(_compiled("\n".join(self._text)), namespace)
        function: Callable[..., Any] = namespace["run"]
        return function


@lru_cache(maxsize=256)
def _compiled(text: str) -> CodeType:
    """All task groups of a step group run the same code."""
    return compile(text, FUSED, "exec")


def fuse(steps: Sequence[Step]) -> FusedSteps:
    """Compile row steps, perhaps with a fold behind them, into one function.

    An executor runs the same steps for group after group; the last ones are remembered.
    """
    return _fused(tuple(steps))


@lru_cache(maxsize=64)
def _fused(steps: tuple[Step, ...]) -> FusedSteps:
    namespace: dict[str, Any] = {
        "pieces": pieces,
        "call_with_fields": call_with_fields,
        "pair": pair,
        "apart": apart,
        "pair_of": pair_of,
        "nothing": object(),
    }
    last = steps[-1].op
    ending = _ENDINGS[last.kind if isinstance(last, FoldOp) else None]
    source = _Source()
    source.add(0, ending.begin)
    source.add(1, "for batch in batches:")
    source.add(2, "for x0 in batch:")
    row, depth, piece_depth = "x0", 3, 0
    for number, step in enumerate(steps, start=1):
        op, function = step.op, f"f{number}"
        assert isinstance(op, (RowOp, FoldOp))
        namespace[function] = op.function
        if isinstance(op, FoldOp):
            source.add(depth, _fold_lines(op, function, row), step, row)
        elif op.kind is RowKind.FILTER:
            source.add(depth, f"if {_call(op, function, row)}:", step, row)
            depth += 1
        elif op.kind is not RowKind.FLAT_MAP:
            source.add(depth, _row_lines(op, function, row, f"x{number}"), step, row)
            row = f"x{number}"
        else:
            source.add(depth, f"y = {_call(op, function, row)}\n{_PIECES}", step, row)
            source.add(depth + 1, f"for x{number} in piece:")
            piece_depth = depth + 1
            row, depth = f"x{number}", depth + 2
    if not isinstance(last, FoldOp):
        source.add(depth, f"rows.append({row})")
    if piece_depth:
        source.add(piece_depth, ending.after_piece)
    source.add(2, ending.after_batch)
    source.add(1, ending.end)
    return FusedSteps(steps, source.compile(namespace), source.lines)


def _call(op: RowOp, function: str, row: str) -> str:
    if not op.field_count:
        return f"{function}({row})"
    return (
        f"({function}(*{row}) if {row}.__class__ is tuple and len({row}) == {op.field_count} "
        f"else call_with_fields({function}, {op.field_count}, {row}))"
    )


def _row_lines(op: RowOp, function: str, row: str, new: str) -> str:
    """One row for each."""
    if op.kind is RowKind.KEY_BY:
        return f"{new} = ({_call(op, function, row)}, {row})"
    if op.kind is RowKind.MAP_VALUES:
        pair = f"{row} if {row}.__class__ is tuple and len({row}) == 2 else pair_of({row})"
        return f"k, v = {pair}\n{new} = (k, {_call(op, function, 'v')})"
    return f"{new} = {_call(op, function, row)}"


def _fold_lines(op: FoldOp, function: str, row: str) -> str:
    if op.kind is FoldKind.ALL:
        return f"total = {row} if total is nothing else {function}(total, {row})"
    return f"""\
k, v = {row} if {row}.__class__ is tuple else pair({row})
if k in totals: totals[k] = {function}(totals[k], v)
else: totals[k if k.__class__ is str or k.__class__ is int else apart(k)] = v
"""


def pieces(rows: Any) -> Stream:
    """What a flat_map's function has given for a row, some of it at a time.

    Raises:
        RowError: that is nothing to iterate over.
    """
    try:
        left = iter(rows)
    except TypeError as exc:
        raise RowError(
            f"flat_map() needs an iterable of rows from its function, but got {shown(rows)}; "
            "for no rows return []"
        ) from exc
    return batches_from(left)


def pair(row: Any) -> Any:
    """A row that is to be taken apart as a key and a value.

    Raises:
        RowError: it is something else, which might be taken apart all the same.
    """
    if not isinstance(row, (tuple, list)):
        raise RowError(f"reduce_by_key needs rows of (key, value), but got {shown(row)}")
    return row


def pair_of(row: Any) -> Any:
    """A row whose value is to be mapped, and which is no plain tuple of two.

    Raises:
        RowError: it is no pair at all.
    """
    from glowpy.flow.ops.keys import check_pairs

    check_pairs([row], "map_values")
    return row


def apart(key: Any) -> Any:
    """A new key of a fold; a copy if it is or holds NaN, which Python would take for itself."""
    from glowpy.flow.ops.keys import keys_apart

    (only,) = keys_apart([key])
    return only


def call_with_fields(function: Callable[..., Any], field_count: int, row: Any) -> Any:
    """Pass a row's fields as arguments; the way for rows that are not plain tuples.

    Raises:
        RowError: the row is no tuple or list of that length.
    """
    if not isinstance(row, (tuple, list)) or len(row) != field_count:
        name = getattr(function, "__qualname__", repr(function))
        raise RowError(
            f"{name} has {field_count} parameters and gets the fields of a tuple or list of "
            f"{field_count}, but the row is {shown(row)}"
        )
    return function(*row)
