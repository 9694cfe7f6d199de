"""Accepted numbers of shards and rows: whole numbers of any library, within bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glowpy import Channel, Flow
from glowpy.errors import ChannelError, DefinitionError
from tests.runners import ON_THIS_MACHINE, Runner


@pytest.mark.parametrize("wrong", [0, -1, 1.0, "2", None, True, np.float64(2), np.bool_(True)])
def test_a_number_of_shards_is_whole_and_positive(wrong: Any) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: Flow([]).slice([1], wrong),
        lambda: Flow([]).slice([1], shards=wrong),
        lambda: Flow([]).source(lambda: [1], wrong),
        lambda: Flow([]).text_file("x", wrong),
        lambda: Flow([]).slice([1]).partition(wrong),
    ]
    for call in calls:
        with pytest.raises(DefinitionError, match="shard") as error:
            call()
        assert repr(wrong) in str(error.value)


@ON_THIS_MACHINE
def test_numbers_of_numpy_count_shards_and_rows(new_flow: Runner) -> None:
    two, three = np.int64(2), np.uint8(3)
    flow = new_flow()
    rows = flow.slice([(3, "c"), (1, "a"), (2, "b")], shards=three)
    assert rows.sort(shards=two).collect() == [(1, "a"), (2, "b"), (3, "c")]
    assert rows.partition(two).round_robin(three).reduce_by_key(max, shards=two).count() == 3
    assert rows.take(two) == [(3, "c"), (1, "a")]
    assert rows.top(two) == [(3, "c"), (2, "b")]
    assert rows.sample(np.float32(1.0), seed=three).count() == 3
    assert flow.source(lambda: range(4), two).count() == 4
    assert flow.text_file(__file__, two).count() > 0
    # All other numbers of the graph are Python's own, which can be printed, packed and compared.
    assert all(type(step.task_count) is int for step in flow._graph.steps)


def test_channels_take_numbers_of_numpy() -> None:
    channel = Channel(capacity=np.int64(2))
    assert repr(channel) == "<Channel open, 0 of 2 rows>"
    assert Flow(["-glow.inline"]).channel(channel, np.int64(2)).shard_count == 2
    for wrong in (True, 0, 1.0, "2"):
        with pytest.raises(ChannelError, match="needs a capacity of at least 1 row"):
            Channel(capacity=wrong)  # type: ignore[arg-type]


def test_too_many_shards_are_refused() -> None:
    with pytest.raises(DefinitionError, match="makes at most 100000 shards, not 99999999999"):
        Flow([]).text_file("/etc/passwd", 99999999999)
    with pytest.raises(DefinitionError, match=r"partition\(\) makes at most"):
        Flow([]).slice([1]).partition(100_001)
