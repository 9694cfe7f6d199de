"""What an agent keeps of programs: contents once, code in copies, the rest in links."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from glowpy.agent.program_cache import ProgramCache
from glowpy.errors import ProgramError, ProtocolError
from glowpy.program.manifest import FileEntry, Manifest, Payload, Recorded, Related

CONTENTS = {hashlib.sha256(data).hexdigest(): data for data in (b"a", b"bb", b"ccc")}
A, B, C = CONTENTS
CODE = (FileEntry(0, "pkg/x.py", A, 1), FileEntry(1, "y.py", B, 2))


@pytest.fixture
def cache(tmp_path: Path) -> ProgramCache:
    cache = ProgramCache(tmp_path)
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
    assert cache.materialise(manifest) == found


def test_programs_share_their_code_and_what_goes_along(cache: ProgramCache) -> None:
    along = (Related("m", C, 3),)
    first = cache.materialise(Manifest(CODE, payload=Payload(A, 1), related=along))
    second = cache.materialise(Manifest(CODE, payload=Payload(B, 2), related=along))
    assert first.path != second.path and first.roots == second.roots
    assert (first.related / "m").samefile(second.related / "m")


def test_code_that_was_written_to_is_laid_out_anew(cache: ProgramCache) -> None:
    module = cache.materialise(Manifest(CODE)).roots[1] / "y.py"
    module.chmod(0o600)
    module.write_bytes(b"zz")
    (module.parent / "beside.txt").touch()
    assert cache.materialise(Manifest(CODE)).roots[1] / "y.py" == module
    assert module.read_bytes() == b"bb" and not (module.parent / "beside.txt").exists()


def test_what_was_put_beside_code_does_no_harm(cache: ProgramCache) -> None:
    found = cache.materialise(Manifest(CODE))
    (found.roots[0] / "__pycache__").mkdir()
    cache.materialise(Manifest(CODE))
    assert (found.roots[0] / "__pycache__").exists()


def test_a_link_that_was_written_to_is_found_out(cache: ProgramCache) -> None:
    manifest = Manifest((), related=(Related("m", C, 3),))
    path = cache.materialise(manifest).related / "m"
    path.chmod(0o600)
    path.write_bytes(b"zzz")
    with pytest.raises(ProgramError, match="was changed in this agent's cache; it is removed"):
        cache.materialise(manifest)
    assert cache.missing(manifest) == [C]
    cache.add(C, 3, [b"ccc"])
    assert (cache.materialise(manifest).related / "m").read_bytes() == b"ccc"


def test_what_is_missing_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    cache = ProgramCache(tmp_path)
    assert cache.missing(Manifest(CODE)) == [A, B]
    with pytest.raises(ProgramError, match=f"the content {A} of the program is not here"):
        cache.materialise(Manifest(CODE))
    assert list(tmp_path.glob("*/*")) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"a", "has 1 of 2 bytes"), (b"aaa", "more than its 2 bytes"), (b"ab", "came with SHA-256")],
)
def test_a_content_that_is_another_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    cache = ProgramCache(tmp_path)
    with pytest.raises(ProgramError, match=reason):
        cache.add(B, 2, [data])
    assert list(tmp_path.glob("files/*")) == []
    with pytest.raises(ProtocolError, match="is not a SHA-256"):
        cache.begin("../x", 2)
