"""Makes the benchmarks' data: the same files for the same sizes, wherever it runs.

text.txt   words by Zipf's law, 5 to 15 in a line, one blank between; 1 line in 20 begins with #
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

VOCABULARY = 200_000
LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", dtype=np.uint8)
LINES_AT_A_TIME = 50_000


def vocabulary(random: np.random.Generator) -> list[str]:
    """Different words; the frequent ones are short."""
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        rank = min(6, int(np.log10(len(found) + 1) * 1.2))
        length = 2 + rank + int(random.integers(0, 3))
        found[LETTERS[random.integers(0, 26, length)].tobytes().decode()] = None
    return list(found)


def make_text(path: Path, size_bytes: int) -> None:
    """Lines of words until the file has this size."""
    random = np.random.default_rng(1)
    words = vocabulary(random)
    shares = 1.0 / np.arange(1, VOCABULARY + 1)
    bounds = np.cumsum(shares) / shares.sum()
    written = 0
    with path.open("w", encoding="ascii") as file:
        while written < size_bytes:
            lengths = random.integers(5, 16, LINES_AT_A_TIME)
            ranks = np.searchsorted(bounds, random.random(int(lengths.sum()))).tolist()
            comments = (random.random(LINES_AT_A_TIME) < 0.05).tolist()
            position = 0
            for length, is_comment in zip(lengths.tolist(), comments, strict=True):
                line = " ".join([words[rank] for rank in ranks[position : position + length]])
                position += length
                written += file.write(f"# {line}\n" if is_comment else f"{line}\n")
                if written >= size_bytes:
                    break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--text-mb", type=int, default=200)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    make_text(arguments.directory / "text.txt", arguments.text_mb * 1_000_000)


if __name__ == "__main__":
    main()
