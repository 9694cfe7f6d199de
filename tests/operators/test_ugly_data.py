"""Every operator over ugly data, on every runner: correct rows, or an error with row and reason.

The table is in `ugly_table.py`; an operator without an entry fails here. One run collects the
results of all kinds of data, each behind a number.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from glowpy import Dataset, Flow
from glowpy.errors import TaskFailed
from tests.operators.ugly import (
    FAULTY_ROWS,
    SAID,
    SHOWN,
    Call,
    Elsewhere,
    Fault,
    Source,
    Use,
    is_as_expected,
)
from tests.operators.ugly_check import (
    USES,
    assert_that_rows_come_back,
    check,
    inline,
    together,
)
from tests.operators.ugly_table import TABLE
from tests.processes import run
from tests.runners import ON_EVERY_RUNNER, ON_OTHER_RUNNERS, Runner
from tests.tagged import collected

TESTS = Path(__file__).resolve().parent.parent
CALLS = {name: entry for name, entry in TABLE.items() if isinstance(entry, Call)}
SOURCES = {name: entry for name, entry in TABLE.items() if isinstance(entry, Source)}


# step, and the line of the operator
PLACED = r"^\w+\d+ \((test_ugly_data|ugly_table)\.py:\d+\) failed on "


def public_methods() -> set[str]:
    return {
        f"{each.__name__}.{name}"
        for each in (Dataset, Flow)
        for name in dir(each)
        if not name.startswith("_") and callable(getattr(each, name))
    }


def test_every_operator_is_in_the_table() -> None:
    assert set(TABLE) == public_methods()
    for entry in TABLE.values():
        if isinstance(entry, Elsewhere):
            path, _, function = entry.test.partition("::")
            assert f"def {function}(" in (TESTS / path).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", USES)
def test_rows_come_back(name: str) -> None:
    entry = USES[name]
    flow = inline()
    used = [entry.use(flow.slice(data.rows, data.shard_count)) for data in entry.data]
    for data, found in zip(entry.data, collected(used), strict=True):
        check(name, data, found)


@ON_OTHER_RUNNERS
def test_rows_come_back_from_all_operators_at_once(new_flow: Runner) -> None:
    """All data of an operator in one dataset."""
    assert_that_rows_come_back(new_flow())


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_rows_come_from_a_source(name: str) -> None:
    entry = SOURCES[name]
    flow = inline()
    made = [entry.make(flow, data) for data in entry.data]
    for data, found in zip(entry.data, collected(made), strict=True):
        assert is_as_expected(found, entry.expected(data), in_order=True), data.name


@ON_OTHER_RUNNERS
def test_rows_come_from_all_sources_at_once(new_flow: Runner) -> None:
    flow = new_flow()
    some = [(entry, data) for entry in SOURCES.values() for data in together(entry.data)]
    made = [entry.make(flow, data) for entry, data in some]
    for (entry, data), found in zip(some, collected(made), strict=True):
        assert is_as_expected(found, entry.expected(data), in_order=True), data.name


@ON_EVERY_RUNNER
@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_calls_give_the_rows(name: str, new_flow: Runner, tmp_path: Path) -> None:
    """Each call needs a run: other runners than inline compute only the last kind of data."""
    entry = CALLS[name]
    flow = new_flow()
    for number, data in enumerate(entry.data if new_flow.is_inline else entry.data[-1:]):
        rows = flow.slice(data.rows, data.shard_count)
        found = entry.call(rows, tmp_path / str(number))
        expected = entry.expected(data.shards)
        assert is_as_expected([found], [expected], in_order=True), (
            f"{name} of {data.name}:\n{found}\ninstead of\n{expected}"
        )


def faulty(flow: Flow, fault: Fault) -> Dataset:
    return flow.slice(range(8), 2).map(FAULTY_ROWS[fault])


def check_fault(name: str, fault: Fault, flow: Flow, path: Path) -> None:
    """The operator fails on the fault as the table says, or works."""
    entry = TABLE[name]
    assert isinstance(entry, (Use, Call))
    said = ""
    try:
        if isinstance(entry, Call):
            entry.call(faulty(flow, fault), path / fault.name)
        else:
            entry.use(faulty(flow, fault)).collect()
    except TaskFailed as exc:
        said = str(exc)
    says = getattr(entry, "says", "") or SAID[fault]
    expected = [PLACED, says, SHOWN[fault]] if fault in entry.fails else []
    assert bool(said) == bool(expected), f"{fault.value}: {said}"
    for pattern in expected:
        assert re.search(pattern, said), f"{fault.value}: no {pattern} in {said}"


@pytest.mark.slow
@pytest.mark.parametrize("name", [*USES, *CALLS])
def test_unsupported_data_is_an_error(name: str, tmp_path: Path) -> None:
    for fault in Fault:
        check_fault(name, fault, inline(), tmp_path)


FAULTY = [
    ("Dataset.map", Fault.NO_PICKLE),
    ("Dataset.sort", Fault.KEYS_WITHOUT_ORDER),
    ("Dataset.join", Fault.NO_PAIR),
    ("Dataset.partition", Fault.UNHASHABLE_KEY),
    ("Dataset.reduce_by_key", Fault.ADDRESS_AS_HASH),
    ("Dataset.top", Fault.NO_PICKLE),
    ("Dataset.save_bytes_to_file", Fault.NO_PAIR),
]


@ON_OTHER_RUNNERS
@pytest.mark.parametrize(("name", "fault"), FAULTY, ids=[name for name, _ in FAULTY])
def test_each_fault_is_an_error_on_every_runner(
    name: str, fault: Fault, new_flow: Runner, tmp_path: Path
) -> None:
    """All runners share the operators' error code; test_failure.py tests the transfer."""
    check_fault(name, fault, new_flow(), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 4_000_000_007])
def test_results_do_not_depend_on_the_hash_seed(seed: int) -> None:
    """Inline and standalone; on the cluster each run has a different seed."""
    ended = run(
        TESTS.parent,
        *("-m", "tests.operators.ugly_check"),
        environment={"PYTHONHASHSEED": str(seed)},
    )
    assert ended.stdout.split() == ["inline", "standalone"]


BIG_BYTES = 24_000_000


def size_of(row: tuple[str, bytes]) -> tuple[str, int, bytes]:
    return row[0], len(row[1]), row[1][:3]


@ON_EVERY_RUNNER
@pytest.mark.slow
def test_one_row_larger_than_everything_that_holds_rows(new_flow: Runner) -> None:
    """A row may be larger than a block (1 MiB), a message (4 MiB) and the budget."""
    flow = new_flow("-glow.quiet", "-glow.task.memoryMB=8")
    rows = flow.source(partial(big_rows, BIG_BYTES), 2).group_by_key().sort()
    found = rows.map(lambda key, values: (key, values[0])).map(size_of).collect()
    assert found == [("big", BIG_BYTES, b"big"), ("small", 5, b"sma")]


def big_rows(size_bytes: int) -> list[tuple[str, bytes]]:
    return [("small", b"small"), ("big", b"big!" * (size_bytes // 4))]
