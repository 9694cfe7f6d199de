"""Values shared by functions and the driver: connections are refused, copied state is noted."""

from __future__ import annotations

import collections
import csv
import http.client
import io
import logging
import random
import re
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from logging.handlers import SocketHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glowpy
from glowpy import Flow
from glowpy.driver.shared_values import check_shared_values
from glowpy.driver.view import report
from glowpy.driver.view.report import Report
from glowpy.errors import ProgramError
from glowpy.planner.fusion import make_plan
from glowpy.planner.plan import may_capture
from glowpy.timing import Timing
from tests.processes import ON_EVERY_CLUSTER, flags_of, run


@pytest.fixture(autouse=True)
def nothing_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_noted_subjects", set())


class Notes(Report):
    """Stores the texts of its notes."""

    def __init__(self) -> None:
        super().__init__(Timing(), is_quiet=False)
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def checked(*functions: Callable[..., Any]) -> list[str]:
    """The notes of a run whose steps map these functions."""
    rows = Flow([]).slice([1])
    for function in functions:
        rows = rows.map(function)
    plan = make_plan(rows._graph, [rows._node], stored=True)
    notes = Notes()
    check_shared_values(plan, notes)
    assert may_capture(plan) or not notes.texts
    return notes.texts


def using(value: Any) -> Callable[[Any], Any]:
    return lambda row: (row, value)


class Cursor:
    """A cursor with the methods of PEP 249."""

    closed = False

    def execute(self) -> None: ...
    def fetchone(self) -> None: ...
    def fetchall(self) -> None: ...
    def close(self) -> None: ...


class Client:
    """An installed library's object with a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock


Client.__module__ = Cursor.__module__ = "installed"


@pytest.fixture
def connected() -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours


KINDS = [
    *("socket.socket", "sqlite3.Connection", "sqlite3.Cursor", "installed.Cursor"),
    *("holds a socket.socket", "which holds a socket.socket", "which holds a sqlite3.Connection"),
]


def handles(connected: socket.socket, database: sqlite3.Connection) -> dict[str, Any]:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = connected
    return {
        "socket.socket": connected,
        "sqlite3.Connection": database,
        "sqlite3.Cursor": database.cursor(),
        "installed.Cursor": Cursor(),
        "holds a socket.socket": Client(connected),
        "which holds a socket.socket": connection,
        "which holds a sqlite3.Connection": {"shop": [database]},
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_in_a_closure_is_refused(kind: str, connected: socket.socket) -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        values = handles(connected, database)
        assert list(values) == KINDS
        with pytest.raises(ProgramError) as caught:
            checked(using(values[kind]))
    text = str(caught.value)
    assert re.match(r"Map1 \(.*\): using.<locals>.<lambda>\(\) .* uses `value`, ", text)
    assert kind in text and "map_partitions()" in text


def test_a_connection_is_found_in_defaults_globals_partials_and_objects(
    connected: socket.socket,
) -> None:
    def with_default(row: int, stream: Any = connected) -> Any:
        return stream

    class Shop:
        def __init__(self) -> None:
            self.stream = connected
            self.rate = 2

        def ask(self, row: int) -> Any:
            return self.stream

        def convert(self, row: int) -> int:
            return row * self.rate

    def through(row: int) -> Any:
        return with_default(row)

    for function, name in ((with_default, "stream"), (Shop().ask, "stream"), (through, "stream")):
        with pytest.raises(ProgramError, match=f"`{name}`"):
            checked(function)
    assert checked(Shop().convert) == [], "its method does not use the connection"


def test_values_that_may_differ_per_process_are_no_fault(tmp_path: Path) -> None:
    logger = logging.getLogger("shared values")
    handler = SocketHandler("localhost", 1)
    logger.addHandler(handler)
    closed = Cursor()
    closed.closed = True
    lock = threading.Lock()
    unconnected = socket.socket()
    values = [unconnected, http.client.HTTPConnection("localhost"), closed, logger, lock]
    values += [sys.stdout, sys.stderr, io.StringIO(), (tmp_path / "x").write_text("x"), np.ones(3)]
    with open(tmp_path / "x", encoding="utf-8") as read, socket.create_server(("", 0)) as server:
        values += [read, server, random.random, random.randint, np.random.rand, json_like()]
        assert checked(*map(using, values)) == []
    logger.removeHandler(handler)
    unconnected.close()


def json_like() -> dict[str, Any]:
    return {"rows": list(range(5000)), "names": {str(number) for number in range(5000)}}


class OddList(list[int]):
    def __len__(self) -> int:
        raise RuntimeError("no code of the script runs while its values are looked at")

    __iter__ = __len__  # type: ignore[assignment]


class OddMeta(type):
    def __getattr__(cls, name: str) -> Any:
        raise RuntimeError(name)


class Odd(metaclass=OddMeta):
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class Proxy:
    """A proxy like those of web frameworks, used outside of a request."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("outside of a request")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class OddConnection:
    cursor = commit = close = None

    @property
    def closed(self) -> bool:
        raise RuntimeError("no connection")


def test_a_connection_of_unknown_state_counts_as_open() -> None:
    with pytest.raises(ProgramError, match="OddConnection of the driver"):
        checked(using(OddConnection()))


def test_no_method_of_a_captured_value_is_called() -> None:
    without_module: dict[str, Any] = {}
    exec("def function(row, count=1): return row + count", without_module)
    assert checked(using(OddList()), using(Odd()), using(Proxy()), without_module["function"]) == []


def test_a_marked_variable_is_accepted(
    connected: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glowpy.flow.marks._marked", set())
    glowpy.may_differ("value")
    assert checked(using(connected)) == []


def test_files_open_for_writing_are_noted(tmp_path: Path) -> None:
    with open(tmp_path / "log.txt", "w", encoding="utf-8") as log:
        notes = checked(using(log), using(csv.writer(log)))
    assert len(notes) == 1, "two functions of one line, and one file"
    assert "`value`, the file" in notes[0] and "log.txt" in notes[0]
    assert "save_text_to_file()" in notes[0]


@pytest.mark.parametrize(
    "generator",
    [
        *(random.Random(1), random.Random(1).random),
        *(np.random.default_rng(1), np.random.RandomState(1), np.random.default_rng(1).random),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_generator_of_the_script_is_noted(generator: Any) -> None:
    (note,) = checked(using(generator))
    assert "`value`, a random generator of the driver" in note


total = 0
is_ready = False
seen: set[int] = set()
counts: collections.Counter[int] = collections.Counter()


def counting(row: int) -> int:
    global total, is_ready
    total += row
    is_ready |= True
    seen.add(row)
    counts[row] += 1
    return row


def test_changes_of_globals_and_captured_variables_are_noted_once_with_their_line() -> None:
    words: list[int] = []

    def collecting(row: int) -> int:
        words.append(row)
        return row

    notes = checked(counting, collecting, counting)
    line = counting.__code__.co_firstlineno
    assert [note.partition(". ")[0] for note in notes] == [
        f"counting() changes the global variable `total` (test_shared_values.py:{line + 2})",
        f"counting() changes the global variable `seen` (test_shared_values.py:{line + 4})",
        f"counting() changes the global variable `counts` (test_shared_values.py:{line + 5})",
        f"{collecting.__qualname__}() changes the captured variable `words` "
        f"(test_shared_values.py:{collecting.__code__.co_firstlineno + 1})",
    ]
    assert checked(counting) == []


def test_functions_without_captured_values_are_not_looked_at() -> None:
    rows = Flow([]).slice([1]).map(lambda row: str(row).upper()).map(len).reduce(lambda a, b: a + b)
    assert not may_capture(make_plan(rows._graph, [rows._node], stored=True))


SHOP = """
import sqlite3, sys
from contextlib import closing
from glowpy import Flow
from glowpy.errors import ProgramError

database = sqlite3.connect("shop.db")
found = []

def price(row):
    found.append(row)
    return database.execute("select ? * 2", [row]).fetchone()[0]

def prices(rows):
    with closing(sqlite3.connect("shop.db")) as database:
        for row in rows:
            yield database.execute("select ? * 2", [row]).fetchone()[0]

rows = Flow().slice(range(4), 2)
try:
    print(rows.map(price).collect())
except ProgramError as error:
    print(error)
print(rows.map_partitions(prices).collect())
print(rows.map(lambda row: found.append(row)).count())
database.close()
"""


def shop(directory: Path, *words: str) -> tuple[list[str], str]:
    (directory / "shop.py").write_text(SHOP)
    ended = run(directory, "shop.py", *words)
    return ended.stdout.splitlines(), ended.stderr


def test_a_standalone_run_refuses_a_connection_and_goes_on_with_map_partitions(
    tmp_path: Path,
) -> None:
    (error, *lines), notes = shop(tmp_path)
    assert error.startswith("Map1 (shop.py:21): price() (shop.py:10) uses `database`, a sqlite3.")
    assert lines == ["[0, 2, 4, 6]", "4"]
    assert notes.startswith("glowpy: <lambda>() changes the global variable `found` (shop.py:25)")


@ON_EVERY_CLUSTER
def test_a_cluster_refuses_it_too(mode: str, tmp_path: Path, cluster: str) -> None:
    (error, *lines), _notes = shop(tmp_path, *flags_of(mode, cluster))
    assert "price() (shop.py:10) uses `database`" in error
    assert lines == ["[0, 2, 4, 6]", "4"]


def test_an_inline_run_is_one_process_and_refuses_nothing(tmp_path: Path) -> None:
    lines, notes = shop(tmp_path, "-glow.inline")
    assert lines == ["[0, 2, 4, 6]", "[0, 2, 4, 6]", "4"]
    assert notes == ""
