"""The program cache of an agent: contents once, and a checked layout for each run."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from glowpy.agent.program_cache import ProgramCache
from glowpy.errors import ProgramError, ProtocolError
from glowpy.program.manifest import Manifest, Payload, Recorded, Related, ShippedFile

CONTENTS = {hashlib.sha256(data).hexdigest(): data for data in (b"a", b"bb", b"ccc")}
A, B, C = CONTENTS
CODE = (ShippedFile(0, "pkg/x.py", A, 1), ShippedFile(1, "y.py", B, 2))


@pytest.fixture
def cache(tmp_path: Path) -> ProgramCache:
    cache = ProgramCache(tmp_path, tmp_path / "layouts")
    for sha256, data in CONTENTS.items():
        cache.add(sha256, len(data), [data[:1], data[1:]])
    return cache


def test_a_program_is_laid_out_with_all_its_parts(cache: ProgramCache) -> None:
    related = (Related("d/plain", A, 1), Related("tool", B, 2, is_executable=True))
    manifest = Manifest(CODE, (Recorded(1, C, 3),), Payload(B, 2), related)
    found = cache.materialise(manifest)
    assert [root.name for root in found.roots] == ["r0", "r1"]
    assert (found.roots[0] / "pkg" / "x.py").read_bytes() == b"a"
    assert (found.roots[1] / "y.py").read_bytes() == b"bb"
    assert found.payload.read_bytes() == b"bb"
    assert (found.path / "recorded" / "1").read_bytes() == b"ccc"
    assert (found.related / "d" / "plain").read_bytes() == b"a"
    assert os.access(found.related / "tool", os.X_OK)


def test_layouts_share_what_goes_along_and_no_code(cache: ProgramCache) -> None:
    manifest = Manifest(CODE, payload=Payload(A, 1), related=(Related("m", C, 3),))
    first, second = cache.materialise(manifest), cache.materialise(manifest)
    assert (first.related / "m").samefile(second.related / "m")
    assert not (first.roots[1] / "y.py").samefile(second.roots[1] / "y.py")


@pytest.mark.parametrize("place", ["related/m", "payload", "recorded/1"])
def test_a_link_that_was_written_to_is_not_used_again(cache: ProgramCache, place: str) -> None:
    manifest = Manifest((), (Recorded(1, C, 3),), Payload(C, 3), (Related("m", C, 3),))
    path = cache.materialise(manifest).path / place
    status = path.stat()
    path.chmod(0o600)
    path.write_bytes(b"zzz")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(ProgramError, match="was changed in this agent's cache; it is removed"):
        cache.materialise(manifest)
    assert cache.missing(manifest) == [C]
    cache.add(C, 3, [b"ccc"])
    assert (cache.materialise(manifest).path / place).read_bytes() == b"ccc"


def test_nothing_is_left_of_a_layout_that_failed(cache: ProgramCache, tmp_path: Path) -> None:
    (tmp_path / "files" / B).unlink()
    with pytest.raises(ProgramError, match="is not here"):
        cache.materialise(Manifest(CODE))
    assert list((tmp_path / "layouts").iterdir()) == []


def test_missing_files_are_named_and_leave_nothing(tmp_path: Path) -> None:
    cache = ProgramCache(tmp_path, tmp_path / "layouts")
    assert cache.missing(Manifest(CODE)) == [A, B]
    with pytest.raises(ProgramError, match=f"the content {A} of the program is not here"):
        cache.materialise(Manifest(CODE))
    assert list(tmp_path.glob("*/*")) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"a", "has 1 of 2 bytes"), (b"aaa", "more than its 2 bytes"), (b"ab", "came with SHA-256")],
)
def test_a_content_that_is_another_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    cache = ProgramCache(tmp_path, tmp_path / "layouts")
    with pytest.raises(ProgramError, match=reason):
        cache.add(B, 2, [data])
    assert list(tmp_path.glob("files/*")) == []
    with pytest.raises(ProtocolError, match="is not a SHA-256"):
        cache.begin("../x", 2)
