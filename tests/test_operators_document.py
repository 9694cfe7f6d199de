"""docs/operators.md has a row for every public method, with the steps that the method adds."""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import add
from pathlib import Path

import pytest

from glowpy import Channel, Dataset, Flow

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "operators.md"
HEAD = re.compile(r"\| (method) \|")
METHOD = re.compile(r"`((?:flow\.|dataset\.)?)(\w+)\(")


def rows() -> list[list[str]]:
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    tables = [line for line in lines if not HEAD.match(line) and not line.startswith("|---")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in tables]


def methods_of(cell: str) -> list[str]:
    return [f"{'Flow' if of == 'flow.' else 'Dataset'}.{name}" for of, name in METHOD.findall(cell)]


STEPS = {name: row[2] for row in rows() for name in methods_of(row[0])}


def public_methods() -> set[str]:
    return {
        f"{each.__name__}.{name}"
        for each in (Dataset, Flow)
        for name in dir(each)
        if not name.startswith("_") and callable(getattr(each, name))
    }


def test_every_method_has_a_row_and_every_row_is_filled_in() -> None:
    assert set(STEPS) == public_methods()
    for row in rows():
        assert len(row) == 5 and all(row), row


def test_arguments_are_those_of_the_method() -> None:
    """Names and defaults, in the user's form; functions are `f`."""
    import inspect

    for row in rows():
        for call in re.findall(r"`((?:flow\.)?\w+\([^`]*\))`", row[0]):
            (name,) = methods_of(f"`{call}")
            of, _, method = name.partition(".")
            signature = inspect.signature(getattr(Dataset if of == "Dataset" else Flow, method))
            names = [each for each in signature.parameters if each != "self"]
            said = re.findall(r"(?<![=\w\"])\*?([a-z_]\w*)(?=[,)=])", call.partition("(")[2])
            shorter = {"function": "f", "count": "n", "channel": "ch"}
            if method in ("coalesce", "partition", "round_robin"):
                shorter["shards"] = "n"
            assert said == [shorter.get(each, each) for each in names], call


Uses = dict[str, Callable[[Flow, Dataset], object]]
USES: Uses = {
    "Flow.text_file": lambda flow, rows: flow.text_file("/etc/passwd", 1),
    "Flow.source": lambda flow, rows: flow.source(list, 2),
    "Flow.slice": lambda flow, rows: flow.slice([1]),
    "Flow.channel": lambda flow, rows: flow.channel(Channel()),
    "Flow.named_channel": lambda flow, rows: flow.named_channel("name"),
    "Dataset.map": lambda flow, rows: rows.map(str),
    "Dataset.flat_map": lambda flow, rows: rows.flat_map(str),
    "Dataset.filter": lambda flow, rows: rows.filter(str),
    "Dataset.key_by": lambda flow, rows: rows.key_by(str),
    "Dataset.map_values": lambda flow, rows: rows.map_values(str),
    "Dataset.sample": lambda flow, rows: rows.sample(0.5),
    "Dataset.pipe": lambda flow, rows: rows.pipe("cat"),
    "Dataset.reduce": lambda flow, rows: rows.reduce(add),
    "Dataset.local_reduce": lambda flow, rows: rows.local_reduce(add),
    "Dataset.merge_reduce": lambda flow, rows: rows.merge_reduce(add),
    "Dataset.map_partitions": lambda flow, rows: rows.map_partitions(list),
    "Dataset.round_robin": lambda flow, rows: rows.round_robin(3),
    "Dataset.coalesce": lambda flow, rows: rows.coalesce(1),
    "Dataset.limit": lambda flow, rows: rows.limit(1),
    "Dataset.union": lambda flow, rows: rows.union(rows),
    "Dataset.sort": lambda flow, rows: (rows.sort(), rows.sort(shards=3)),
    "Dataset.local_sort": lambda flow, rows: rows.local_sort(),
    "Dataset.merge_sorted": lambda flow, rows: rows.merge_sorted(),
    "Dataset.partition": lambda flow, rows: rows.partition(3),
    "Dataset.reduce_by_key": lambda flow, rows: (
        rows.reduce_by_key(add),
        rows.reduce_by_key(add, shards=2),
    ),
    "Dataset.local_reduce_by_key": lambda flow, rows: rows.local_reduce_by_key(add),
    "Dataset.reduce_by_user_defined_key": lambda flow, rows: rows.reduce_by_user_defined_key(
        str, add
    ),
    "Dataset.group_by_key": lambda flow, rows: rows.group_by_key(),
    "Dataset.local_group_by_key": lambda flow, rows: rows.local_group_by_key(),
    "Dataset.distinct": lambda flow, rows: rows.distinct(),
    "Dataset.join": lambda flow, rows: rows.join(rows),
    "Dataset.left_outer_join": lambda flow, rows: rows.left_outer_join(rows),
    "Dataset.right_outer_join": lambda flow, rows: rows.right_outer_join(rows),
    "Dataset.full_outer_join": lambda flow, rows: rows.full_outer_join(rows),
    "Dataset.join_partitioned_sorted": lambda flow, rows: rows.join_partitioned_sorted(rows),
    "Dataset.broadcast_join": lambda flow, rows: rows.broadcast_join(rows),
    "Dataset.cogroup": lambda flow, rows: rows.cogroup(rows),
    "Dataset.cogroup_partitioned_sorted": lambda flow, rows: rows.cogroup_partitioned_sorted(rows),
    "Dataset.top": lambda flow, rows: rows.top(1),
    "Dataset.for_each": lambda flow, rows: rows.for_each(str),
}


@pytest.mark.parametrize("name", STEPS)
def test_the_steps_are_those_that_it_adds(name: str) -> None:
    flow = Flow(["-glow.inline"])
    rows = flow.slice([(1, 1)], 2)
    first = len(rows._graph.steps)
    if name in USES:
        USES[name](flow, rows)
    added = [step.name for step in rows._graph.steps[first:]]
    cell = STEPS[name]
    if cell.startswith("as "):
        cell = STEPS[f"Dataset.{cell[4:-1]}"]
    assert [each for each in re.findall(r"`(\w+)`", cell) if each != "shards"] == added
