"""Lines of text files: the byte ranges of each task, and reading them.

All files of a listing are laid end to end and divided into equal byte ranges, one for each task. A
line belongs to the range with its first byte; a file that cannot be divided (`.gz`, or a stateful
encoding) belongs as a whole to the range with its first byte.
"""

from __future__ import annotations

import codecs
import os
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Protocol

from glowpy.errors import InputError, reason_of
from glowpy.flow.ops.kernel import Batch, TextOp
from glowpy.planner.run_description import InputFile
from glowpy.record import NamedTuple
from glowpy.resources import host_name

_BLOCK_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16  # read at a time to find the end of a line
# In these encodings, the meaning of a line depends on earlier bytes.
_STATEFUL_ENCODINGS = ("hz", "iso2022", "utf-7")


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""


class FileRange(NamedTuple):
    """The byte range of a file whose lines a task reads; `end_bytes` is -1 for a whole file."""

    file: InputFile
    start_bytes: int
    end_bytes: int

    @property
    def size_bytes(self) -> int:
        return (self.file.size_bytes if self.end_bytes < 0 else self.end_bytes) - self.start_bytes


def ranges_of(
    listing: Sequence[InputFile], op: TextOp, task: int, task_count: int
) -> Iterator[FileRange]:
    """Yield the byte ranges of one task, in the order of the listing."""
    total = sum(file.size_bytes for file in listing)
    low, high = total * task // task_count, total * (task + 1) // task_count
    base = 0
    is_last = task == task_count - 1
    for file in listing:
        # Empty files are read too: a file may have grown since, or be in /proc.
        if file.size_bytes == 0 or not _can_be_cut(file.path, op.encoding):
            if low <= base < high or (is_last and base == total):
                yield FileRange(file, 0, -1)
        else:
            start, end = max(low - base, 0), min(high - base, file.size_bytes)
            if start < end:
                yield FileRange(file, start, end)
        base += file.size_bytes


def read_lines(part: FileRange, op: TextOp) -> Iterator[Batch]:
    """Yield the lines of a range, in batches of about a MiB of text.

    Raises:
        InputError: the file is missing or changed, or a line cannot be decoded; names the file, the
            byte and this host.
    """
    path = part.file.path
    try:
        with open(path, "rb", buffering=0) as file:
            _check_unchanged(file, part.file)
            if part.end_bytes >= 0:
                yield from _lines_of_range(file, part, op)
            elif path.endswith(".gz"):
                import gzip  # not needed by most starts, and slow

                with gzip.open(file, "rb") as unzipped:
                    yield from _lines_of_stream(unzipped, path, op)
            else:
                yield from _lines_of_stream(file, path, op)
            _check_unchanged(file, part.file)
    except (OSError, EOFError, zlib.error) as exc:
        raise InputError(f"cannot read {path} on {host_name()}: {reason_of(exc)}") from exc


def _can_be_cut(path: str, encoding: str) -> bool:
    return (
        not path.endswith(".gz")
        and "\n".encode(encoding) == b"\n"
        and not codecs.lookup(encoding).name.startswith(_STATEFUL_ENCODINGS)
    )


def _check_unchanged(file: IO[bytes], entry: InputFile) -> None:
    status = os.fstat(file.fileno())
    if (status.st_size, status.st_mtime_ns) != (entry.size_bytes, entry.mtime_ns):
        what = "another time of change"
        if status.st_size != entry.size_bytes:
            what = f"{status.st_size} bytes instead of {entry.size_bytes}"
        raise InputError(
            f"{entry.path} on {host_name()} is not the file that the driver listed: it has {what}. "
            "Input files must stay as they are while a flow runs; does the script write it? On a "
            "cluster each task starts the script again: put that under `if not glowpy.is_task():`"
        )


def _lines_of_range(file: IO[bytes], part: FileRange, op: TextOp) -> Iterator[Batch]:
    position = _skip_line(file, part) if part.start_bytes else 0
    rest: list[bytes] = []  # of a line longer than a block
    while position < part.end_bytes:
        data = file.read(min(_BLOCK_BYTES, part.end_bytes - position))
        if not data:
            break  # the file has shrunk; the check after the last line reports it
        position += len(data)
        if position >= part.end_bytes and not data.endswith(b"\n"):
            tail = _rest_of_line(file)
            position += len(tail)
            data += tail
        cut = data.rfind(b"\n") + 1
        if position < part.end_bytes and cut < len(data):
            data, after = data[:cut], data[cut:]
        else:
            after = b""
        if data:
            whole = b"".join([*rest, data])
            yield _split(whole, position - len(after) - len(whole), part.file.path, op)
            rest = []
        if after:
            rest.append(after)
    if rest:
        whole = b"".join(rest)
        yield _split(whole, position - len(whole), part.file.path, op)


def _skip_line(file: IO[bytes], part: FileRange) -> int:
    """Move to the first line that begins in the range; return its position, or past the range."""
    position = part.start_bytes - 1
    file.seek(position)
    while position < part.end_bytes and (data := file.read(_CHUNK_BYTES)):
        end = data.find(b"\n") + 1
        if end:
            file.seek(position + end)
            return position + end
        position += len(data)
    return position


def _rest_of_line(file: IO[bytes]) -> bytes:
    """Return the bytes up to and with the next newline, and leave the file right behind them."""
    parts = []
    while data := file.read(_CHUNK_BYTES):
        end = data.find(b"\n") + 1
        if end:
            file.seek(end - len(data), os.SEEK_CUR)
            parts.append(data[:end])
            break
        parts.append(data)
    return b"".join(parts)


def _split(data: bytes, offset: int, path: str, op: TextOp) -> Batch:
    try:
        text = data.decode(op.encoding, op.errors)
    except UnicodeDecodeError as exc:
        raise InputError(
            f"{path} is not {op.encoding}: byte {offset + exc.start} "
            f"(0x{data[exc.start]:02x}): {exc.reason}; give text_file() its encoding, or errors="
        ) from exc
    return _lines_of_text(text)


def _lines_of_text(text: str) -> Batch:
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    elif lines[-1].endswith("\r"):
        lines[-1] = lines[-1][:-1]  # a last line without newline
    return lines


def _lines_of_stream(file: _Readable, path: str, op: TextOp) -> Iterator[Batch]:
    """Yield the lines of a file read from beginning to end, in any encoding."""
    decoder = codecs.getincrementaldecoder(op.encoding)(op.errors)
    offset = 0
    rest: list[str] = []
    while True:
        data = file.read(_BLOCK_BYTES)
        offset += len(data)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as exc:
            # The decoder's data ends with this block, and may begin in an earlier one.
            raise InputError(
                f"{path} is not {op.encoding}: byte {offset - len(exc.object) + exc.start} "
                f"of its text: {exc.reason}; give text_file() its encoding, or errors="
            ) from exc
        cut = text.rfind("\n") + 1
        if cut:
            yield _lines_of_text("".join([*rest, text[:cut]]))
            rest = []
        if text[cut:]:
            rest.append(text[cut:])
        if not data:
            break
    if rest:
        yield _lines_of_text("".join(rest))
