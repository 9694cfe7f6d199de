"""Counts the words in the Python standard library's own source files.

python examples/word_count.py                   on all cores
python examples/word_count.py -glow             on a cluster, which the driver starts if none runs
python examples/word_count.py -glow 'docs/*.md' other files
"""

from __future__ import annotations

import re
import sysconfig
import time
from glob import glob
from pathlib import Path

import glowpy
from glowpy import Flow

WORD = re.compile(r"[A-Za-z_]+")
MOST_FREQUENT = 20


def input_files() -> list[str]:
    """Return the files named on the command line, else every module of the standard library."""
    patterns = glowpy.argv()
    if patterns:
        return sorted(path for pattern in patterns for path in glob(pattern, recursive=True))
    library = Path(sysconfig.get_path("stdlib"))
    modules = (path for path in library.rglob("*.py") if path.is_file())
    return sorted(str(path) for path in modules if "site-packages" not in path.parts)


started = time.perf_counter()
files = input_files()
flow = Flow()
counts = (
    flow.text_file(files, shards=8, errors="replace")
    .flat_map(WORD.findall)
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
