"""Small measurements behind choices in the data plane: the least of interleaved rounds.

    python benchmarks/micro.py codec|compression|reading|hashing|fusion

Each prints the ways that were compared, the chosen one first. `pip install msgpack` is done with
glowpy itself; `zstandard`, for compression, is only measured where it is installed.
"""

from __future__ import annotations

import marshal
import mmap
import os
import pickle
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from functools import reduce
from importlib.util import find_spec
from itertools import chain
from operator import itemgetter
from statistics import median
from typing import Any

from glowpy.flow.graph import Graph
from glowpy.flow.ops.kernel import FoldKind, FoldOp, RowKind, RowOp
from glowpy.flow.ops.memory import BatchSizer
from glowpy.shards.codec import decode, encode
from glowpy.task.compile import fuse

ROWS = 8192
ROUNDS = 51
WORDS = [f"word{number * 7919 % 5000}" for number in range(ROWS)]
PAIRS = [(word, number) for number, word in enumerate(WORDS)]

Ways = dict[str, Callable[[], Any]]


def measure(title: str, ways: Ways, unit_count: int = ROWS) -> None:
    """Print the least that every way took, in ns per row: other programs only add to it."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    print(f"\n{title}")
    for name, each in seconds.items():
        print(f"  {name:32} {min(each) / unit_count * 1e9:8.1f}")


def as_columns(rows: list[tuple[Any, ...]]) -> bytes:
    return marshal.dumps(tuple(zip(*rows, strict=True)), 2)


def from_columns(data: bytes) -> list[tuple[Any, ...]]:
    return list(zip(*marshal.loads(data), strict=True))


def codec() -> None:
    """Batches of rows as bytes."""
    import msgpack

    for title, rows in (("(str, int) pairs", PAIRS), ("strings", WORDS)):
        packed, pickled = msgpack.packb(rows), pickle.dumps(rows, 5)
        ours, plain = encode(rows), marshal.dumps(rows, 2)
        measure(
            f"encode {title}",
            {
                "glowpy (types checked, marshal 2)": lambda rows=rows: encode(rows),
                "marshal 2, unchecked": lambda rows=rows: marshal.dumps(rows, 2),
                "marshal 4, with back references": lambda rows=rows: marshal.dumps(rows, 4),
                "pickle 5": lambda rows=rows: pickle.dumps(rows, 5),
                "msgpack (tuples become lists)": lambda rows=rows: msgpack.packb(rows),
            },
        )
        measure(
            f"decode {title}",
            {
                "glowpy": lambda ours=ours: decode(ours),
                "marshal 2": lambda plain=plain: marshal.loads(plain),
                "pickle 5": lambda pickled=pickled: pickle.loads(pickled),
                "msgpack (tuples become lists)": lambda packed=packed: msgpack.unpackb(packed),
            },
        )
    columns = as_columns(PAIRS)
    measure(
        "(str, int) pairs by column",
        {"encode": lambda: as_columns(PAIRS), "decode": lambda: from_columns(columns)},
    )


def compression() -> None:
    """A block of pairs on its way to another host: what is saved, and what that costs."""
    data = encode(PAIRS * 8)
    ways: dict[str, Callable[[bytes], bytes]] = {
        f"zlib {level}": lambda data, level=level: zlib.compress(data, level) for level in (1, 6)
    }
    if find_spec("zstandard"):
        import zstandard

        ways |= {
            f"zstandard {level}": zstandard.ZstdCompressor(level).compress for level in (-5, 1, 3)
        }
    print("\nway              to      MB/s   pays on a network slower than")
    for name, way in ways.items():
        seconds = []
        for _ in range(ROUNDS // 5):
            began = time.perf_counter()
            small = way(data)
            seconds.append(time.perf_counter() - began)
        rate = len(data) / median(seconds) / 1e6
        saved = 1 - len(small) / len(data)
        print(f"{name:14} {1 - saved:5.0%} {rate:8.0f}   {rate * saved * 8 / 1000:.1f} Gbit/s")


def reading() -> None:
    """Blocks of a segment file on the reader's own host."""
    block = os.urandom(1 << 20)
    with tempfile.TemporaryFile() as file:
        for _ in range(64):
            file.write(block)
        file.flush()
        descriptor = file.fileno()
        offsets = range(0, 64 << 20, 1 << 20)

        def mapped() -> None:
            with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as whole, memoryview(whole) as view:
                for offset in offsets:
                    zlib.crc32(view[offset : offset + (1 << 20)])

        def read() -> None:
            for offset in offsets:
                zlib.crc32(os.pread(descriptor, 1 << 20, offset))

        measure("reading and checking a MiB, ns for a KiB", {"pread": read, "mmap": mapped}, 65536)


def hashing() -> None:
    """The hash of a string is computed once per object; decoded rows are new objects."""
    data = encode(PAIRS)
    interned = [(sys.intern(word), number) for word, number in PAIRS]

    def fold(rows: list[tuple[str, int]]) -> None:
        totals: dict[str, int] = {}
        for key, value in rows:
            totals[key] = totals.get(key, 0) + value

    def decode_and_hash() -> None:
        list(map(hash, map(itemgetter(0), decode(data))))

    measure(
        "hashing keys",
        {
            "decode": lambda: decode(data),
            "decode, and hash every key": decode_and_hash,
            "fold decoded rows": lambda: fold(decode(data)),
            "fold rows whose hash is known": lambda: fold(interned),
        },
    )


def fusion() -> None:
    """Ways to run filter, flat_map, map, and what may follow, over lines of 9 words; per word."""
    lines = [" ".join(WORDS[first : first + 9]) for first in range(0, ROWS, 9)]
    keep = lambda line: not line.startswith("#")  # noqa: E731
    split = lambda line: line.split(" ")  # noqa: E731
    one = lambda word: 1  # noqa: E731
    pair = lambda word: (word, 1)  # noqa: E731
    add = lambda x, y: x + y  # noqa: E731

    def fused(
        last: Callable[..., Any], fold: FoldKind | None = None, spread: Callable[..., Any] = split
    ) -> Callable[..., None]:
        kinds = (RowKind.FILTER, RowKind.FLAT_MAP, RowKind.MAP)
        functions = (keep, spread, last)
        ops: list[Any] = [RowOp(*each, 0) for each in zip(kinds, functions, strict=True)]
        graph = Graph(0, "")
        for op in [*ops, FoldOp(fold, add)] if fold else ops:
            graph.add_step("", op, (), "", task_count=1)
        run = fuse(graph.steps).run

        def run_all(*totals: dict[str, int]) -> None:
            for _ in run([lines], BatchSizer(1 << 62, rows=1 << 16), *totals):
                pass

        return run_all

    def split_by_generator(line: str) -> Any:
        yield from line.split(" ")

    def words_of_chain() -> Any:
        return chain.from_iterable(map(split, filter(keep, lines)))

    def pairs_of_loop() -> Any:
        for line in lines:
            if keep(line):
                for word in split(line):
                    yield pair(word)

    def generated() -> Any:
        return (one(word) for line in lines if keep(line) for word in split(line))

    def by_key(pairs: Any) -> dict[str, int]:
        totals: dict[str, int] = {}
        for key, value in pairs:
            if key in totals:
                totals[key] = add(totals[key], value)
            else:
                totals[key] = value
        return totals

    by_key_fused = fused(pair, FoldKind.BY_KEY)

    def looped() -> list[int]:
        rows = []
        for line in lines:
            if keep(line):
                for word in split(line):
                    rows.append(one(word))
        return rows

    def looped_total() -> int:
        total = 0
        for line in lines:
            if keep(line):
                for word in split(line):
                    total = add(total, one(word))
        return total

    def looped_by_key() -> dict[str, int]:
        totals: dict[str, int] = {}
        for line in lines:
            if keep(line):
                for word in split(line):
                    key, value = pair(word)
                    if key in totals:
                        totals[key] = add(totals[key], value)
                    else:
                        totals[key] = value
        return totals

    def counted(most: int = 1 << 16) -> list[int]:
        rows: list[int] = []
        for line in lines:
            if keep(line):
                for word in split(line):
                    rows.append(one(word))
                    if len(rows) >= most:
                        rows = []
        return rows

    def ones_by_line(most: int = 1 << 16) -> list[int]:
        rows: list[int] = []
        for line in lines:
            if keep(line):
                rows += [one(word) for word in split(line)]
                if len(rows) >= most:
                    rows = []
        return rows

    def ones() -> list[int]:
        return [one(word) for line in lines if keep(line) for word in split(line)]

    measure(
        "rows",
        {
            "glowpy (one loop)": fused(one),
            "the same, not from lists": fused(one, spread=split_by_generator),
            "a loop, and nothing else": looped,
            "a loop that counts each row": counted,
            "one comprehension": ones,
            "a comprehension for each line": ones_by_line,
            "list of a generator": lambda: list(generated()),
            "chain of map, filter": lambda: list(map(one, words_of_chain())),
        },
    )
    measure(
        "reduce",
        {
            "glowpy (one loop)": fused(one, FoldKind.ALL),
            "a loop, and nothing else": looped_total,
            "reduce of a comprehension": lambda: reduce(add, ones()),
            "reduce of a chain": lambda: reduce(add, map(one, words_of_chain())),
        },
    )
    measure(
        "reduce_by_key",
        {
            "glowpy (one loop)": lambda: by_key_fused({}),
            "a loop, and nothing else": looped_by_key,
            "loop over a list of pairs": lambda: by_key(list(pairs_of_loop())),
            "loop over a generator": lambda: by_key(pairs_of_loop()),
            "loop over a comprehension": lambda: by_key(
                [pair(word) for line in lines if keep(line) for word in split(line)]
            ),
            "loop over a chain": lambda: by_key(map(pair, words_of_chain())),
        },
    )


if __name__ == "__main__":
    known = {
        "codec": codec,
        "compression": compression,
        "reading": reading,
        "hashing": hashing,
        "fusion": fusion,
    }
    for name in sys.argv[1:] or known:
        known[name]()
