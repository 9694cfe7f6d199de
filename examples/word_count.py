"""Counts the words in the Python standard library's own source files.

    python examples/word_count.py                   here, on all cores
    python examples/word_count.py -glow             on a cluster; without one, on one of its own
    python examples/word_count.py -glow 'docs/*.md' other files
"""

from __future__ import annotations

import os
import re
import sysconfig
import time
from glob import glob

import glowpy
from glowpy import Flow

WORD = re.compile(r"[A-Za-z_]+")
MOST_FREQUENT = 20


def input_files() -> list[str]:
    """The files named on the command line, else the modules of the standard library."""
    patterns = glowpy.argv() or [os.path.join(sysconfig.get_path("stdlib"), "*.py")]
    return sorted(path for pattern in patterns for path in glob(pattern))


started = time.perf_counter()
files = input_files()
flow = Flow()
counts = (
    flow.text_file(files, shards=8, errors="replace")
    .flat_map(lambda line: WORD.findall(line))
    .map(lambda word: (word, 1))
    .reduce_by_key(lambda x, y: x + y)
    .sort(key=lambda pair: (-pair[1], pair[0]))
    .collect()
)
seconds = time.perf_counter() - started

for word, count in counts[:MOST_FREQUENT]:
    print(f"{count:8} {word}")
words = sum(count for _word, count in counts)
print(f"{len(files)} files, {words} words, {len(counts)} different ones, {seconds:.2f} s")
