"""Scripts whose captured values differ between driver and executor, as real processes.

`test_captures.py` tests the kinds of values.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from glowpy.errors import PlanMismatch
from tests.failing_scripts import error_text, failure
from tests.processes import IN_EVERY_MODE, IN_MOST_MODES, flags_of, run

pytestmark = pytest.mark.slow

SHOP = """
from glowpy import Flow
orders = Flow().slice([("de", 10), ("fr", 20), ("it", 30), ("es", 40), ("pl", 50)] * 20, 4)
for country in {order}(orders.map(lambda c, v: c).collect()):
    rows = orders.filter(lambda c, v, country=country: c == country).map(lambda c, v: v)
    print(country, rows.reduce(lambda a, b: a + b).collect())
"""


def test_a_loop_over_a_set(cluster: str, tmp_path: Path) -> None:
    """Each task would filter by the first country in its own set."""
    script = SHOP.format(order="lambda rows: sorted(set(rows), key=lambda c: hash((PID, c)))")
    script = script.replace("in lambda", "in (lambda").replace("c)))(", "c))))(")
    script = "import os\nPID = os.getpid()" + script
    text = error_text(failure(tmp_path, "cluster", cluster, script), PlanMismatch)
    assert re.search(
        r"\n  country of <lambda> \(script.py:6\), in Filter\d+ \(script.py:6\): "
        r"'..' in the driver, '..' in the task\n",
        text,
    ), text
    assert "sorted(set(…))" in text


@IN_EVERY_MODE
def test_a_loop_over_a_sorted_set(mode: str, cluster: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        SHOP.format(order="(lambda rows: sorted(set(rows)))"), encoding="utf-8"
    )
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster), "-glow.quiet")
    assert ended.stdout == "de [200]\nes [800]\nfr [400]\nit [600]\npl [1000]\n"


def test_modules_of_a_folder_that_the_script_names_in_full(cluster: str, tmp_path: Path) -> None:
    """A task on the driver's host loads the modules from this folder, not the copies."""
    app, lib = tmp_path / "app", tmp_path / "lib"
    app.mkdir()
    lib.mkdir()
    (lib / "scaled.py").write_text(
        "import dataclasses\nFACTOR = 3\n"
        "@dataclasses.dataclass(frozen=True)\nclass Scaled:\n    x: int\n"
        "def scale(x):\n    return Scaled(x * FACTOR)\n",
        encoding="utf-8",
    )
    (app / "script.py").write_text(
        f"import sys\nsys.path.insert(0, {str(lib)!r})\nimport scaled\nfrom glowpy import Flow\n"
        "print(Flow().slice([1, 2], 2).map(scaled.scale).collect())\n",
        encoding="utf-8",
    )
    ended = run(app, "script.py", *flags_of("cluster", cluster), "-glow.quiet")
    assert ended.stdout == "[Scaled(x=3), Scaled(x=6)]\n"


ORDINARY = """
import argparse, collections, dataclasses, datetime, enum, functools, logging, operator, os
import pathlib, random, re, sys, tempfile, threading, time
import numpy
import glowpy
from glowpy import Flow

HERE = os.path.dirname(os.path.abspath(__file__))
BASE, DATA = pathlib.Path(__file__).resolve().parent, os.path.abspath("data.txt")
TEMPORARY, LOG, LOCK = tempfile.mkdtemp(), logging.getLogger(__name__), threading.Lock()
os.rmdir(TEMPORARY)
ENVIRONMENT, COPY = os.environ, dict(os.environ)
is_task, out, words = glowpy.is_task(), sys.stdout, sys.argv
parser = argparse.ArgumentParser()
parser.add_argument("--n", type=int, default=3)
options, rest = parser.parse_known_args()
costly = None if is_task or glowpy.is_task() else object()
if not glowpy.is_task():
    of_driver = object()
names = {"b", "a", "c"}
lengths = {name: len(name) for name in names}
numbers, generator = numpy.arange(1000).reshape(10, 100), random.Random()
pattern, counts = re.compile("a+"), collections.Counter("abc")


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Config:
    limit: int = 3
    day: datetime.date = datetime.date(2020, 1, 1)


class App:
    def __init__(self):
        self.started, self.pid, self.factor, self.log = time.time(), os.getpid(), 2, LOG

    def work(self, x):
        self.log.debug("x")
        return x * self.factor

    def report(self):
        return time.time() - self.started


@functools.lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


fib(10)
memo = {}
started = time.time()
glowpy.may_differ("started")


def slow(x):
    memo.setdefault(x, x)
    return x


slow(4)
app, config = App(), Config()
handlers = {"a": lambda x: x + 1, "b": functools.partial(operator.add, 2), "c": fib}


def seen(x):
    _ = HERE, BASE, DATA, TEMPORARY, LOG, LOCK, ENVIRONMENT, COPY, is_task, out, words, options
    _ = rest, names, lengths, numbers, generator, pattern, counts, Color.RED, config, app.factor
    _ = costly, memo, started, __file__, __name__, sys.argv, os.environ, os.getcwd, sys.stdin
    if not glowpy.is_task() and "of_driver" in globals():
        _ = of_driver
    return handlers["a"](slow(fib(x)))


rows = Flow().slice(range(10), 3).map(seen).map(app.work)
rows = rows.map(lambda x, table=handlers: table["b"](x)).key_by({4: 5}.get)
print(rows.map(operator.itemgetter(1)).collect())
"""


@IN_MOST_MODES
def test_values_that_differ_by_nature_are_no_error(mode: str, cluster: str, tmp_path: Path) -> None:
    """Paths, flags, streams, locks, caches, and variables that depend on `is_task()`."""
    (tmp_path / "script.py").write_text(ORDINARY, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster), "-glow.quiet", "--n", "4")
    assert ended.stdout == "[4, 6, 6, 8, 10, 14, 20, 30, 46, 72]\n"
