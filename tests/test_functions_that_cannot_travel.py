"""A function that cannot be pickled: the error names step and line before the run starts."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from glowpy import Dataset, Flow
from glowpy.driver.fleets.shipping import make_program
from glowpy.errors import ProgramError


class LockHolder:
    """A function with an attribute that cannot be pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __call__(self, *arguments: Any) -> Any:
        return arguments[0]


Use = Callable[[Dataset, Any], object]
USES: dict[str, Use] = {
    "Map": lambda rows, function: rows.map(function),
    "FlatMap": lambda rows, function: rows.flat_map(function),
    "Filter": lambda rows, function: rows.filter(function),
    "KeyBy": lambda rows, function: rows.key_by(function),
    "MapValues": lambda rows, function: rows.map_values(function),
    "MapPartitions": lambda rows, function: rows.map_partitions(function),
    "LocalReduce": lambda rows, function: rows.reduce(function),
    "MergeReduce": lambda rows, function: rows.merge_reduce(function),
    "LocalSort": lambda rows, function: rows.sort(function),
    "LocalReduceByKey": lambda rows, function: rows.reduce_by_key(function),
    "LocalTop": lambda rows, function: rows.top(1, function),
    "ForEach": lambda rows, function: rows.for_each(function),
}


@pytest.mark.parametrize("name", USES)
def test_the_step_is_named(name: str) -> None:
    rows = Flow(["-glow.inline"]).slice([(1, 2)])
    USES[name](rows, LockHolder())  # inline, no function is pickled
    with pytest.raises(ProgramError) as failure:
        make_program(rows._graph, [], [], {}, "")
    text = str(failure.value)
    assert re.match(rf"{name}\d \(test_functions_that_cannot_travel\.py:\d+\): ", text), text
    assert "its function cannot be pickled: cannot pickle '_thread.lock' object" in text


def test_a_run_on_a_cluster_says_so(cluster: str) -> None:
    rows = Flow(["-glow", f"-glow.leader={cluster}"]).slice([1]).map(LockHolder())
    with pytest.raises(ProgramError, match=r"^Map1 \(test_functions_that_cannot_travel\.py:\d+\)"):
        rows.collect()
