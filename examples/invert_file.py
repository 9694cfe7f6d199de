"""Prints an inverted index of a file: the lines and the number of occurrences of each word.

python examples/invert_file.py                /etc/passwd, on all cores
python examples/invert_file.py my.txt -glow   a file on every host, on a cluster

Two flows in one script, as in Glow's invert_file. The source of the first flow is a function.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import add

import glowpy
from glowpy import Flow

path = (glowpy.argv() or ["/etc/passwd"])[0]


def words_with_lines() -> Iterator[tuple[str, int]]:
    """Yield (word, line number) pairs. Called in one task."""
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            for word in line.split():
                yield word, number


index = Flow()
index.source(words_with_lines, 3).group_by_key().map(
    lambda word, numbers: print(f"{word} : {numbers}")
)

counts = Flow()
counts.text_file(path, 2).flat_map(str.split).map(lambda word: (word, 1)).reduce_by_key(add).map(
    lambda word, count: print(word, ":", count)
)

glowpy.ready()  # the code below runs in the driver only

index.run()
counts.run()
