"""What an agent keeps of programs: neither too much nor for too long, and never what is in use."""

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
    """As if it had been used so many days ago."""
    then = time.time_ns() - int(days * DAY_S * 1e9)
    os.utime(path, ns=(then, then))
    return path


def content(place: Path, name: str, size_bytes: int, days: float) -> Path:
    place.mkdir(exist_ok=True)
    path = place / name
    path.write_bytes(bytes(size_bytes))
    return aged(path, days)


def test_what_was_not_used_for_long_goes(tmp_path: Path) -> None:
    old = content(tmp_path, "old", KB, days=31)
    young = content(tmp_path, "young", KB, days=29)
    assert trim([tmp_path, tmp_path / "none"], [], 1 << 30, 30 * DAY_S) == [str(old)]
    assert young.exists() and not old.exists()


def test_what_was_used_longest_ago_goes_while_it_is_too_much(tmp_path: Path) -> None:
    paths = [content(tmp_path, f"c{days}", KB, days) for days in (3, 1, 2, 4)]
    assert trim([tmp_path], [], 4 * KB, 30 * DAY_S) == []
    assert trim([tmp_path], [], 2 * KB, 30 * DAY_S) == [str(paths[3]), str(paths[0])]


def test_what_is_in_use_stays_however_old_and_large(tmp_path: Path) -> None:
    used = tmp_path / "used"
    content(used, "large", 10 * KB, days=0)
    aged(used, days=99)
    other = content(tmp_path, "other", KB, days=1)
    assert trim([tmp_path], [used], KB, 30 * DAY_S) == [str(other)]
    assert (used / "large").exists()


def test_a_file_of_several_names_counts_once(tmp_path: Path) -> None:
    one = content(tmp_path / "files", "one", KB, days=2)
    os.link(one, tmp_path / "two")
    assert trim([tmp_path / "files", tmp_path], [], KB, 30 * DAY_S) == []


def test_a_use_is_marked_and_leaves_a_contents_time_of_change(tmp_path: Path) -> None:
    path = content(tmp_path, "content", KB, days=40)
    changed_at = path.stat().st_mtime_ns
    mark_used(path)
    mark_used(tmp_path / "none")
    assert path.stat().st_mtime_ns == changed_at
    assert trim([tmp_path], [], 1 << 30, 30 * DAY_S) == []


def test_programs_that_are_used_again_stay_whole(tmp_path: Path) -> None:
    cache = ProgramCache(tmp_path)
    payloads = [bytes([number]) * KB for number in range(3)]
    manifests = [Manifest((), payload=Payload(sha256_of(each), KB)) for each in payloads]
    for payload, manifest in zip(payloads, manifests, strict=True):
        cache.add(sha256_of(payload), KB, [payload])
        cache.materialise(manifest)
        for path in tmp_path.rglob("*"):
            if path.parent.name in ("files", "programs"):
                aged(path, days=20)
    again = cache.materialise(manifests[1])
    last = cache.materialise(manifests[2])
    assert cache.trim([last], most_bytes=1 << 30, most_age_s=10 * DAY_S) == 2
    assert [cache.missing(manifest) for manifest in manifests] == [[sha256_of(payloads[0])], [], []]
    assert again.payload.read_bytes() == payloads[1]
    assert cache.trim([last], most_bytes=0, most_age_s=10 * DAY_S) == 3
    assert last.payload.read_bytes() == payloads[2] and not again.payload.exists()
