"""Segment files: appended blocks can be read back, and damaged or foreign data is refused."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowpy.errors import OutputError, ShardCorrupt, ShardLost
from glowpy.shards.segment import (
    MAGIC,
    NONCE_BYTES,
    Block,
    SegmentReader,
    SegmentWriter,
    check_block,
)
from tests.shard_owner import skip

NONCE = bytes(range(NONCE_BYTES))


def write(path: Path, *payloads: bytes) -> list[Block]:
    with SegmentWriter(str(path), NONCE) as writer:
        blocks = [writer.append(n, payload, n + 1) for n, payload in enumerate(payloads)]
        writer.flush()
    return blocks


@given(st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=300)), min_size=1))
def test_blocks_come_back_in_any_order(appended: list[tuple[int, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "a.seg")
        with SegmentWriter(path, NONCE) as writer:
            blocks = [writer.append(shard, payload, 1) for shard, payload in appended]
            writer.flush()
        with SegmentReader(path, NONCE) as reader:
            for block, (shard, payload) in reversed(list(zip(blocks, appended, strict=True))):
                assert reader.read(block) == payload
                assert (block.shard, block.row_count) == (shard, 1)


def test_the_file_is_laid_out_as_drawn(tmp_path: Path) -> None:
    path = tmp_path / "a.seg"
    (first, second) = write(path, b"abc", b"")
    data = path.read_bytes()
    assert data.startswith(MAGIC + NONCE)
    assert first == Block(0, 24 + 20, 3, 1, first.crc32)
    header = (0).to_bytes(4, "little") + (1).to_bytes(4, "little") + (3).to_bytes(8, "little")
    assert data[24:] == (
        header
        + first.crc32.to_bytes(4, "little")
        + b"abc"
        + (1).to_bytes(4, "little")
        + (2).to_bytes(4, "little")
        + bytes(12)
    )
    assert second.offset_bytes == len(data)


def test_many_and_large_blocks(tmp_path: Path) -> None:
    payloads = [bytes([n % 256]) * (n % 7) for n in range(3000)] + [b"x" * 5_000_000, b"y"]
    blocks = write(tmp_path / "a.seg", *payloads)
    with SegmentReader(str(tmp_path / "a.seg"), NONCE) as reader:
        assert [reader.read(block) for block in blocks] == payloads


def test_a_file_beyond_4_gib(tmp_path: Path) -> None:
    """A hole in the middle uses no disk space."""
    path = tmp_path / "a.seg"
    with SegmentWriter(str(path), NONCE) as writer:
        first = writer.append(0, b"before", 1)
        writer.flush()
        skip(writer, 5 << 30)
        second = writer.append(1, b"behind", 2)
        writer.flush()
    assert second.offset_bytes > 5 << 30
    assert path.stat().st_blocks * 512 < 1 << 20, "a hole"
    with SegmentReader(str(path), NONCE) as reader:
        assert [reader.read(second), reader.read(first)] == [b"behind", b"before"]


def test_a_block_beyond_4_gib(tmp_path: Path) -> None:
    """The block is too large to read at once; the test reads its parts."""
    path = tmp_path / "a.seg"
    with SegmentWriter(str(path), NONCE) as writer:
        first = writer.append(0, b"head", 1)
        writer.flush()
        skip(writer, 5 << 30)
        tail = writer.append(0, b"tail", 1)
        writer.flush()
    length = tail.offset_bytes + tail.length_bytes - first.offset_bytes
    block = first._replace(length_bytes=length)
    with SegmentReader(str(path), NONCE) as reader:
        assert reader.read_part(block, 0, 6) == b"head\0\0"
        assert reader.read_part(block, 4 << 30, 100) == bytes(100)
        assert reader.read_part(block, length - 4, 4) == b"tail"


def test_blocks_can_be_read_after_a_flush_while_more_are_written(tmp_path: Path) -> None:
    path = str(tmp_path / "a.seg")
    with SegmentWriter(path, NONCE) as writer:
        first = writer.append(0, b"one", 1)
        writer.flush()
        with SegmentReader(path, NONCE) as reader:
            assert reader.read(first) == b"one"
            second = writer.append(0, b"two", 1)
            writer.flush()
            assert reader.read(second) == b"two"
            assert reader.read_part(second, 1, 1) == b"w"


def test_no_block_makes_no_file(tmp_path: Path) -> None:
    assert write(tmp_path / "a.seg") == []
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_the_users_own(tmp_path: Path) -> None:
    write(tmp_path / "a.seg", b"x")
    assert (tmp_path / "a.seg").stat().st_mode & 0o777 == 0o600


def test_an_older_file_or_a_link_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "a.seg").write_text("older")
    with pytest.raises(OutputError, match=r"cannot create .*a\.seg: File exists"):
        write(tmp_path / "a.seg", b"x")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(OutputError, match=r"cannot create .*link: File exists"):
        write(tmp_path / "link", b"x")
    assert not (tmp_path / "target").exists()
    assert (tmp_path / "a.seg").read_text() == "older"


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot create .*none/a\.seg: No such file"):
        write(tmp_path / "none" / "a.seg", b"x")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_an_error_and_not_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open
    monkeypatch.setattr(os, "open", lambda *_args: opened("/dev/full", os.O_WRONLY))
    with pytest.raises(OutputError, match=r"cannot write shard data to .*a\.seg: No space left"):
        write(tmp_path / "a.seg", b"x")


def test_a_missing_file_is_a_lost_shard(tmp_path: Path) -> None:
    with pytest.raises(ShardLost, match=r"a\.seg cannot be opened: No such file"):
        SegmentReader(str(tmp_path / "a.seg"), NONCE)


def test_another_nonce_or_another_file_is_a_lost_shard(tmp_path: Path) -> None:
    write(tmp_path / "a.seg", b"x")
    with pytest.raises(ShardLost, match="not the one its owner wrote"):
        SegmentReader(str(tmp_path / "a.seg"), bytes(NONCE_BYTES))
    (tmp_path / "b.seg").write_bytes(b"GLOW")
    with pytest.raises(ShardLost, match="not the one its owner wrote"):
        SegmentReader(str(tmp_path / "b.seg"), NONCE)


def test_links_and_directories_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "a.seg", b"x")
    (tmp_path / "link").symlink_to(tmp_path / "a.seg")
    with pytest.raises(ShardLost, match="cannot be opened"):
        SegmentReader(str(tmp_path / "link"), NONCE)
    with pytest.raises(ShardLost, match="does not belong to this user"):
        SegmentReader(str(tmp_path), NONCE)


@pytest.mark.parametrize("position", [0, 500, 999])
def test_a_flipped_bit_is_found(tmp_path: Path, position: int) -> None:
    path = tmp_path / "a.seg"
    (block,) = write(path, bytes(1000))
    data = bytearray(path.read_bytes())
    data[block.offset_bytes + position] ^= 1
    path.write_bytes(data)
    with SegmentReader(str(path), NONCE) as reader, pytest.raises(ShardCorrupt) as error:
        reader.read(block)
    assert f"block at byte {block.offset_bytes} (shard 0)" in str(error.value)
    assert str(path) in str(error.value)


def test_a_truncated_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.seg"
    (block,) = write(path, bytes(1000))
    os.truncate(path, block.offset_bytes + 999)
    with (
        SegmentReader(str(path), NONCE) as reader,
        pytest.raises(ShardCorrupt, match="ends inside a block"),
    ):
        reader.read(block)


def test_an_index_that_points_elsewhere_is_found(tmp_path: Path) -> None:
    first, _ = write(tmp_path / "a.seg", b"abcdef", b"ghijkl")
    with SegmentReader(str(tmp_path / "a.seg"), NONCE) as reader:
        for wrong in (
            first._replace(offset_bytes=first.offset_bytes + 1),
            first._replace(length_bytes=5),
        ):
            with pytest.raises(ShardCorrupt):
                reader.read(wrong)
    check_block(first, b"abcdef", "here")
    with pytest.raises(ShardCorrupt, match="of here"):
        check_block(first, b"abcde", "here")


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    write(tmp_path / "a.seg", b"x")
    reader = SegmentReader(str(tmp_path / "a.seg"), NONCE)
    reader.close()
    reader.close()
