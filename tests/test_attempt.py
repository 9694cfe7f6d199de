"""One attempt of a task group, from input streams to blocks of its shards."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowpy import Dataset, Flow
from glowpy.errors import OutputError, RowError
from glowpy.planner.fusion import make_plan
from glowpy.planner.run_description import RunDescription, Sink
from glowpy.shards.codec import decode
from glowpy.shards.segment import NONCE_BYTES, Block, SegmentReader
from glowpy.task import output
from glowpy.task.attempt import AttemptResult, run_attempt
from glowpy.task.failure import NO_ROW, AttemptAborted, StepFailed
from tests.forked import in_fork
from tests.hashes import parts_of

NONCE = bytes(range(NONCE_BYTES))


@dataclass
class Attempt:
    """Runs one task group of a dataset's plan, and reads the group's output."""

    dataset: Dataset
    directory: Path
    sink: Sink = Sink.ROWS
    blocks: list[Block] = field(default_factory=list)
    commits: int = 0

    @property
    def path(self) -> Path:
        return self.directory / "a.seg"

    def run(
        self,
        *edges: Sequence[Any],
        group: int = 0,
        check_cancelled: Callable[[], None] = lambda: None,
    ) -> AttemptResult:
        """Run the group; an edge is a list of shards, a shard a list of batches."""
        graph, node = self.dataset._graph, self.dataset._node
        plan = make_plan(graph, [node], stored=self.sink is not Sink.DRAIN)
        description = RunDescription("r", 1, 0, (node.id,), self.sink, 1, {}, "", "here")
        result = run_attempt(
            plan,
            description,
            group,
            [[iter(shard) for shard in edge] for edge in edges],
            segment_path=str(self.path),
            nonce=NONCE,
            commit=self._commit,
            check_cancelled=check_cancelled,
        )
        self.blocks += result.blocks
        return result

    def rows(self) -> dict[int, list[Any]]:
        """Rows by shard, in the order in which the blocks were announced."""
        found: dict[int, list[Any]] = {}
        if self.blocks:
            with SegmentReader(str(self.path), NONCE) as reader:
                for block in self.blocks:
                    rows = decode(reader.read(block))
                    assert len(rows) == block.row_count
                    found.setdefault(block.shard, []).extend(rows)
        return found

    def _commit(self, blocks: Sequence[Block]) -> None:
        self.commits += 1
        with SegmentReader(str(self.path), NONCE) as reader:  # readable from now on
            for block in blocks:
                reader.read(block)
        self.blocks += blocks


def slice_of(shards: int = 1) -> Dataset:
    return Flow(["-glow.inline"]).slice([], shards)


def open_files() -> set[str]:
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return {os.readlink(link) for link in links if os.path.islink(link)}


# --- where rows go -------------------------------------------------------------------------------


def test_a_plain_step_writes_its_own_shard(tmp_path: Path) -> None:
    attempt = Attempt(slice_of(3).map(lambda row: -row), tmp_path)
    result = attempt.run([[[1, 2], [3]]], group=2)
    assert attempt.rows() == {2: [-1, -2, -3]}
    assert result.row_count == 3


@given(rows=st.lists(st.integers(), max_size=200), shards=st.integers(2, 5))
def test_a_source_deals_its_rows_in_turn(rows: list[int], shards: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        attempt = Attempt(Flow(["-glow.inline"]).source(lambda: rows, shards), Path(directory))
        # the last step of this group deals the rows
        attempt.dataset = attempt.dataset.map(lambda row: row)
        attempt.run()
        dealt = {shard: rows[shard::shards] for shard in range(shards) if rows[shard::shards]}
        assert attempt.rows() == dealt


def test_a_scattering_step_writes_its_part_of_every_shard(tmp_path: Path) -> None:
    pairs = [(number % 50, number) for number in range(1000)]
    attempt = Attempt(slice_of(2).partition(3), tmp_path)
    attempt.run([[pairs[:1], pairs[1:]]], group=1)
    expected: dict[int, list[Any]] = {}
    for pair, part in zip(pairs, parts_of([key for key, _ in pairs], 3), strict=True):
        expected.setdefault(part * 2 + 1, []).append(pair)  # shards of task 1 of 2
    assert attempt.rows() == expected


def test_unread_rows_are_counted_and_not_written(tmp_path: Path) -> None:
    attempt = Attempt(slice_of().map(lambda row: row), tmp_path, Sink.DRAIN)
    result = attempt.run([[[1], [2, 3]]])
    assert (result.row_count, result.blocks) == (3, ())
    assert os.listdir(tmp_path) == []


def test_no_rows_make_no_file(tmp_path: Path) -> None:
    result = Attempt(slice_of(), tmp_path).run([[[], []]])
    assert (result.row_count, result.blocks) == (0, ()) and os.listdir(tmp_path) == []


@pytest.mark.parametrize("row_bytes", [100, 10_000, 300_000, 3_000_000])
def test_blocks_hold_about_a_megabyte_and_are_announced_early(
    tmp_path: Path, row_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # rows in the first block, before the size of a row is known
    monkeypatch.setattr(output, "_FIRST_ROWS", 1)
    rows = [bytes([number % 251]) * row_bytes for number in range(12_000_000 // row_bytes)]
    per_batch = max(1, 50_000 // row_bytes)
    attempt = Attempt(slice_of(), tmp_path)
    attempt.run([[rows[first : first + per_batch] for first in range(0, len(rows), per_batch)]])
    assert attempt.rows() == {0: rows}
    sizes = [block.length_bytes for block in attempt.blocks[per_batch:]]
    assert max(sizes) < max(1.2 * (1 << 20), row_bytes + 100)
    assert sum(sizes) / len(sizes) > 0.3 * (1 << 20) or row_bytes < 1000
    assert attempt.commits >= 4


# --- text ----------------------------------------------------------------------------------------


def test_text_is_made_in_the_task_a_line_for_each_row(tmp_path: Path) -> None:
    attempt = Attempt(slice_of(), tmp_path, Sink.TEXT)
    result = attempt.run([[["a", 1, None], [], ["ü", ("x", 2), "\udcff"]]])
    lines = attempt.rows()[0]
    assert b"".join(lines) == b"a\n1\nNone\n" + "ü\n('x', 2)\n".encode() + b"\xff\n"
    assert result.row_count == 6


@pytest.mark.parametrize("position", [0, 1, 2, 4])
def test_the_row_without_text_is_the_one_that_is_shown(tmp_path: Path, position: int) -> None:
    class Silent:
        def __str__(self) -> str:
            raise ValueError("no words")

    for wrong in ("\ud800 half", Silent()):
        rows: list[Any] = ["", "one", "two\nlines", 4]
        rows.insert(position, wrong)
        with pytest.raises(StepFailed) as failure:
            Attempt(slice_of(), tmp_path, Sink.TEXT).run([[rows]])
        assert failure.value.row is wrong
        assert failure.value.step.label == "Input0"


# --- failures ------------------------------------------------------------------------------------


class Stubborn:
    def __reduce__(self) -> Any:
        raise ValueError("not this one")


def test_rows_that_cannot_be_stored_fail_the_step_that_made_them(tmp_path: Path) -> None:
    for dataset, row, words in [
        (slice_of().map(lambda row: row), Stubborn(), "cannot be pickled: .*not this one"),
        (slice_of().partition(2), [[1], 2], "cannot be hashed"),
    ]:
        with pytest.raises(StepFailed) as failure:
            Attempt(dataset, tmp_path).run([[[row]]])
        assert failure.value.step is dataset._graph.steps[1]
        assert failure.value.row is NO_ROW
        with pytest.raises(RowError, match=words):
            raise failure.value.cause


def test_an_attempt_can_be_stopped_between_batches(tmp_path: Path) -> None:
    seen: list[int] = []

    def stop() -> None:
        if len(seen) == 2:
            raise AttemptAborted

    before = open_files()
    attempt = Attempt(slice_of().map(seen.append), tmp_path)
    with pytest.raises(AttemptAborted):
        attempt.run([[[1], [2], [3]]], check_cancelled=stop)
    assert seen == [1, 2]
    assert open_files() == before


@pytest.mark.parametrize(
    "add_steps",
    [
        lambda rows: rows.reduce(max),
        lambda rows: rows.map(lambda row: (row, row)).reduce_by_key(max),
        lambda rows: rows.map(lambda row: (row, row)).group_by_key(),
        lambda rows: rows.sort(),
        lambda rows: rows.distinct(),
    ],
)
@pytest.mark.parametrize("is_source", [False, True])
def test_steps_that_take_in_everything_first_can_be_stopped_before(
    add_steps: Callable[[Dataset], Dataset], is_source: bool, tmp_path: Path
) -> None:
    seen: list[int] = []

    def note(row: int) -> int:
        seen.append(row)
        return row

    def stop() -> None:
        if len(seen) >= 2:
            raise AttemptAborted

    def rows() -> Iterator[int]:
        yield from range(100_000)

    source = Flow(["-glow.inline"]).source(rows, 1) if is_source else slice_of()
    attempt = Attempt(add_steps(source.map(note)), tmp_path)
    with pytest.raises(AttemptAborted):
        attempt.run(*([] if is_source else [[[[1], [2], [3]]]]), check_cancelled=stop)
    assert len(seen) < 100 if is_source else seen == [1, 2]


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    def write() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            Attempt(slice_of(), tmp_path).run([[[b"x" * 200_000]]])
        except OutputError as exc:
            return str(exc)
        return "written"

    assert in_fork(write) == f"cannot write shard data to {tmp_path}/a.seg: File too large"
