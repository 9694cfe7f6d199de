"""Rows of each shard, observed through the public operators."""

from __future__ import annotations

from typing import Any

from glowpy import Dataset

WORDS = "the quick brown fox jumps over the lazy dog and the cat".split()


def shards_of(dataset: Dataset) -> list[list[Any]]:
    """Rows of each shard that is not empty, in shard order, observed through the public operators.

    Each row goes in twice, so that a shard's fold is never a single leaf; reduce folds each shard
    first, and the merge can distinguish a shard's fold from a leaf.
    """
    folded = dataset.flat_map(leaves_of).reduce(fold).collect()
    if not folded:
        return []
    kind, rows = folded[0]
    shards = rows if kind == "all" else [rows]
    return [shard[::2] for shard in shards]


def leaves_of(row: Any) -> list[tuple[str, list[Any]]]:
    return [("leaf", [row]), ("leaf", [row])]


def fold(left: tuple[str, list[Any]], right: tuple[str, list[Any]]) -> tuple[str, list[Any]]:
    if right[0] == "leaf":
        return "shard", left[1] + right[1]
    shards = left[1] if left[0] == "all" else [left[1]]
    return "all", [*shards, right[1]]
