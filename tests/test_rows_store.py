"""The driver's own store: the rows of every slice in a plan, sealed before the run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from glowpy import Dataset, Flow
from glowpy.driver import rows_store
from glowpy.driver.rows_store import RowsStore
from glowpy.errors import OutputError, RowError
from glowpy.planner.fusion import make_plan
from glowpy.secret import Secret
from glowpy.shards.codec import decode
from glowpy.shards.pull import SendBlocks, SendEnd, ShardIndex
from glowpy.shards.segment import SegmentReader

RUN, SECRET = "r1", Secret(b"s" * 16)


def store(directory: Path, *datasets: Dataset) -> ShardIndex:
    index = ShardIndex()
    plan = make_plan(datasets[0]._graph, [each._node for each in datasets], stored=True)
    RowsStore(RUN, SECRET, str(directory), index, lambda sends: None).keep_slices(plan)
    return index


def rows_of(index: ShardIndex, dataset: int, shard: int) -> list[Any]:
    """Read one shard in the way of a task on this host."""
    *blocks, end = index.fetch(
        "reader",
        1,
        RUN,
        dataset,
        shard,
        first_block=0,
        credit_bytes=0,
        is_local=True,
        secret=SECRET,
    )
    assert isinstance(end, SendEnd) and end.lost == ""
    rows: list[Any] = []
    for send in blocks:
        assert isinstance(send, SendBlocks)
        with SegmentReader(send.path, send.nonce) as reader:
            rows += [row for block in send.blocks for row in decode(reader.read(block))]
    assert len(rows) == end.row_count
    return rows


def test_each_shard_can_be_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_store, "_BLOCK_BYTES", 100)
    rows = [*range(10), None, "x", (1, [2])]
    dataset = Flow(["-glow.inline"]).slice(rows, 3)
    index = store(tmp_path, dataset)
    shards = [rows_of(index, 0, shard) for shard in range(3)]
    assert sum(shards, []) == rows  # noqa: RUF017
    assert [len(shard) for shard in shards] == [4, 4, 5]


def test_slices_are_stored_once_and_only_where_they_are_read(tmp_path: Path) -> None:
    flow = Flow(["-glow.inline"])
    one, _unread, two = flow.slice([1]), flow.slice(["unread"]), flow.slice([2, 3])
    index = store(tmp_path, one.map(abs), one.filter(bool), two)
    assert index.attempts_of(RUN) == [0, 2]
    assert (rows_of(index, 0, 0), rows_of(index, 2, 0)) == ([1], [2, 3])
    assert len(os.listdir(tmp_path)) == 2


def test_an_empty_slice_is_sealed_too(tmp_path: Path) -> None:
    index = store(tmp_path, Flow(["-glow.inline"]).slice([], 2))
    assert rows_of(index, 0, 0) == rows_of(index, 0, 1) == []
    assert os.listdir(tmp_path) == []


def test_a_row_that_cannot_be_stored_is_shown(tmp_path: Path) -> None:
    with pytest.raises(
        RowError, match=r"^Input0 \(test_rows_store.py:\d+\), a slice: row <gen.*> cannot be"
    ):
        store(tmp_path, Flow(["-glow.inline"]).slice([1, (each for each in "abc")]))


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot create .*none/rows-0\.seg: No such file"):
        store(tmp_path / "none", Flow(["-glow.inline"]).slice([1]))
