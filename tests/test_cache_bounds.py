"""The agent's cache of program files is bounded in size and age."""

from __future__ import annotations

import os
import time
from pathlib import Path

from glowpy.agent.cache_bounds import mark_used, trim
from glowpy.agent.program_cache import ProgramCache
from glowpy.program.manifest import Manifest, Payload, sha256_of

DAY_S = 86_400.0
KB = 1 << 10


def aged(path: Path, days: float) -> Path:
    """Set the time of the last use this many days back."""
    then = time.time_ns() - int(days * DAY_S * 1e9)
    os.utime(path, ns=(then, then))
    return path


def content(place: Path, name: str, size_bytes: int, days: float) -> Path:
    place.mkdir(exist_ok=True)
    path = place / name
    path.write_bytes(bytes(size_bytes))
    return aged(path, days)


def test_unused_programs_expire(tmp_path: Path) -> None:
    old = content(tmp_path, "old", KB, days=31)
    young = content(tmp_path, "young", KB, days=29)
    assert trim(tmp_path, 1 << 30, 30 * DAY_S) == [str(old)]
    assert young.exists() and not old.exists()
    assert trim(tmp_path / "none", 1 << 30, 30 * DAY_S) == []


def test_least_recently_used_programs_go_over_the_limit(tmp_path: Path) -> None:
    paths = [content(tmp_path, f"c{days}", KB, days) for days in (3, 1, 2, 4)]
    assert trim(tmp_path, 4 * KB, 30 * DAY_S) == []
    assert trim(tmp_path, 2 * KB, 30 * DAY_S) == [str(paths[3]), str(paths[0])]


def test_a_use_is_marked_and_leaves_a_contents_time_of_change(tmp_path: Path) -> None:
    path = content(tmp_path, "content", KB, days=40)
    changed_at = path.stat().st_mtime_ns
    mark_used(path)
    mark_used(tmp_path / "none")
    assert path.stat().st_mtime_ns == changed_at
    assert trim(tmp_path, 1 << 30, 30 * DAY_S) == []


def test_a_layout_in_use_keeps_what_is_removed(tmp_path: Path) -> None:
    cache = ProgramCache(tmp_path, tmp_path / "layouts")
    payloads = [bytes([number]) * KB for number in range(3)]
    manifests = [Manifest((), payload=Payload(sha256_of(each), KB)) for each in payloads]
    for payload in payloads:
        cache.add(sha256_of(payload), KB, [payload])
        aged(tmp_path / "files" / sha256_of(payload), days=20)
    cache.materialise(manifests[1])
    last = cache.materialise(manifests[2])
    assert cache.trim(most_bytes=1 << 30, most_age_s=10 * DAY_S) == 1
    assert [cache.missing(manifest) for manifest in manifests] == [[sha256_of(payloads[0])], [], []]
    assert cache.trim(most_bytes=0, most_age_s=10 * DAY_S) == 2
    assert last.payload.read_bytes() == payloads[2]
