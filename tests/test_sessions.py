"""Programs that no agent can start again: `python -`, `python -c`, a REPL, a notebook's kernel.

The classes of such a program belong to a `__main__` that no file defines.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BOUND_S = 120.0

# No definition has an empty line, which would end it in a REPL. FLAGS are those of the runner.
TEXT = """
import collections, dataclasses, enum, typing
from glowpy import Flow

UserId = typing.NewType("UserId", int)
FACTOR = 3

def tripled(number):
    return number * FACTOR

@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    user: UserId = UserId(3)
    def tripled(self):
        return tripled(self.x)
    def next(self):
        return Point(self.x + 1)

class Colour(enum.Enum):
    RED = 1
    BLUE = 2

class Meta(type):
    def title(cls):
        return f"a {cls.__name__}"

class Base(metaclass=Meta):
    def __init__(self, x):
        self.x = x

class Oops(Exception):
    def __init__(self, code, why):
        super().__init__(f"{code}: {why}")
        self.code = code

Pair = collections.namedtuple("Pair", "a b")
method = Point.tripled

def everything(point):
    counts = collections.defaultdict(lambda: 7)
    known = isinstance(point, Point) and point in {Point(1), Point(2)}
    pair = Pair(Colour.RED, {"k": [point]})
    return known, point.next(), pair, Base(point.tripled()), counts, tripled

def shown(row):
    known, point, pair, base, counts, function = row
    known = known and type(point) is Point and type(pair) is Pair and pair.a is Colour.RED
    known = known and type(base) is Base and type(base).title() == "a Base"
    return point.x, known, base.x, counts["new"], function(2)

flow = Flow(FLAGS)
rows = flow.slice([Point(1), Point(2)], 2).map(everything)
print(sorted(map(shown, rows.round_robin(2).collect())))
print(sorted(rows.round_robin(2).map(lambda *row: shown(row)).collect()))
keys = flow.slice([Point(1), Point(2), Point(1)], 3).map(lambda point: (point, 1))
totals = keys.reduce_by_key(lambda a, b: a + b, shards=2)
print(sorted((point.x, n, type(point) is Point) for point, n in totals.collect()))
joined = keys.join(flow.slice([(Point(1), Colour.BLUE)])).collect()
print(joined == [(Point(1), 1, Colour.BLUE)] * 2, joined[0][2] is Colour.BLUE)

def fail(point):
    raise Oops(point.x, "it failed") from KeyError(Point(7))

try:
    flow.slice([Point(1)]).map(fail).run()
except Exception as exc:
    error = exc.__cause__

print(type(error) is Oops, error.code, error.__cause__.args == (Point(7),))
print(Point.tripled is method)
"""
PRINTED = """\
[(2, True, 3, 7, 6), (3, True, 6, 7, 6)]
[(2, True, 3, 7, 6), (3, True, 6, 7, 6)]
[(1, 2, True), (2, 1, True)]
True True
True 1 True
True
"""
KERNEL = """
import sys
from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel(kernel_name="python3")
reply = client.execute_interactive(sys.stdin.read(), timeout=100)
client.stop_channels()
manager.shutdown_kernel()
sys.exit(reply["content"]["status"] != "ok")
"""


def printed(words: list[str], directory: Path, text: str = "") -> str:
    """The standard output of a Python process."""
    done = subprocess.run(
        [sys.executable, *words],
        input=text,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


WAYS: dict[str, Callable[[Path, str], str]] = {
    "-": lambda directory, text: printed(["-"], directory, text),
    "-c": lambda directory, text: printed(["-c", text], directory),
    "-i": lambda directory, text: printed(["-i", "-q"], directory, text),
    "kernel": lambda directory, text: printed(["-c", KERNEL], directory, text),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "runner"),
    [("-", "cluster"), ("-c", "standalone"), ("-i", "cluster"), ("kernel", "cluster")],
)
def test_classes_of_a_session_are_the_same_in_rows_keys_and_exceptions(
    way: str, runner: str, cluster: str, tmp_path: Path
) -> None:
    flags = ["-glow", f"-glow.leader={cluster}"] if runner == "cluster" else []
    text = TEXT.replace("FLAGS", repr(flags))
    assert WAYS[way](tmp_path, text) == PRINTED


@pytest.mark.slow
def test_a_script_in_a_pipe_travels_as_a_pickled_flow(cluster: str, tmp_path: Path) -> None:
    """`python <(generate) -glow`: what was read from the pipe cannot be read again."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        pipe.write(
            "from glowpy import Flow\nprint(Flow().slice([1, 2]).map(lambda n: n + 1).collect())"
        )
    done = subprocess.run(
        [sys.executable, f"/dev/fd/{reading}", "-glow", f"-glow.leader={cluster}"],
        pass_fds=[reading],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    os.close(reading)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[2, 3]\n", "")


USERS_TEST = """
import dataclasses
import pytest
from glowpy.testing import LocalCluster

@dataclasses.dataclass(frozen=True)
class Point:
    x: int

class Oops(Exception):
    pass

@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(agents=2) as started:
        yield started

def test_rows(cluster):
    class Local(Point):
        pass
    points = cluster.flow().slice([Point(1), Point(2)], 2)
    rows = points.map(lambda p: (Local(p.x), p)).round_robin(2)
    found = sorted(rows.collect(), key=lambda row: row[1].x)
    assert found == [(Local(n), Point(n)) for n in (1, 2)]
    def fail(row):
        raise Oops(row) from Oops("inner")
    with pytest.raises(Exception) as failure:
        rows.map(fail).run()
    assert type(failure.value.__cause__) is Oops
    assert type(failure.value.__cause__.__cause__) is Oops
"""


@pytest.mark.slow
@pytest.mark.parametrize("import_mode", ["prepend", "importlib"])
def test_classes_of_a_users_test_file(import_mode: str, tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "test_points.py").write_text(USERS_TEST, encoding="utf-8")
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--import-mode={import_mode}"]
    assert "1 passed" in printed([*words, "checks/test_points.py"], tmp_path)
