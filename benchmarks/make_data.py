"""Makes the benchmarks' data: the same files for the same sizes, wherever it runs.

    python benchmarks/make_data.py DIRECTORY [--text-mb 200] [--sort-rows 5000000]
        [--left-rows 2000000]

text.txt   words by Zipf's law, 5 to 15 in a line, one blank between; 1 line in 20 begins with #
sort.txt   a key of 10 characters, no two alike, a tab, and 20 characters more; a-z and 0-9
left.tsv   a key, a tab and a number; about 4 rows to a key
right.tsv  a quarter as many, about one to a key; every other row matches a key of left.tsv
"""

from __future__ import annotations

import argparse
from itertools import accumulate
from math import log10
from pathlib import Path
from random import Random

VOCABULARY = 200_000
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LETTERS_AND_DIGITS = LETTERS.encode() + b"0123456789"
AT_A_TIME = 50_000


def vocabulary(random: Random) -> list[str]:
    """Different words; the frequent ones are short."""
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        rank = min(6, int(log10(len(found) + 1) * 1.2))
        found["".join(random.choices(LETTERS, k=random.choice(range(2, 5)) + rank))] = None
    return list(found)


def make_text(path: Path, size_bytes: int) -> None:
    """Lines of words until the file has this size."""
    random = Random(1)
    words = vocabulary(random)
    bounds = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))
    written = 0
    with path.open("w", encoding="ascii", newline="\n") as file:
        while written < size_bytes:
            lengths = random.choices(range(5, 16), k=AT_A_TIME)
            starts = random.choices(["# ", ""], cum_weights=[1, 20], k=AT_A_TIME)
            drawn = random.choices(words, cum_weights=bounds, k=sum(lengths))
            position = 0
            for start, length in zip(starts, lengths, strict=True):
                line = " ".join(drawn[position : position + length])
                position += length
                written += file.write(f"{start}{line}\n")
                if written >= size_bytes:
                    break


def make_sort(path: Path, row_count: int) -> None:
    """Rows in no order."""
    random = Random(2)
    # a byte becomes a letter or a digit: 36 of them, nearly equally often
    table = bytes(LETTERS_AND_DIGITS[byte % 36] for byte in range(256))
    keys: set[bytes] = set()
    with path.open("wb") as file:
        while len(keys) < row_count:
            drawn = random.randbytes(30 * AT_A_TIME).translate(table)
            for position in range(0, len(drawn), 30):
                key = drawn[position : position + 10]
                if key not in keys and len(keys) < row_count:
                    keys.add(key)
                    file.write(b"%s\t%s\n" % (key, drawn[position + 10 : position + 30]))


def make_pairs(path: Path, row_count: int, keys: range, seed: int) -> None:
    """Rows of keys in no order; the same number has the same key in every file."""
    random = Random(seed)
    with path.open("w", encoding="ascii", newline="\n") as file:
        for _ in range(row_count):
            key = random.choice(keys) * 2654435761 % 2**32
            file.write(f"k{key:08x}\t{random.randint(1, 1000)}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the benchmarks' data.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--text-mb", type=int, default=200)
    parser.add_argument("--sort-rows", type=int, default=5_000_000)
    parser.add_argument("--left-rows", type=int, default=2_000_000)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    make_text(arguments.directory / "text.txt", arguments.text_mb * 1_000_000)
    keys = arguments.left_rows // 4
    make_pairs(arguments.directory / "left.tsv", arguments.left_rows, range(keys), 3)
    shifted = range(keys // 2, keys // 2 + keys)
    make_pairs(arguments.directory / "right.tsv", keys, shifted, 4)
    # the last file: whoever finds it finds the others, too
    make_sort(arguments.directory / "sort.txt", arguments.sort_rows)


if __name__ == "__main__":
    main()
