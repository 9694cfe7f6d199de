"""Every operator over ugly data, on every runner: rows come back, or the error says which and why.

The table is in `ugly_table.py`; an operator without an entry fails here. The results of all kinds
of data are collected by one run, each behind a number.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
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
from tests.operators.ugly_table import TABLE
from tests.runners import ON_EVERY_RUNNER, Runner
from tests.tagged import collected

TESTS = Path(__file__).resolve().parent.parent
USES = {name: entry for name, entry in TABLE.items() if isinstance(entry, Use)}
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


@ON_EVERY_RUNNER
@pytest.mark.slow
@pytest.mark.parametrize("name", USES)
def test_rows_come_back(name: str, new_flow: Runner) -> None:
    entry = USES[name]
    flow = new_flow()
    used = [entry.use(flow.slice(data.rows, data.shard_count)) for data in entry.data]
    for data, found in zip(entry.data, collected(used), strict=True):
        expected = entry.expected(data.shards)
        assert is_as_expected(found, expected, in_order=entry.in_order), (
            f"{name} of {data.name}:\n{found}\ninstead of\n{expected}"
        )


@ON_EVERY_RUNNER
@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_rows_come_from_a_source(name: str, new_flow: Runner) -> None:
    entry = SOURCES[name]
    flow = new_flow()
    made = [entry.make(flow, data) for data in entry.data]
    for data, found in zip(entry.data, collected(made), strict=True):
        assert is_as_expected(found, entry.expected(data), in_order=True), data.name


@ON_EVERY_RUNNER
@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_calls_give_the_rows(name: str, new_flow: Runner, tmp_path: Path) -> None:
    entry = CALLS[name]
    flow = new_flow()
    for number, data in enumerate(entry.data):
        rows = flow.slice(data.rows, data.shard_count)
        found = entry.call(rows, tmp_path / str(number))
        expected = entry.expected(data.shards)
        assert is_as_expected([found], [expected], in_order=True), (
            f"{name} of {data.name}:\n{found}\ninstead of\n{expected}"
        )


def is_tried(name: str, fault: Fault, runner: Runner) -> bool:
    """Inline everything; elsewhere, where each is a run of its own, a failure of each operator."""
    if runner.is_inline:
        return True
    entry = TABLE[name]
    assert isinstance(entry, (Use, Call))
    fails = [each for each in Fault if each in entry.fails]
    return bool(fails) and fault is fails[list(TABLE).index(name) % len(fails)]


def faulty(flow: Flow, fault: Fault) -> Dataset:
    return flow.slice(range(8), 2).map(FAULTY_ROWS[fault])


@ON_EVERY_RUNNER
@pytest.mark.slow
@pytest.mark.parametrize("name", [*USES, *CALLS])
def test_unsupported_data_is_an_error(name: str, new_flow: Runner, tmp_path: Path) -> None:
    entry = TABLE[name]
    assert isinstance(entry, (Use, Call))
    for fault in Fault:
        if not is_tried(name, fault, new_flow):
            continue
        rows = faulty(new_flow(), fault)
        said = ""
        try:
            if isinstance(entry, Call):
                entry.call(rows, tmp_path / fault.name)
            else:
                entry.use(rows).collect()
        except TaskFailed as exc:
            said = str(exc)
        says = getattr(entry, "says", "") or SAID[fault]
        told = [PLACED, says, SHOWN[fault]] if fault in entry.fails else []
        assert bool(said) == bool(told), f"{fault.value}: {said}"
        for pattern in told:
            assert re.search(pattern, said), f"{fault.value}: no {pattern} in {said}"


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "runner"), [(1, "inline"), (4_000_000_007, "standalone")])
def test_results_do_not_depend_on_the_hash_seed(seed: int, runner: str) -> None:
    """On the cluster it is another one in each run."""
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    words += ["-k", f"come_back and {runner}"]
    environment = os.environ | {"PYTHONHASHSEED": str(seed)}
    ended = subprocess.run(
        words, env=environment, cwd=TESTS.parent, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


BIG_BYTES = 100_000_000


def size_of(row: tuple[str, bytes]) -> tuple[str, int, bytes]:
    return row[0], len(row[1]), row[1][:3]


@ON_EVERY_RUNNER
@pytest.mark.slow
def test_one_row_of_100_megabytes(new_flow: Runner) -> None:
    """A row may be larger than a block, a message, and the budget."""
    flow = new_flow("-glow.quiet")
    rows = flow.source(partial(big_rows, BIG_BYTES), 2).group_by_key().sort()
    found = rows.map(lambda key, values: (key, values[0])).map(size_of).collect()
    assert found == [("big", BIG_BYTES, b"big"), ("small", 5, b"sma")]


def big_rows(size_bytes: int) -> list[tuple[str, bytes]]:
    return [("small", b"small"), ("big", b"big!" * (size_bytes // 4))]
