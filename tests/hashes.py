"""Hashes and partitions of keys, computed as in tasks."""

from __future__ import annotations

from typing import Any

from glowpy.flow.ops.hashing import KeyHasher, parts_of_hashes


def partition_hash(key: Any) -> int:
    """The hash of one key."""
    return KeyHasher().hash(key)


def hashes_of(keys: list[Any]) -> list[int]:
    """The hash of each key of a batch."""
    return KeyHasher().hashes(keys)


def parts_of(keys: list[Any], part_count: int, seed: int = 0) -> list[int]:
    """The part of each key of a batch."""
    return parts_of_hashes(hashes_of(keys), part_count, seed)
