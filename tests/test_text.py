"""task/text: the lines of a file; every division into parts yields each line once."""

from __future__ import annotations

import gzip
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowpy.errors import InputError
from glowpy.flow.ops.kernel import TextOp
from glowpy.planner.run_description import InputFile
from glowpy.task import text
from glowpy.task.text import FileRange, ranges_of, read_lines

Damage = Callable[[bytes], bytes]

UTF8 = TextOp((), "utf-8", "strict")
# Line ends of other definitions are ordinary text here.
PIECES = [
    "\n",
    "\r",
    "\r\n",
    "a",
    "ä",
    "€",
    "🙂",
    "\f",
    "\v",
    "\x1c",
    "\x85",
    "\u2028",
    "long " * 3,
]
texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
block_sizes = st.integers(1, 9)
task_counts = st.integers(1, 12)


def lines_of(content: str) -> list[str]:
    """The definition: a line ends at a newline, without a carriage return before the newline."""
    lines = content.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def entry_of(path: str | Path) -> InputFile:
    status = os.stat(path)
    return InputFile(str(path), status.st_size, status.st_mtime_ns)


def read(listing: list[InputFile], op: TextOp, task_count: int) -> list[str]:
    """The lines of all tasks together."""
    return [line for task in range(task_count) for line in read_by(task, listing, op, task_count)]


def read_by(task: int, listing: list[InputFile], op: TextOp, task_count: int) -> list[str]:
    """The lines of one task."""
    parts = ranges_of(listing, op, task, task_count)
    return [line for part in parts for batch in read_lines(part, op) for line in batch]


@contextmanager
def files(*contents: bytes, suffix: str = "", block_bytes: int = 0) -> Iterator[list[InputFile]]:
    """Listed files of these contents; `block_bytes` sets the size of read blocks."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        listing = []
        for number, content in enumerate(contents):
            path = Path(directory, f"{number}{suffix}")
            path.write_bytes(content)
            listing.append(entry_of(path))
        if block_bytes:
            patch.setattr(text, "_BLOCK_BYTES", block_bytes)
            patch.setattr(text, "_CHUNK_BYTES", max(1, block_bytes - 1))
        yield listing


# --- every way of cutting ------------------------------------------------------------------------


@given(contents=st.lists(texts, min_size=1, max_size=4), tasks=task_counts, block=block_sizes)
def test_every_line_is_read_once_and_in_order(contents: list[str], tasks: int, block: int) -> None:
    expected = [line for content in contents for line in lines_of(content)]
    with files(*[content.encode() for content in contents], block_bytes=block) as listing:
        assert read(listing, UTF8, tasks) == expected


@given(content=st.binary(max_size=40), tasks=task_counts, block=block_sizes)
@pytest.mark.parametrize("errors", ["replace", "ignore", "surrogateescape", "backslashreplace"])
def test_bytes_that_are_no_text_end_no_line(
    errors: str, content: bytes, tasks: int, block: int
) -> None:
    op = TextOp((), "utf-8", errors)
    with files(content, block_bytes=block) as listing:
        assert read(listing, op, tasks) == lines_of(content.decode("utf-8", errors))


@pytest.mark.slow
@given(contents=st.lists(texts, min_size=1, max_size=3), tasks=task_counts, block=block_sizes)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-8-sig", "utf-7"])
def test_encodings_that_cannot_be_cut_anywhere(
    encoding: str, contents: list[str], tasks: int, block: int
) -> None:
    expected = [line for content in contents for line in lines_of(content)]
    op = TextOp((), encoding, "strict")
    with files(*[content.encode(encoding) for content in contents], block_bytes=block) as listing:
        assert read(listing, op, tasks) == expected


@given(line_count=st.integers(0, 9), tasks=task_counts, block=block_sizes)
@pytest.mark.parametrize(
    ("encoding", "line"),
    [
        ("iso2022_kr", "가나"),  # defines the character set once, at the beginning
        ("iso2022_jp", "日本"),
        ("hz", "中文"),
        ("gb18030", "中文🙂"),
        ("shift_jis", "表示"),  # the second byte is a backslash
        ("cp500", "[EBCDIC]"),  # the newline is another byte
        ("latin-1", "\x85 is no end"),
    ],
)
def test_older_encodings(encoding: str, line: str, line_count: int, tasks: int, block: int) -> None:
    content = "".join(f"{line}{number}\r\n" for number in range(line_count))
    op = TextOp((), encoding, "strict")
    with files(content.encode(encoding), block_bytes=block) as listing:
        assert read(listing, op, tasks) == lines_of(content)


@pytest.mark.slow
@given(contents=st.lists(texts, min_size=1, max_size=4), tasks=task_counts, block=block_sizes)
def test_compressed_files_are_read_whole_by_one_task_each(
    contents: list[str], tasks: int, block: int
) -> None:
    packed = [gzip.compress(content.encode(), 1) for content in contents]
    with files(*packed, suffix=".gz", block_bytes=block) as listing:
        parts = [part for task in range(tasks) for part in ranges_of(listing, UTF8, task, tasks)]
        assert [part.file for part in parts] == listing
        found = read(listing, UTF8, tasks)
        assert found == [line for content in contents for line in lines_of(content)]


def test_many_tasks_share_a_file_evenly() -> None:
    with files(b"123456789\n" * 1000) as listing:
        counts = [len(read_by(task, listing, UTF8, 8)) for task in range(8)]
    assert sum(counts) == 1000 and max(counts) - min(counts) <= 1


def test_one_line_longer_than_any_block_is_one_row() -> None:
    long = "x" * ((2 << 20) + 7)
    with files(f"a\n{long}\nb\n{long}".encode()) as listing:
        for task_count in (1, 3):
            assert read(listing, UTF8, task_count) == ["a", long, "b", long]


def test_batches_of_a_large_file_hold_about_a_block() -> None:
    with files(b"a line of text\n" * 200_000) as (entry,):
        batches = list(read_lines(FileRange(entry, 0, entry.size_bytes), UTF8))
    assert sum(map(len, batches)) == 200_000
    assert 2 < len(batches) < 5


# --- unreadable files ----------------------------------------------------------------------------


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("task_count", [1, 2, 5])
@pytest.mark.parametrize(
    ("encoding", "before", "wrong", "suffix"),
    [
        ("utf-8", "gööd\n" * 4 + "bad ", b"\xff", ""),
        ("utf-8", "gööd\n" * 4, b"\xe2\x82", ".gz"),
        ("utf-8-sig", "gööd\n" * 4 + "bad ", b"\xff", ""),
        ("utf-16", "gööd\n" * 4 + "bad ", b"\x00\xdc", ""),
        ("ascii", "good\r\n" * 4, "é".encode(), ""),
        ("cp1252", "gööd\n" * 4, b"\x81", ""),
    ],
)
def test_an_error_names_the_file_and_the_byte(
    encoding: str, before: str, wrong: bytes, suffix: str, task_count: int, block: int
) -> None:
    start = before.encode(encoding)
    content = start + wrong + "\nmore\n".encode(encoding)
    if suffix:
        content = gzip.compress(content)
    op = TextOp((), encoding, "strict")
    with files(content, suffix=suffix, block_bytes=block) as listing:
        with pytest.raises(InputError, match=r"give text_file\(\) its encoding") as failure:
            read(listing, op, task_count)
        assert f"{listing[0].path} is not {encoding}: byte {len(start)} " in str(failure.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"no gzip at all",
        lambda data: data[:-12],
        lambda data: data[:30] + b"\xff\xff\xff\xff" + data[34:],
        lambda data: data[:-8] + b"\0\0\0\0" + data[-4:],
        lambda data: data + b"rubbish",
    ],
    ids=["another format", "cut off", "damaged", "wrong checksum", "more behind it"],
)
def test_a_broken_gz_file_is_named(damage: Damage) -> None:
    content = "".join(f"line {number}\n" for number in range(100)).encode()
    with files(damage(gzip.compress(content)), suffix=".gz") as listing:
        with pytest.raises(InputError, match="cannot read") as failure:
            read(listing, UTF8, 2)
        assert listing[0].path in str(failure.value)
        assert socket.gethostname() in str(failure.value)


@pytest.mark.parametrize("change", ["grown", "shrunk", "touched"])
@pytest.mark.parametrize("content", [b"one\ntwo\n", b""])
def test_a_file_that_has_changed_since_it_was_listed(content: bytes, change: str) -> None:
    with files(content, b"other\n") as listing:
        path = Path(listing[0].path)
        if change == "grown":
            path.write_bytes(content + b"three\n")
        elif change == "shrunk":
            listing[0] = InputFile(str(path), len(content) + 1, listing[0].mtime_ns)
        else:
            os.utime(path, ns=(0, listing[0].mtime_ns + 1))
        with pytest.raises(InputError, match="not the file that the driver listed") as failure:
            read(listing, UTF8, 2)
        assert str(path) in str(failure.value) and socket.gethostname() in str(failure.value)


def test_a_file_that_changes_while_it_is_read() -> None:
    with files(b"one\ntwo\nthree\n", block_bytes=4) as (entry,):
        batches = read_lines(FileRange(entry, 0, entry.size_bytes), UTF8)
        assert next(batches) == ["one"]
        os.truncate(entry.path, 4)
        with pytest.raises(InputError, match="4 bytes instead of 14"):
            list(batches)


def test_a_file_that_is_gone_names_the_host() -> None:
    entry = InputFile("/no/such/file", 10, 0)
    with pytest.raises(InputError, match="No such file") as failure:
        read([entry], UTF8, 1)
    assert f"/no/such/file on {socket.gethostname()}" in str(failure.value)
