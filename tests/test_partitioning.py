"""Keys with a hash of their own class: readers of a shuffle check the placement by the writers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from glowpy import Flow
from glowpy.flow.graph import OutputKind
from glowpy.shards.codec import CheckedRows, decode, encode
from glowpy.task.context import Context
from glowpy.task.failure import StepFailed
from glowpy.task.partitioning import KeyPartitioner, checked
from tests.processes import ON_EVERY_CLUSTER, flags_of, run

PARTS = 4


class OwnHash:
    """A key with a hash that depends on the process; here, on a number that a test changes."""

    address = 1

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnHash) and self.name == other.name

    def __hash__(self) -> int:
        return hash((OwnHash.address * 7919, len(self.name)))

    def __repr__(self) -> str:
        return f"OwnHash({self.name!r})"


@pytest.fixture(autouse=True)
def first_process() -> None:
    OwnHash.address = 1


def written(rows: list[Any], kind: OutputKind = OutputKind.SCATTER) -> list[list[list[Any]]]:
    """The blocks of each part, in the form that a reader gets."""
    placing = KeyPartitioner(kind, PARTS, 0)
    buffers: list[list[Any]] = [[] for _ in range(PARTS)]
    for part, row in zip(placing.parts(rows), rows, strict=True):
        buffers[part].append(row)
    blocks = [[placing.marked(rows)] for rows in buffers]
    if placing.is_own:
        for each in blocks:
            each.append(placing.samples())
    return [[decode(encode(block)) for block in part] for part in blocks]


def read(
    parts: list[list[list[Any]]], directory: Path, kind: OutputKind = OutputKind.SCATTER
) -> list[Any]:
    step = Flow(["-glow.inline"]).slice([1]).map(str)._graph.steps[-1]
    return [
        row
        for number, blocks in enumerate(parts)
        for batch in checked(iter(blocks), kind, Context(number, PARTS, 1, str(directory)), step)
        for row in batch
    ]


KEYED = [(OwnHash("x" * number), number) for number in range(40)]


@pytest.mark.parametrize("rows", [KEYED, [((own, 1), n) for own, n in KEYED]], ids=["key", "part"])
def test_keys_that_hash_alike_in_both_processes_are_accepted(
    rows: list[Any], tmp_path: Path
) -> None:
    parts = written(rows)
    assert all(type(block) is CheckedRows for part in parts for block in part)
    assert sorted(read(parts, tmp_path), key=lambda row: row[1]) == rows
    assert all(type(row) is tuple for row in read(parts, tmp_path))


@pytest.mark.parametrize("rows", [KEYED, [((own, 1), n) for own, n in KEYED]], ids=["key", "part"])
def test_keys_that_hash_differently_are_an_error(rows: list[Any], tmp_path: Path) -> None:
    parts = written(rows)
    OwnHash.address = 2
    with pytest.raises(StepFailed) as failure:
        read(parts, tmp_path)
    assert "key OwnHash('" in str(failure.value.__cause__)
    assert "OwnHash.__hash__ depends on more than values" in str(failure.value.__cause__)


def test_whole_rows_are_checked_too(tmp_path: Path) -> None:
    rows = [own for own, _number in KEYED]
    parts = written(rows, OutputKind.SCATTER_ROWS)
    assert len(read(parts, tmp_path, OutputKind.SCATTER_ROWS)) == 40
    OwnHash.address = 2
    with pytest.raises(StepFailed):
        read(parts, tmp_path, OutputKind.SCATTER_ROWS)


def test_one_key_that_lands_in_the_same_part_by_chance_is_an_error_in_every_part(
    tmp_path: Path,
) -> None:
    """Readers of parts without rows see the samples of all writers."""
    parts = written(KEYED[:1])
    home = next(number for number, blocks in enumerate(parts) if blocks[0])
    OwnHash.address = next(
        address for address in range(2, 100) if _part_under(address, KEYED[0]) == home
    )
    for number, blocks in enumerate(parts):
        others = [blocks if each == number else [] for each in range(PARTS)]
        with pytest.raises(StepFailed):
            read(others, tmp_path)


def _part_under(address: int, row: Any) -> int:
    OwnHash.address = address
    return KeyPartitioner(OutputKind.SCATTER, PARTS, 0).parts([row])[0]


def test_blocks_of_ordinary_keys_are_plain_lists() -> None:
    rows = [(key, n) for n, key in enumerate([1, "a", None, 2.5, (1, "x"), frozenset({1})])]
    assert all(type(block) is list for part in written(rows) for block in part)


SCRIPT = """
import attrs
from glowpy import Flow

class ByFields:
    def __init__(self, a, b): self.a, self.b = a, b
    def __eq__(self, other): return (self.a, self.b) == (other.a, other.b)
    def __hash__(self): return hash((type(self), self.a, self.b))
    def __repr__(self): return f"{type(self).__name__}({self.a}, {self.b})"

class ByText(ByFields):
    def __hash__(self): return hash(f"{self.a} {self.b}")

class ByAddress(ByFields):
    def __hash__(self): return id(type(self)) // 16 + self.a

def run(kind):
    rows = Flow().slice(range(600), 6).map(lambda i: (kind(i % 4, None), 1))
    pairs = rows.reduce_by_key(lambda x, y: x + y, shards=3)
    print(sorted(map(str, pairs.collect())))
    print(sorted(map(str, rows.map(lambda k, v: k).distinct().collect())))

@attrs.frozen
class ByAttrs:
    a: int
    b: object
    def __repr__(self): return f"ByAttrs({self.a}, {self.b})"

run(ByFields)
run(ByText)
run(ByAttrs)
run(ByAddress)
"""


@ON_EVERY_CLUSTER
def test_own_hashes_on_a_cluster_agree_or_end_the_run(
    mode: str, cluster: str, tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster), status=1)
    fields, rows, texts, others, attrs, of_attrs = ended.stdout.splitlines()
    assert fields == str([f"(ByFields({n}, None), 150)" for n in range(4)])
    assert rows == str([f"ByFields({n}, None)" for n in range(4)])
    assert texts == fields.replace("Fields", "Text") and others == rows.replace("Fields", "Text")
    assert attrs == fields.replace("Fields", "Attrs") and of_attrs == rows.replace(
        "Fields", "Attrs"
    )
    assert "ByAddress.__hash__ depends on more than values" in ended.stderr
    assert "key ByAddress(" in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("given", "seen"), [({"PYTHONHASHSEED": "7"}, "7"), ({}, "0")])
def test_executors_of_a_cluster_get_the_hash_seed_of_the_driver_or_0(
    given: dict[str, str], seen: str, cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    (tmp_path / "script.py").write_text(
        "import os\n"
        "from glowpy import Flow\n"
        "print(Flow().slice([1]).map(lambda _: os.environ['PYTHONHASHSEED']).collect())\n",
        encoding="utf-8",
    )
    ended = run(tmp_path, "script.py", *flags_of("cluster", cluster), environment=given)
    assert ended.stdout == f"['{seen}']\n"
