"""Full disks, limits on file sizes and descriptors, and damaged blocks."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glowpy import Dataset, Flow
from glowpy.errors import OutputError, ShardError
from glowpy.testing import LocalCluster, started
from tests.faults.checks import BOUND_S
from tests.faults.flows import EXPECTED, MAPS, again, agents_of, release, steps_of
from tests.processes import run

pytestmark = pytest.mark.slow


# --- a full disk --------------------------------------------------------------------------------


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A separate file system of 16 MiB. Its path is short: a driver makes sockets there."""
    with tempfile.TemporaryDirectory(prefix="gw-") as place:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "none", place],
            capture_output=True,
            text=True,
        )
        if mounted.returncode:
            pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", "--lazy", place], check=True)


def too_much(flow: Flow) -> Dataset:
    """40 MiB in shards, or in a sort's runs."""
    rows = flow.slice(range(40), 4).map(lambda row: bytes([row]) * (1 << 20))
    return rows.partition(2)


def test_a_full_disk_standalone(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(small_disk))
    with pytest.raises(OutputError, match=r"Map1.* cannot write .*: No space left on device"):
        too_much(Flow(["-glow.workers=2"])).run()
    assert list(small_disk.iterdir()) == []
    assert len(steps_of(Flow(["-glow.workers=2"])).collect()) == len(EXPECTED)


def test_a_full_disk_under_a_sort(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(small_disk))
    flow = Flow(["-glow.workers=1", "-glow.task.memoryMB=1"])
    rows = flow.slice(range(40), 1).map(lambda row: bytes([row]) * (1 << 20))
    with pytest.raises(OutputError, match="No space left on device"):
        rows.sort().run()
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_at_an_agent(small_disk: Path) -> None:
    """The agent deletes the output of the failed run and has room for the next one."""
    with LocalCluster(1, executors=2, directory=str(small_disk)) as cluster:
        with pytest.raises(OutputError, match=r"on 127\.0\.0\.1: .*: No space left on device"):
            too_much(cluster.flow()).run()
        assert cluster.left_behind() == []
        assert sorted(steps_of(cluster.flow()).collect()) == EXPECTED
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_at_the_driver(
    cluster: LocalCluster, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk holds the rows of slices and the result."""
    monkeypatch.setenv("TMPDIR", str(small_disk))
    rows = [bytes([row]) * (1 << 20) for row in range(20)]
    with pytest.raises(OutputError, match=r"cannot write .*rows.*: No space left on device"):
        cluster.flow().slice(rows, 4).map(len).collect()
    target = small_disk / "result.txt"
    with pytest.raises(OutputError, match=r"cannot write .*result\.txt: No space left on device"):
        cluster.flow().slice(range(20), 4).map(lambda n: "x" * (1 << 20)).save_text_to_file(target)
    assert list(small_disk.iterdir()) == []
    assert cluster.left_behind() == []


# --- limits -------------------------------------------------------------------------------------


@pytest.fixture
def limited() -> Iterator[Callable[[int, int], None]]:
    """Set a limit of this process and its future children until the test ends."""
    before: dict[int, Any] = {}

    def limit(kind: int, value: int) -> None:
        before[kind] = resource.getrlimit(kind)
        resource.setrlimit(kind, (value, before[kind][1]))

    yield limit
    for kind, values in before.items():
        resource.setrlimit(kind, values)


def test_files_that_may_not_grow(limited: Callable[[int, int], None]) -> None:
    """A limit on the size of files (`ulimit -f`) is reported like a full disk."""
    limited(resource.RLIMIT_FSIZE, 2 << 20)
    with pytest.raises(OutputError, match=r"cannot write .*: File too large"):
        too_much(Flow(["-glow.workers=2"])).run()
    with (
        LocalCluster(1) as cluster,
        pytest.raises(OutputError, match=r"on 127\.0\.0\.1: .*: File too large"),
    ):
        too_much(cluster.flow()).run()


WIDE = """
from glowpy import Flow

rows = Flow().slice(range(1500), 150).map(lambda row: (row % 7, row))
sums = rows.partition(150).reduce_by_key(lambda x, y: x + y).sort()
print(sum(value for _key, value in sums.collect()))
print(rows.round_robin(3).filter(lambda row: row[1] == 1499).take(2))
"""


@pytest.mark.parametrize("mode", ["standalone", "inline", "cluster"])
def test_few_descriptors_are_enough_for_many_shards(
    mode: str, tmp_path: Path, limited: Callable[[int, int], None]
) -> None:
    """150 shards, and 22,500 between two steps, with `ulimit -n 128` for every process."""
    limited(resource.RLIMIT_NOFILE, 128)
    (tmp_path / "wide.py").write_text(WIDE, encoding="utf-8")
    expected = f"{sum(range(1500))}\n{[(1499 % 7, 1499)]}\n"
    if mode != "cluster":
        flags = ["-glow.inline"] if mode == "inline" else []
        assert run(tmp_path, "wide.py", *flags, "-glow.quiet").stdout == expected
        return
    with LocalCluster(2) as cluster:
        assert run(tmp_path, "wide.py", *cluster.flags, "-glow.quiet").stdout == expected


# --- damage -------------------------------------------------------------------------------------


def segments_of(cluster: LocalCluster, agent: int) -> list[Path]:
    return sorted(Path(cluster.runs_of(agent)).glob("*/*.seg"))


def flip(path: Path) -> None:
    """Change the last byte."""
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 0xFF]))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


@pytest.mark.parametrize("damage", [flip, cut, os.unlink])
def test_a_damaged_shard_is_computed_again(
    cluster: LocalCluster, damage: Callable[[Path], None]
) -> None:
    """Readers on the same host and on other hosts detect the damage by checksum."""
    ends = [cluster.hold_executor(at_end=True, step="Map1", task=task) for task in range(3)]
    run = started(steps_of(cluster.flow()).collect)
    victim = agents_of(cluster, ends)[1]
    (segment,) = segments_of(cluster, victim)
    damage(segment)
    release(ends)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert again(cluster, MAPS) == {1: 1}


def test_a_damaged_result_is_computed_again(cluster: LocalCluster) -> None:
    """The driver detects the damage by checksum."""
    end = cluster.hold_executor(at_end=True, step="Map1", task=1)
    run = started(cluster.flow().slice(range(10), 2).map(str).collect)
    victim = cluster.agent_of(end.wait())
    flip(next(path for path in segments_of(cluster, victim) if path.name.startswith("1-")))
    end.release()
    assert run.result(BOUND_S) == [str(row) for row in range(10)]
    assert cluster.recomputed() == {"Input0>Map1 task 1": 1}


def test_a_disk_that_damages_every_block_is_an_error(cluster: LocalCluster) -> None:
    """The retry limit ends the run; the error has the text of the failed checksum."""
    end = cluster.hold_executor(at_end=True, step="Map1", task=1)
    run = started(cluster.flow("-glow.quiet").slice(range(10), 2).map(str).collect)
    for _ in range(13):
        victim = cluster.agent_of(end.wait())
        attempts = [path for path in segments_of(cluster, victim) if path.name.startswith("1-")]
        flip(max(attempts, key=lambda path: int(path.stem.partition("-")[2])))
        before, end = end, cluster.hold_executor(at_end=True, step="Map1", task=1)
        before.release()
    with pytest.raises(ShardError, match=r"Map1 .* could not be read 13 times.*checksum"):
        run.result(BOUND_S)
    assert cluster.recomputed() == {"Input0>Map1 task 1": 12}
