"""Kernels give equal rows in equal order, of equal types, under every memory budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from glowpy import Dataset
from glowpy.flow.ops import fold_tables, key_tables, merging
from glowpy.flow.ops.broadcast_join import broadcast_join_kernel
from glowpy.flow.ops.distinct import distinct_kernel
from glowpy.flow.ops.group import cogroup_kernel, group_kernel
from glowpy.flow.ops.join import join_kernel
from glowpy.flow.ops.kernel import Batch
from glowpy.flow.ops.keys import LoneKey, pairs_with_distinct_nans
from glowpy.task.context import Context
from tests.test_hashing import keys
from tests.test_over_budget import batches, last_group, tight

quick = settings(
    tight, max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]
)

KERNELS: dict[str, tuple[int, Callable[..., Iterator[Batch]]]] = {
    "group": (1, partial(group_kernel, "group")),
    "distinct": (1, distinct_kernel),
    "cogroup": (2, partial(cogroup_kernel, "cogroup")),
    "join": (2, partial(join_kernel, "join", False, False)),
    "left join": (2, partial(join_kernel, "join", True, False)),
    "right join": (2, partial(join_kernel, "join", False, True)),
    "full join": (2, partial(join_kernel, "join", True, True)),
    "broadcast join": (2, partial(broadcast_join_kernel, True)),
}
NAN = float("nan")
SHORT = st.one_of(keys, st.integers(-3, 3), st.sampled_from(["a", "b", "c", NAN, 0.5, None]))
PAIRS = st.lists(st.tuples(SHORT, st.integers(0, 99)), max_size=60)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure every few rows, and merge few streams at a time."""
    for module in (key_tables, fold_tables):
        monkeypatch.setattr(module, "_MOST_UNCHECKED", 8)
    monkeypatch.setattr(merging, "FAN_IN", 2)


@pytest.mark.parametrize("name", KERNELS)
@quick
@given(left=PAIRS, right=PAIRS)
def test_rows_and_their_order_do_not_depend_on_the_budget(
    name: str, left: Batch, right: Batch, tmp_path: Path
) -> None:
    side_count, kernel = KERNELS[name]
    sides = [left, right][:side_count]
    if name == "distinct":
        sides = [[key for key, _value in left]]

    def rows(budget_bytes: int, batch_size: int) -> str:
        context = Context(0, 1, budget_bytes, str(tmp_path))
        edges = [[batches(side, batch_size)] for side in sides]
        return "\n".join(text_of(row) for batch in kernel(context, edges) for row in batch)

    in_memory = rows(1 << 30, 7)
    assert rows(1 << 30, 100) == in_memory
    for budget_bytes in [500, 2000, 9000]:
        assert rows(budget_bytes, 5) == in_memory


def nested(left: str, right: str) -> str:
    """Show the order and nesting in which values are folded."""
    return f"({left} {right})" if len(left) < 300 else f"({left[:100]}… {hash_of(left)} {right})"


def hash_of(text: str) -> int:
    return crc32(text.encode())


FOLDS: dict[str, Callable[[Dataset], Dataset]] = {
    "one shard": lambda pairs: pairs.reduce_by_key(nested),
    "shards": lambda pairs: pairs.reduce_by_key(nested, shards=1),
    "local": lambda pairs: pairs.local_reduce_by_key(nested),
    "user's key": lambda pairs: pairs.reduce_by_user_defined_key(repr, nested),
    "behind flat_map": lambda pairs: pairs.flat_map(
        lambda key, value: iter([(key, value), (value, "+"), (key, value * 2)])
    ).reduce_by_key(nested),
}


@pytest.mark.parametrize("name", FOLDS)
@quick
@given(rows=st.lists(st.tuples(SHORT, st.text("xyz", max_size=3)), max_size=150))
def test_values_are_folded_alike_under_every_budget(name: str, rows: Batch, tmp_path: Path) -> None:
    def found(budget_bytes: int) -> list[str]:
        return [text_of(row) for row in last_group(FOLDS[name], [rows], tmp_path, budget_bytes)]

    in_memory = found(1 << 30)
    if name == "local":
        expected: dict[Any, str] = {}
        for key, value in pairs_with_distinct_nans(rows):  # NaN is no key of another NaN
            expected[key] = nested(expected[key], value) if key in expected else value
        assert sorted(in_memory) == sorted(text_of(pair) for pair in expected.items())
    for budget_bytes in [500, 2500, 9000]:
        assert found(budget_bytes) == in_memory


def text_of(row: Any) -> str:
    """The text of a row with types, which `==` does not compare; sets are sorted."""
    if isinstance(row, LoneKey):
        return text_of(row.value)
    if isinstance(row, (tuple, list)):
        return f"{type(row).__name__}({', '.join(map(text_of, row))})"
    if isinstance(row, frozenset):
        return f"{type(row).__name__}({', '.join(sorted(map(text_of, row)))})"
    return f"{type(row).__name__} {row!r}"
