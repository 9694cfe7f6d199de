"""The workloads by hand: two forked processes, one call of a function per row and operator.

That is what any per-row framework in Python has to pay at least. No framework: no plan, no
recovery, no cluster, everything in memory. `by_hand.py WORKLOAD DATA OUT`
"""

from __future__ import annotations

import gc
import marshal
import os
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from multiprocessing import Pipe
from typing import Any

BLOCK_BYTES = 4 << 20
Part = Callable[[int, int, int], Any]


def byte_ranges(path: str) -> list[tuple[int, int]]:
    """Two halves of a text file, cut at a line's end."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        file.seek(size // 2)
        file.readline()
        middle = file.tell()
    return [(0, middle), (middle, size)]


def texts(path: str, low: int, high: int) -> Iterator[str]:
    """A range in large pieces that end where lines do."""
    with open(path, "rb", buffering=0) as file:
        file.seek(low)
        rest = b""
        while low < high:
            data = file.read(min(BLOCK_BYTES, high - low))
            low += len(data)
            data = rest + data
            if low < high:
                cut = data.rfind(b"\n") + 1
                data, rest = data[:cut], data[cut:]
            if data:
                yield data.removesuffix(b"\n").decode()


class Peer:
    """Swaps objects between the two processes."""

    def __init__(self) -> None:
        self._ends = Pipe()

    def swap(self, side: int, value: Any) -> Any:
        end = self._ends[side]
        data = marshal.dumps(value, 2)
        thread = threading.Thread(target=end.send_bytes, args=(data,))
        thread.start()
        other = marshal.loads(end.recv_bytes())
        thread.join()
        return other


def forked(part: Part, ranges: list[tuple[int, int]]) -> list[Any]:
    """The part's results, one from each of two processes."""
    readers = []
    for side, (low, high) in enumerate(ranges):
        reader, writer = os.pipe()
        if os.fork() == 0:
            with os.fdopen(writer, "wb") as file:
                file.write(marshal.dumps(part(side, low, high)))
            os._exit(0)
        os.close(writer)
        readers.append(reader)
    results = []
    for reader in readers:
        with os.fdopen(reader, "rb") as file:
            results.append(marshal.load(file))
        os.wait()
    return results


def write(out: str, side: int, peer: Peer, text: str) -> None:
    """Both halves of one file, the second behind the first."""
    data = text.encode()
    before = peer.swap(side, len(data))
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT, 0o644)
    os.pwrite(descriptor, data, before if side else 0)
    os.close(descriptor)


def w1(data: str, out: str) -> None:
    path, peer = f"{data}/text.txt", Peer()
    split = lambda line: line.split(" ")  # noqa: E731  # one call each, as of a user's function
    pair = lambda word: (word, 1)  # noqa: E731
    add = lambda x, y: x + y  # noqa: E731
    text_of = lambda word, count: f"{word}\t{count}"  # noqa: E731

    def part(side: int, low: int, high: int) -> None:
        totals: dict[str, int] = {}
        for text in texts(path, low, high):
            for line in text.split("\n"):
                for word in split(line):
                    key, value = pair(word)
                    if key in totals:
                        totals[key] = add(totals[key], value)
                    else:
                        totals[key] = value
        others = peer.swap(side, {k: v for k, v in totals.items() if hash(k) & 1 != side})
        totals = {k: v for k, v in totals.items() if hash(k) & 1 == side}
        for key, value in others.items():
            totals[key] = add(totals[key], value) if key in totals else value
        write(out, side, peer, "".join([text_of(k, v) + "\n" for k, v in totals.items()]))

    forked(part, byte_ranges(path))


def w2(data: str, out: str) -> None:
    count_tokens(f"{data}/text.txt", " ")


def w3(data: str, out: str) -> None:
    peer = Peer()
    product = lambda key, x, y: (1, x * y)  # noqa: E731
    add = lambda a, b: (a[0] + b[0], a[1] + b[1])  # noqa: E731

    def side(number: int, path: str, low: int, high: int) -> list[Any]:
        halves = halves_of(path, low, high)
        return halves[number] + peer.swap(number, halves[1 - number])

    def part(number: int, low: int, high: int) -> Any:
        table: dict[str, list[int]] = {}
        for key, value in side(number, right, *right_ranges[number]):
            if key in table:
                table[key].append(value)
            else:
                table[key] = [value]
        total = None
        for key, x in side(number, left, low, high):
            for y in table.get(key, ()):
                row = product(key, x, y)
                total = row if total is None else add(total, row)
        return total

    left, right = f"{data}/left.tsv", f"{data}/right.tsv"
    right_ranges = byte_ranges(right)
    first, second = forked(part, byte_ranges(left))
    print("RESULT", *(first if second is None else add(first, second)))


def w4(data: str, out: str) -> None:
    path, peer = f"{data}/sort.txt", Peer()
    pair = lambda line: (line[:10], line[11:])  # noqa: E731
    key_of = lambda row: row[0]  # noqa: E731
    text_of = lambda key, payload: f"{key}\t{payload}"  # noqa: E731
    with open(path, encoding="ascii") as file:
        sample = sorted(key_of(pair(line)) for line in islice(file, 1000))
    middle = sample[len(sample) // 2]

    def part(side: int, low: int, high: int) -> None:
        halves: tuple[list[Any], list[Any]] = ([], [])
        for text in texts(path, low, high):
            for line in text.split("\n"):
                row = pair(line)
                halves[key_of(row) >= middle].append(row)
        rows = halves[side] + peer.swap(side, halves[1 - side])
        rows.sort(key=key_of)
        write(out, side, peer, "".join([text_of(k, v) + "\n" for k, v in rows]))

    forked(part, byte_ranges(path))


def w5(data: str, out: str) -> None:
    path, peer = f"{data}/left.tsv", Peer()
    text_of = lambda key, values: f"{key}\t{len(values)}\t{max(values)}"  # noqa: E731

    def part(side: int, low: int, high: int) -> None:
        halves = halves_of(path, low, high)
        table: dict[str, list[int]] = {}
        for key, value in halves[side] + peer.swap(side, halves[1 - side]):
            if key in table:
                table[key].append(value)
            else:
                table[key] = [value]
        write(out, side, peer, "".join([text_of(k, v) + "\n" for k, v in table.items()]))

    forked(part, byte_ranges(path))


def w6(data: str, out: str) -> None:
    count_tokens("/etc/passwd", ":")


def parsed(line: str) -> tuple[str, int]:
    key, value = line.split("\t")
    return key, int(value)


def halves_of(path: str, low: int, high: int) -> tuple[list[Any], list[Any]]:
    """The rows of a range, those for each of the two processes."""
    halves: tuple[list[Any], list[Any]] = ([], [])
    for text in texts(path, low, high):
        for line in text.split("\n"):
            row = parsed(line)
            halves[hash(row[0]) & 1].append(row)
    return halves


def count_tokens(path: str, separator: str) -> None:
    keep = lambda line: not line.startswith("#")  # noqa: E731
    split = lambda line: line.split(separator)  # noqa: E731
    one = lambda token: 1  # noqa: E731
    add = lambda x, y: x + y  # noqa: E731

    def part(side: int, low: int, high: int) -> int | None:
        total = None
        for text in texts(path, low, high):
            for line in text.split("\n"):
                if keep(line):
                    for token in split(line):
                        value = one(token)
                        total = value if total is None else add(total, value)
        return total

    first, second = forked(part, byte_ranges(path))
    print("RESULT", first if second is None else add(first, second))


if __name__ == "__main__":
    gc.disable()
    {"w1": w1, "w2": w2, "w3": w3, "w4": w4, "w5": w5, "w6": w6}[sys.argv[1]](*sys.argv[2:])
