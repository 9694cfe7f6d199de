"""Compile fused row steps into one loop over a batch, shared by all task groups of an executor.

    map f, filter g, flat_map h      for batch in batches:
                                         for x0 in batch:
                                             x1 = f1(x0)
                                             if f2(x1):
                                                 y = f3(x1)
                                                 if y is a list and rows has room for it:
                                                     for x3 in y:
                                                         rows.append(x3)
                                                 else:
                                                     for x3 in y:
                                                         rows.append(x3)
                                                         yield rows, once they are enough
                                         yield rows

If a reduce follows, the loop ends in the fold, and no list of rows is made:

    … reduce f               total = f4(total, x3), or x3 for the first row
    … reduce_by_key f        k, v = x3
                             if k in totals:
                                 totals[k] = f4(totals[k], v)
                             else:
                                 add(k, or a LoneKey of k if a value is missing in k, v)

One row may become any number of rows, and small rows large ones. A `BatchSizer` therefore sets the
row limit of an output batch from the sizes of earlier batches; a fold by key pauses at the same
limit, so that its table can be measured. The loop counts the output rows of the last flat_map one
by one, or all at once if they are a list; hence the code of the following steps appears twice. An
earlier flat_map is advanced one row at a time.

CPython 3.11+ inlines calls of Python functions made from such a loop, so the chain costs one call
of the user's function per row and step and little else. Each step has its own lines: when a
function raises, the line number identifies the step, and the variable of the previous step still
holds the row.

Measured on `filter, flat_map(split), map` over 9-word lines, ns per word, the least of 51 rounds on
each Python (3.10 / 3.11 / 3.12 / 3.13; `python benchmarks/micro.py fusion`):

                               rows                  reduce                   reduce_by_key
    this loop                  127 / 76 / 88 / 79    150 / 102 / 111 / 109    294 / 190 / 212 / 197
    a loop, and nothing else   104 / 67 / 75 / 64    138 /  95 / 104 /  96    209 / 160 / 181 / 163
    one comprehension           88 / 63 / 71 / 61    140 / 104 / 123 / 110    270 / 209 / 233 / 211
    chain of map and filter     80 / 70 / 84 / 78    130 / 110 / 135 / 126    210 / 173 / 204 / 184
    generator                   97 / 74 / 84 / 73                             230 / 175 / 195 / 172

Where Python calls are inlined (3.11+), a loop is the fastest form if anything is folded, and within
6 % of a comprehension otherwise. The difference between our loop and a bare loop is extra work; for
reduce_by_key on 3.11, in ns per word: check that the row is a pair, not merely unpackable: 9; check
a new key for NaN: 6; check for a list that is short enough: 6; one variable per step, for error
messages: 3. The other forms would need the same checks, and cannot do all of them:

- A comprehension holds all output rows of a batch, and since 3.12 loses its variables when a
  function raises. A comprehension for each line holds few rows, but costs 90 / 86 / 77.
- A chain of `map` has no variables, and calls from C, which Python does not inline.
- A generator could do everything, but yielding single rows costs 8 ns: slower than a loop.
- One loop that counts every row, without a special case for lists: 88 / 103 / 91.

Words from a generator function, counted one by one, cost 197 / 130 / 142 / 126. Collecting them in
lists first took 419 / 312 / 355 / 307; lists were faster, by 13 to 20 ns a row, only where one row
became thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import CodeType, TracebackType
from typing import Any

from glowpy.errors import unexpected
from glowpy.flow.arguments import ANY_FIELDS
from glowpy.flow.graph import Step
from glowpy.flow.ops.kernel import FoldKind, FoldOp, RowKind, RowOp
from glowpy.record import NamedTuple
from glowpy.task.failure import FUSED
from glowpy.task.loop_calls import IN_LOOPS


class FusedSteps(NamedTuple):
    """One generator function for a run of steps.

    `run(batches, sizer)` yields batches of rows, or a single batch with the total of a fold. A run
    of steps with a fold by key at the end has the form `run(batches, sizer, totals)`, a
    `flow.ops.by_key.Fold`.
    """

    steps: tuple[Step, ...]
    run: Callable[..., Any]
    # line of the function → its step, and the variable with the row
    lines: dict[int, tuple[Step, str]]

    @property
    def fold(self) -> FoldOp | None:
        """The fold at the end of the loop, or None."""
        op = self.steps[-1].op
        return op if isinstance(op, FoldOp) else None

    def blame(self, trace: TracebackType | None) -> tuple[Step, Any] | None:
        """Return the step that raised and its row, from the exception's traceback."""
        code = getattr(self.run, "__code__", None)
        while trace is not None and trace.tb_frame.f_code is not code:
            trace = trace.tb_next
        if trace is None or trace.tb_lineno not in self.lines:
            return None
        step, name = self.lines[trace.tb_lineno]
        return step, trace.tb_frame.f_locals.get(name)


class _Ending(NamedTuple):
    """The code that ends a loop: what happens to rows after the last step."""

    parameters: str
    begin: str
    room: str  # a condition: the output list `y` of the last flat_map fits
    before_list: str  # before a list that fits
    after_row: str  # after each row of other output
    after_batch: str
    end: str


# The caller of a fold by key may send another table, and a function that adds new keys.
_PAUSE = "sent = yield; totals, add = (totals, add) if sent is None else sent; left = sizer.rows"
_ENDINGS = {
    None: _Ending(
        parameters="batches, sizer",
        begin="rows, most = [], sizer.rows",
        room="len(rows) + len(y) < most",
        before_list="",
        after_row="if len(rows) >= most: yield rows; rows, most = [], sizer.rows",
        after_batch="yield rows; rows, most = [], sizer.rows",
        end="",
    ),
    FoldKind.ALL: _Ending(
        parameters="batches, sizer",
        begin="is_begun = False",
        room="",
        before_list="",
        after_row="",
        after_batch="",
        end="if is_begun: yield [total]",
    ),
    FoldKind.BY_KEY: _Ending(
        parameters="batches, sizer, totals",
        begin="left, add = sizer.rows, totals.__setitem__",
        room="len(y) < left",
        before_list="left -= len(y)",
        after_row=f"left -= 1\nif left <= 0: {_PAUSE}",
        after_batch=f"left -= len(batch)\nif left <= 0: {_PAUSE}",
        end="",
    ),
}


class _FunctionText:
    """The text of a generated function, with the step of each line."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self.lines: dict[int, tuple[Step, str]] = {}

    def add(self, depth: int, text: str, step: Step | None = None, row: str = "") -> None:
        """Append lines; failures in them belong to `step`, whose row is in the variable `row`."""
        for line in text.splitlines():
            self._text.append(" " * depth + line)
            if step is not None:
                self.lines[len(self._text)] = step, row

    def compile(self, functions: dict[str, Any]) -> Callable[..., Any]:
        namespace = {**IN_LOOPS, **functions}
        exec(_compiled("\n".join(self._text)), namespace)
        function: Callable[..., Any] = namespace["run"]
        return function


@lru_cache(maxsize=256)
def _compiled(text: str) -> CodeType:
    """Compile a text once for all task groups of a step group."""
    return compile(text, FUSED, "exec")


def fuse(steps: Sequence[Step]) -> FusedSteps:
    """Compile row steps, with an optional fold at the end, into one function.

    The last functions are cached: an executor runs the same steps in many task groups.
    """
    return _fused(tuple(steps))


@lru_cache(maxsize=64)
def _fused(steps: tuple[Step, ...]) -> FusedSteps:
    functions = {f"f{number}": _function_of(step) for number, step in enumerate(steps, start=1)}
    last = steps[-1].op
    ending = _ENDINGS[last.kind if isinstance(last, FoldOp) else None]
    source = _FunctionText()
    # Default arguments, because Python 3.10 looks up globals slowly.
    own = ", ".join(f"{name}={name}" for name in functions)
    source.add(0, f"def run({ending.parameters}, {own}):")
    source.add(1, ending.begin)
    source.add(1, "for batch in batches:")
    source.add(2, "for x0 in batch:")
    _add_steps(source, 3, list(enumerate(steps, start=1)), "x0", ending)
    source.add(2, ending.after_batch)
    source.add(1, ending.end)
    return FusedSteps(steps, source.compile(functions), source.lines)


def _add_steps(
    source: _FunctionText, depth: int, steps: list[tuple[int, Step]], row: str, ending: _Ending
) -> None:
    """Append the code of these steps, and of the ending, for one row in the variable `row`."""
    for place, (number, step) in enumerate(steps):
        op, function, new = step.op, f"f{number}", f"x{number}"
        if isinstance(op, FoldOp):
            source.add(depth, _fold_lines(op, function, row), step, row)
            return
        assert isinstance(op, RowOp)
        if op.kind is RowKind.FILTER:
            source.add(depth, f"if {_call(op, function, row)}:", step, row)
            depth += 1
        elif op.kind is RowKind.FLAT_MAP:
            source.add(depth, f"y = {_call(op, function, row)}", step, row)
            _add_spread(source, depth, steps[place:], row, ending)
            return
        else:
            source.add(depth, _row_lines(op, function, row, new), step, row)
            row = new
    source.add(depth, f"rows.append({row})")


def _add_spread(
    source: _FunctionText, depth: int, steps: list[tuple[int, Step]], row: str, ending: _Ending
) -> None:
    """Append the code for the rows of `y`, the output of the flat_map that heads these steps."""
    (number, step), *others = steps
    new = f"x{number}"
    if not ending.room or any(_spreads(other) for _, other in others):
        source.add(depth, f"for {new} in y if y.__class__ is list else each(y):", step, row)
        _add_steps(source, depth + 1, others, new, ending)
        return
    source.add(depth, f"if y.__class__ is list and {ending.room}:")
    source.add(depth + 1, ending.before_list)
    source.add(depth + 1, f"for {new} in y:")
    _add_steps(source, depth + 2, others, new, ending)
    source.add(depth, "else:")
    source.add(depth + 1, f"for {new} in each(y):", step, row)
    _add_steps(source, depth + 2, others, new, ending)
    source.add(depth + 2, ending.after_row)


def _spreads(step: Step) -> bool:
    return isinstance(step.op, RowOp) and step.op.kind is RowKind.FLAT_MAP


def _function_of(step: Step) -> Callable[..., Any]:
    assert isinstance(step.op, (RowOp, FoldOp))
    return step.op.function


def _call(op: RowOp, function: str, row: str) -> str:
    if op.noted_fields:
        noted = f"call_and_note({function}, {op.noted_fields}, {row})"
        return f"({function}({row}) if {row}.__class__ is not tuple else {noted})"
    if not op.field_count:
        return f"{function}({row})"
    if op.field_count == ANY_FIELDS:
        return f"({function}(*{row}) if isinstance({row}, (tuple, list)) else {function}({row}))"
    return (
        f"({function}(*{row}) if {row}.__class__ is tuple and len({row}) == {op.field_count} "
        f"else call_with_fields({function}, {op.field_count}, {row}))"
    )


def _row_lines(op: RowOp, function: str, row: str, new: str) -> str:
    """Return the lines that turn one row into one row."""
    if op.kind is RowKind.MAP:
        return f"{new} = {_call(op, function, row)}"
    if op.kind is RowKind.KEY_BY:
        return f"{new} = ({_call(op, function, row)}, {row})"
    if op.kind is RowKind.MAP_VALUES:
        pair = f"{row} if {row}.__class__ is tuple and len({row}) == 2 else pair_of({row})"
        return f"k, v = {pair}\n{new} = (k, {_call(op, function, 'v')})"
    raise AssertionError(f"{op.kind} does not make one row of each row")


def _fold_lines(op: FoldOp, function: str, row: str) -> str:
    if op.kind is FoldKind.ALL:
        return f"""\
if is_begun: total = {function}(total, {row})
else: total, is_begun = {row}, True
"""
    if op.kind is not FoldKind.BY_KEY:
        unexpected(op.kind)
    return f"""\
k, v = {row} if {row}.__class__ is tuple else pair({row})
if k in totals: totals[k] = {function}(totals[k], v)
else: add(k if k.__class__ is str or k.__class__ is int else apart(k), v)
"""
