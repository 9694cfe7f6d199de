"""Captured values of functions: the compared and the ignored ones, and the text of a difference.

Each script below runs twice in this process, as `process` 1 and 2: first in the way of the driver,
then in the way of a task.
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from glowpy import Flow
from glowpy.flow.dataset import Dataset
from glowpy.planner.captures import Captures, difference_of_values
from glowpy.planner.capturing import Surroundings, captured_values
from glowpy.planner.fusion import make_plan
from glowpy.planner.plan import Plan, steps_of
from glowpy.planner.run_description import RunDescription, Sink

SETTINGS = "capture_settings"  # a local module of the scripts below
HEAD = (
    f"import {SETTINGS} as settings\n"
    "import collections, dataclasses, datetime, enum, functools, operator, os, string, time\n"
)


@pytest.fixture
def settings() -> Iterator[types.ModuleType]:
    for name in (SETTINGS, "script"):
        sys.modules[name] = types.ModuleType(name)
    yield sys.modules[SETTINGS]
    for name in (SETTINGS, "script"):
        del sys.modules[name]


def plan_of(text: str, process: int) -> Plan:
    """The plan of `rows` after the script has run in one of the two processes."""
    names = sys.modules["script"].__dict__
    names.update(process=process, flow=Flow([]))
    names["source"] = names["flow"].slice([1, 2])
    settings = sys.modules[SETTINGS]
    settings.__dict__["limit"] = process
    exec("def clipped(x):\n    return min(x, limit)", settings.__dict__)
    exec(compile(HEAD + text, "/somewhere/script.py", "exec"), names)
    rows: Dataset = names["rows"]
    return make_plan(rows._graph, [rows._node], stored=True)


def captures_of(text: str, process: int, **surroundings: Any) -> Captures:
    given: dict[str, Any] = {
        "is_local": {"script", SETTINGS}.__contains__,
        "own": str,
        "environment": {},
        "may_differ": frozenset(),
        **surroundings,
    }
    values, steps = captured_values(plan_of(text, process), Surroundings(**given))
    return Captures("", (), "", "", 0, values, steps, has_branches=False)


def difference(text: str, **surroundings: Any) -> str:
    driver, task = (captures_of(text, process, **surroundings) for process in (1, 2))
    return difference_of_values(driver, task, steps_of(plan_of(text, 1)))


VARIED = {
    "a global": ("rows = source.map(lambda x: x + process)", "process"),
    "a default": ("rows = source.map(lambda x, n=process: x + n)", "n"),
    "a default of a keyword": ("def f(x, *, n=process): return n\nrows = source.map(f)", "n"),
    "a closure": ("def make(n): return lambda x: n\nrows = source.map(make(process))", "n"),
    "a function that a function calls": (
        "def g(x): return x + process\ndef f(x): return g(x)\nrows = source.map(f)",
        "process",
    ),
    "a lambda in a table": (
        "table = {'f': lambda x, n=process: n}\nrows = source.map(lambda x: table['f'](x))",
        "n",
    ),
    "code inside of a function": ("rows = source.map(lambda x: [process for _ in ''])", "process"),
    "a cached function": (
        "@functools.lru_cache\ndef f(x): return x + process\nrows = source.map(f)",
        "process",
    ),
    "a partial": ("rows = source.map(functools.partial(lambda n, x: x, process))", "argument"),
    "a local module": ("rows = source.map(lambda x: x + settings.limit)", "settings.limit"),
    "a function of a local module": ("rows = source.map(settings.clipped)", "limit"),
    "an attribute": (
        "class A:\n def __init__(self): self.n = process\n def f(self, x): return self.n\n"
        "rows = source.map(A().f)",
        "self.n",
    ),
    "an object in a global": (
        "class A:\n def __init__(self): self.n = process\n"
        "a = A()\nrows = source.map(lambda x: a.n)",
        "a.n",
    ),
    "an attribute of a class": (
        "class A:\n n = process\n def __call__(self, x): return self.n\nrows = source.map(A())",
        "n",
    ),
    "a class that is called": (
        "class A:\n def __init__(self, x): self.y = x + process\nrows = source.map(A)",
        "process",
    ),
    "a base class": (
        "class B:\n def g(self): return process\nclass A(B):\n def __call__(self, x): self.g()\n"
        "rows = source.map(A())",
        "process",
    ),
    "the text of an object": (
        "class A:\n def __init__(self): self.n = process\n"
        " def __str__(self): return f'<A {self.n}>'\na = A()\nrows = source.map(lambda x: str(a))",
        "a.n",
    ),
    "all attributes": (
        "class A: pass\na = A()\na.n = process\nrows = source.map(lambda x: vars(a))",
        "a.n",
    ),
    "a dataclass": (
        "@dataclasses.dataclass\nclass A:\n n: int = process\n"
        "a = A()\nrows = source.map(lambda x: a)",
        "a.n",
    ),
    "deep inside of a value": ("t = [{'a': (1, {process})}]\nrows = source.map(lambda x: t)", "t"),
    "a method of a dict": ("rows = source.map({'a': process}.get)", "argument"),
    "a field": ("rows = source.map(operator.itemgetter(process))", "argument"),
    "a keyword of a method": (
        "rows = source.map(operator.methodcaller('f', n=process))",
        "argument",
    ),
    "a moment of a class of its own": (
        "class Day(datetime.date): pass\nday = Day(2020, 1, process)\n"
        "rows = source.filter(lambda x: x < day)",
        "day",
    ),
    "a combination of flags": (
        "class F(enum.Flag):\n A = 1\n B = 2\n C = 4\n"
        "f = F.A | F(2 * process)\nrows = source.map(lambda x: f)",
        "f",
    ),
    "layers of settings": (
        "s = collections.ChainMap({'a': 1}, {'b': process})\nrows = source.map(lambda x: s['b'])",
        "s",
    ),
    "a dict of a class of its own": (
        "class D(collections.UserDict): pass\nd = D(a=process)\n"
        "rows = source.map(lambda x: d['a'])",
        "d",
    ),
    "an attribute of a dict": (
        "class D(dict): pass\nd = D()\nd.n = process\nrows = source.map(lambda x: d.n)",
        "d.n",
    ),
    "a default of a dict": (
        "d = collections.defaultdict(lambda: process)\nrows = source.map(lambda x: d[x])",
        "process",
    ),
    "a template": (
        "t = string.Template(f'{process} $x')\nrows = source.map(lambda x: t.substitute(x=x))",
        "t",
    ),
    "a reducer": ("rows = source.reduce(lambda x, y: x + process)", "process"),
    "a key": ("rows = source.sort(key=lambda x: x % process)", "process"),
    "a key reducer": ("rows = source.reduce_by_key(lambda x, y: process)", "process"),
    "partitions": ("rows = source.map_partitions(lambda part: [process])", "process"),
    "a source": ("rows = flow.source(lambda: range(process), 1)", "process"),
    "a seed": ("rows = source.sample(0.5, seed=process)", "argument"),
    "a command": ("rows = source.map(str).pipe(f'head -{process}')", "argument"),
}


@pytest.mark.parametrize("case", VARIED)
def test_a_value_that_differs_is_named(case: str, settings: types.ModuleType) -> None:
    text, name = VARIED[case]
    first, *_ = difference(text).splitlines()
    assert re.fullmatch(
        rf"  {re.escape(name)} of .*, in .* \(script\.py:\d+\): .* in the task", first
    )


EQUAL = {
    "a set in another order": (
        "names = ['a', 'b', 'c', 'd'][::1 if process == 1 else -1]\n"
        "s = set()\nfor n in names: s.add(n)\nd = dict.fromkeys(names)\n"
        "rows = source.map(lambda x: (s, d))"
    ),
    "an attribute that only the driver reads": (
        "class A:\n def __init__(self): self.n, self.started = 1, process\n"
        " def f(self, x): return self.n\n def report(self): return self.started\n"
        "rows = source.map(A().f)"
    ),
    "an attribute that a with block sets": (
        "class Timer:\n def __enter__(self): self.t = time.time()\n"
        " def __exit__(self, *_): self.t\ntimer = Timer()\nwith timer: pass\n"
        "def f(x):\n with timer: return x\nrows = source.map(f)"
    ),
    "an attribute that only the text of an object shows": (
        "class A:\n def __init__(self): self.started = process\n"
        " def __repr__(self): return f'<A {self.started}>'\n def f(self, x): return x\n"
        "rows = source.map(A().f)"
    ),
    "a global that only the driver reads": "n = process\nrows = source.map(lambda x: x)",
    "an attribute with the name of a global": "n = process\nrows = source.map(lambda x: x.n)",
    "the cache of a function": (
        "@functools.lru_cache\ndef f(x): return x\nfor n in range(process): f(n)\n"
        "rows = source.map(f)"
    ),
    "objects that count by type": (
        "import threading, logging, random\n"
        "held = [threading.Lock(), logging.getLogger(str(process)), random.Random(process)]\n"
        "rows = source.map(lambda x: held)"
    ),
    "standard streams": (
        "import io, sys\nstream = sys.__stdin__ if process == 1 else io.TextIOBase()\n"
        "rows = source.map(lambda x: stream)"
    ),
    "flags of ours": (
        "argv = ['x.py', '-glow.leader=a:1'] if process == 1 else ['x.py', '-glow.flow.id=0']\n"
        "rows = source.map(lambda x: argv)"
    ),
    "the environment": (
        "class Watched(os._Environ): pass\n"
        "own = os.environ if process == 1 else Watched({}, str, str, str, str)\n"
        "env = dict(os.environ, PATH='a', B='b', C=str(process))\n"
        "rows = source.map(lambda x: (env, own))"
    ),
    "temporary names": (
        "path = f'/tmp/job-abcdefg{process}/x.txt'\nrows = source.map(lambda x: path)"
    ),
    "input files, which the driver lists": "rows = flow.text_file(f'/data/{process}.txt', 1)",
    "rows of a slice, which the driver keeps": "rows = flow.slice([process])",
    "a value that contains itself": "l = []\nl.append(l)\nrows = source.map(lambda x: l)",
    "an object that cannot be read": (
        "class Proxy:\n"
        " @property\n def __class__(self): raise RuntimeError('not here')\n"
        " def __getattribute__(self, name): raise RuntimeError('not here')\n"
        "p = [Proxy()]\nrows = source.map(lambda x: vars(p[0]))"
    ),
    "NaN": "n = float('nan')\nrows = source.map(lambda x: n)",
    "a very large number": "n = 10 ** 5000\nrows = source.map(lambda x: n)",
}


@pytest.mark.parametrize("case", EQUAL)
def test_equal_values_make_no_difference(case: str, settings: types.ModuleType) -> None:
    assert difference(EQUAL[case], own=_without_chance) == ""


def _without_chance(text: str) -> str:
    from glowpy.program.own_text import text_of_driver

    return text_of_driver(())(text)


def test_a_difference_shows_function_step_values_and_remedy(settings: types.ModuleType) -> None:
    text = difference("def add(x):\n    return x + process\nrows = source.map(add)")
    first, empty, remedy = text.splitlines()
    assert empty == "", "the remedy is a paragraph of its own"
    assert first == (
        "  process of add (script.py:3), in Map1 (script.py:5): 1 in the driver, 2 in the task"
    )
    assert "sorted(set(…))" in remedy
    assert 'glowpy.may_differ("process")' in remedy


def test_a_marked_variable_may_differ(settings: types.ModuleType) -> None:
    text = "rows = source.map(lambda x: x + process)"
    assert difference(text, may_differ=frozenset({("script", "process")})) == ""
    assert difference(text, may_differ=frozenset({("__main__", "process")})) == ""
    assert difference(text, may_differ=frozenset({("another", "process")})) != ""


@pytest.mark.parametrize("case", ["an attribute", "an object in a global", "a local module"])
def test_the_message_names_the_mark_that_accepts_it(case: str, settings: types.ModuleType) -> None:
    text, _name = VARIED[case]
    found = re.search(r'may_differ\("(\w+)"\)', difference(text))
    assert found is not None
    assert difference(text, may_differ=frozenset({("__main__", found[1])})) == ""


def test_secrets_and_values_of_the_environment_are_not_shown(settings: types.ModuleType) -> None:
    text = (
        "password, home = f'open{process}', f'/home/{process}'\n"
        "rows = source.map(lambda x: (password, home))"
    )
    shown = difference(text, environment={"HOME": "/home/1"})
    assert "  password of <lambda> (script.py:4)" in shown
    assert "open1" not in shown and "/home/1" not in shown
    assert "the value of $HOME in the driver" in shown


def test_long_values_are_shortened(settings: types.ModuleType) -> None:
    text = "s = 'a' * 1000 + str(process)\nrows = source.map(lambda x: s)"
    captured = captures_of(text, 1)
    assert max(len(value.text) for value in captured.values) < 150
    assert "but the rest of it differs" in difference(text)


def test_a_value_over_the_bound_counts_by_its_length(settings: types.ModuleType) -> None:
    text = "s = [str(process)] * 1_000_000\nrows = source.map(lambda x: s)"
    assert difference(text) == ""
    text = "s = [1] * (1_000_000 + process)\nrows = source.map(lambda x: s)"
    assert "<list of 1000001> in the driver, <list of 1000002> in the task" in difference(text)


def test_arrays_count_by_their_elements(settings: types.ModuleType) -> None:
    text = "import numpy\na = numpy.zeros(1000)\na[5] = {}\nrows = source.map(lambda x: a)"
    assert difference(text.format("1")) == ""
    assert "numpy.ndarray(shape (1000,)" in difference(text.format("process"))


def test_captures_travel_as_text(settings: types.ModuleType) -> None:
    captures = captures_of("rows = source.map(lambda x: x + process)", 1)
    description = RunDescription("r", 1, 0, (1,), Sink.ROWS, 1, {}, "", "here", captures=captures)
    assert RunDescription.from_bytes(description.to_bytes()) == description
