"""Compare the inline results of a test file with one run on each of the other runners.

An inline run takes milliseconds; a run on the cluster starts processes. So `new_flow` runs inline
and records the results here. The last test of the file, `test_in_one_run = in_one_run()`, computes
all of them by one run standalone and one on the cluster, and compares rows and order.

Results of `collect` and `count` are recorded. Tests of other terminal calls, of channels and of
effects take every runner: `ON_EVERY_RUNNER` in tests/runners.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from glowpy import Dataset, Flow, launch
from glowpy.flow.entry import Call, Terminal
from glowpy.flow.graph import DatasetNode, Graph
from tests.runners import INLINE, flags_of_runner
from tests.tagged import collected
from tests.ugly_rows import same


class Result(NamedTuple):
    """The result of one terminal call in a test."""

    test: str
    call: Call
    value: Any

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags of the flow, without the flag of the runner."""
        return tuple(flag for flag in self.call.graph.arguments or () if flag not in INLINE)

    def is_value_of(self, rows: list[Any]) -> bool:
        if self.call.terminal is Terminal.COUNT:
            return same(len(rows), self.value)
        return same(rows, self.value)


class Batch:
    """Results of the tests of one file."""

    def __init__(self) -> None:
        self.tests: set[str] = set()
        self.results: list[Result] = []

    def record(self, test: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Record the inline results of a test until the test ends."""
        self.tests.add(test)
        execute = launch.execute

        def execute_and_record(call: Call) -> Any:
            value = execute(call)
            if is_repeatable(call):
                kept = list(value) if isinstance(value, list) else value
                self.results.append(Result(test, call, kept))
            return value

        monkeypatch.setattr(launch, "execute", execute_and_record)

    def check(self, flags: Iterable[str]) -> None:
        """Compute the datasets by one run for each set of flow flags, with these flags added."""
        for own in sorted({result.flags for result in self.results}):
            some = [result for result in self.results if result.flags == own]
            flow = Flow([*flags, *own])
            datasets = [grafted(each.call, flow) for each in some]
            for result, rows in zip(some, collected(datasets), strict=True):
                assert result.is_value_of(rows), (
                    f"{result.test}: {result.call.terminal.value}() of "
                    f"{result.call.graph.step_of(result.call.datasets[0]).describe()} gave\n"
                    f"{result.value}\ninline, and these rows here:\n{rows}"
                )


_batches: dict[Path, Batch] = {}


def batch_of(path: Path) -> Batch:
    """The batch of a test file."""
    return _batches.setdefault(path, Batch())


def is_recorded(item: pytest.Item) -> bool:
    """Return whether the results of a test are compared with those of other runners."""
    if not isinstance(item, pytest.Function) or "new_flow" not in item.fixturenames:
        return False
    return "new_flow" not in item.callspec.params if hasattr(item, "callspec") else True


def is_repeatable(call: Call) -> bool:
    """Return whether a dataset can be computed again: an inline run that no channel feeds."""
    if call.terminal not in (Terminal.COLLECT, Terminal.COUNT):
        return False
    return (call.graph.arguments or ())[:1] == INLINE and not any(
        step.output.feed for step in call.graph.steps
    )


def grafted(call: Call, onto: Flow) -> Dataset:
    """The dataset of a call, by copies of its steps in another flow."""
    graph = onto._graph
    (dataset,) = call.datasets
    copies: dict[int, DatasetNode] = {}
    for step in needed_steps(call.graph, dataset):
        number = len(graph.steps)
        copies[step.id] = output = step.output._replace(id=number)
        inputs = tuple(
            (read._replace(id=number) if read.is_drivers else copies[read.id], edge)
            for read, edge in step.inputs
        )
        graph.steps.append(step._replace(id=number, inputs=inputs, output=output))
    return Dataset(graph, copies[dataset.id])


def needed_steps(graph: Graph, dataset: DatasetNode) -> list[Any]:
    needed = {dataset.id}
    for step in reversed(graph.steps):
        if step.id in needed:
            needed.update(read.id for read, _edge in step.inputs)
    return [step for step in graph.steps if step.id in needed]


def in_one_run() -> Callable[..., None]:
    """Return the last test of a file: one run of its datasets on each other runner."""

    @pytest.mark.slow
    @pytest.mark.parametrize("runner", ["standalone", "cluster"])
    def test_in_one_run(runner: str, request: pytest.FixtureRequest) -> None:
        batch = batch_of(request.path)
        expected = {
            item.nodeid
            for item in request.session.items
            if item.path == request.path and is_recorded(item)
        }
        if not expected:
            pytest.skip("no test of this file is selected whose results could be compared")
        missing = expected - batch.tests
        assert not missing, f"not run before this one in its process: {sorted(missing)}"
        batch.check(flags_of_runner(runner, request))

    return test_in_one_run
