"""Values with classes that cannot be imported by name: both sides have the same classes."""

from __future__ import annotations

import abc
import collections
import dataclasses
import enum
import functools
import os
import pickle
import subprocess
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from glowpy.shards import by_value
from glowpy.shards.by_value import dumps_by_value, dumps_whole, identity_of
from glowpy.shards.codec import decode, encode
from tests.parameter_ids import stable_id
from tests.runners import ON_EVERY_RUNNER, Runner


def local_classes() -> SimpleNamespace:
    """Classes of every kind, defined in a function."""
    T = typing.TypeVar("T")

    @dataclasses.dataclass(frozen=True)
    class Point:
        x: int
        made = 0

        def moved(self) -> Point:
            return Point(self.x + 1)

    @attrs.frozen
    class Fixed:
        x: int

    class Colour(enum.Enum):
        RED = 1
        BLUE = 2

    class Bits(enum.Flag):
        A = 1
        B = 2

    class Named(typing.NamedTuple):
        x: int

    class Meta(type):
        def title(cls) -> str:
            return f"a {cls.__name__}"

    class Base(metaclass=Meta):
        def __init__(self, x: int) -> None:
            self.x = x

        def __eq__(self, other: object) -> bool:
            return type(other) is type(self) and vars(other) == vars(self)

        __hash__ = None  # type: ignore[assignment]

    class Derived(Base):
        def __init__(self, x: int) -> None:
            super().__init__(x)

    class Box(typing.Generic[T]):
        def __init__(self, x: int) -> None:
            self.x = x

    class IntBox(Box[int]):
        pass

    class Shape(abc.ABC):
        @abc.abstractmethod
        def area(self) -> int: ...

    class Square(Shape):
        def area(self) -> int:
            return 4

    class Slotted:
        __slots__ = ("x",)

        def __init__(self, x: int) -> None:
            self.x = x

    Pair = collections.namedtuple("Pair", "x y")
    return SimpleNamespace(**{k: v for k, v in locals().items() if k != "T"})


def values_of(kinds: SimpleNamespace) -> list[Any]:
    return [
        *(kinds.Point(1), kinds.Fixed(2), kinds.Colour.BLUE, kinds.Bits.A | kinds.Bits.B),
        *(kinds.Named(3), kinds.Pair(4, 5), kinds.Derived(6), kinds.IntBox(7), kinds.Square()),
        *(kinds.Slotted(8), kinds.Point, kinds.Meta),
    ]


KINDS = local_classes()


@pytest.mark.parametrize("value", values_of(KINDS), ids=stable_id)
def test_a_value_comes_back_as_an_instance_of_the_same_class(value: Any) -> None:
    row, (in_tuple, in_dict), *_ = decode(encode([value, (value, {"k": [value]}), 1]))
    for made in (row, in_tuple, in_dict["k"][0]):
        assert type(made) is type(value)
        if isinstance(value, (type, enum.Enum)):
            assert made is value
        elif not isinstance(value, (KINDS.IntBox, KINDS.Square, KINDS.Slotted)):
            assert made == value


def test_a_class_with_an_equal_copy_is_not_changed() -> None:
    before = dict(vars(KINDS.Point))
    payload = encode([KINDS.Point(1)])
    KINDS.Point.made += 1
    try:
        decode(payload)
        pickle.loads(dumps_whole(KINDS.Point))
        assert dict(vars(KINDS.Point)) == before | {"made": 1}
    finally:
        KINDS.Point.made = 0


def test_functions_and_defaults_travel() -> None:
    counts: collections.defaultdict[str, int] = collections.defaultdict(lambda: 7)
    made, function, part = decode(encode([counts, lambda x: x + 1, functools.partial(max, 3)]))
    assert made["new"] == 7 and function(1) == 2 and part(5) == 5


def test_classes_that_differ_have_identities_that_differ() -> None:
    def with_number(number: int) -> type:
        class Kind:
            n = number

        return Kind

    def with_closure(number: int) -> type:
        class Kind:
            def get(self) -> int:
                return number

        return Kind

    for make in (with_number, with_closure):
        one, other, again = make(1), make(2), make(1)
        assert identity_of(one) != identity_of(other)
        assert identity_of(one) == identity_of(again)
        made = decode(encode([one(), other(), again()]))
        assert [type(each) for each in made] == [one, other, again]


def test_the_identity_does_not_depend_on_use_or_on_the_process() -> None:
    text = (
        "import pickle, sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_by_value import KINDS, values_of, identity_of\n"
        "if sys.argv[2] == 'used':\n"
        "    for each in values_of(KINDS):\n"
        "        repr(each), KINDS.Bits(3), isinstance(each, KINDS.Shape)\n"
        "        try: pickle.dumps(each)\n"
        "        except Exception: pass\n"
        "print([identity_of(each) for each in vars(KINDS).values() if isinstance(each, type)])\n"
    )

    def printed(seed: str, use: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", text, str(Path(__file__).parent), use],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert printed("1", "unused") == printed("2", "used")


def in_another_process(payload: bytes, text: str) -> str:
    """The output of a process that has unpickled `value` without having run this file."""
    prelude = "import pickle, sys; value = pickle.load(sys.stdin.buffer)\n"
    return subprocess.run(
        [sys.executable, "-c", prelude + text], input=payload, capture_output=True, check=True
    ).stdout.decode()


def test_a_process_without_the_class_makes_it_once() -> None:
    kinds = local_classes()
    payload = dumps_by_value([[kinds.Point(1), kinds.Colour.RED], kinds.Point(2)], with_main=True)
    text = """
again = pickle.loads(pickle.dumps(0)) or value
data = sys.argv
first, second = value
print(first, first[0].moved(), type(first[0]) is type(second), first[0].__class__.__qualname__)
"""
    printed = in_another_process(payload, text)
    name = "local_classes.<locals>.Point"
    assert printed == f"[{name}(x=1), <Colour.RED: 1>] {name}(x=2) True {name}\n"


def test_classes_that_refer_to_each_other_travel() -> None:
    class One:
        def other(self) -> Any:
            return Two()

    class Two:
        def other(self) -> Any:
            return One()

    text = "print(type(value.other().other()) is type(value), value.other().other().other())"
    for payload in (dumps_by_value(One(), with_main=True), dumps_whole(One())):
        assert in_another_process(payload, text).startswith("True <test_by_value.")


def test_forks_distinguish_classes_of_one_identity() -> None:
    def make() -> type:
        class Kind:
            pass

        return Kind

    one, newer = make(), make()
    assert [type(each) for each in decode(encode([one(), newer()]))] == [one, newer]
    identity = identity_of(one)
    assert by_value.class_of(identity, id(one), None) is one
    assert by_value.class_of(identity, 0, None) is newer
    with pytest.raises(pickle.UnpicklingError, match=r"class tests?.*Gone is not known here|Gone"):
        by_value.class_of(("tests", "Gone", "0"), 0, None)


# --- in runs -------------------------------------------------------------------------------------


def steps_over(kinds: SimpleNamespace) -> Callable[[int], tuple[Any, ...]]:
    point, colour, named = kinds.Point, kinds.Colour, kinds.Named
    return lambda n: (point(n % 3), colour(n % 2 + 1), named(n), {"k": [point(n)]})


@ON_EVERY_RUNNER
def test_rows_and_keys_of_local_classes(new_flow: Runner) -> None:
    kinds = local_classes()
    make, point, colour, named = steps_over(kinds), kinds.Point, kinds.Colour, kinds.Named

    def is_known(p: Any, c: Any, n: Any, d: Any) -> tuple[Any, ...]:
        return (p, type(p) is point and c in (colour.RED, colour.BLUE) and type(n) is named, d)

    flow = new_flow()
    rows = flow.slice(range(6), 3).map(make).round_robin(2).map(is_known).collect()
    assert sorted(rows, key=lambda row: row[2]["k"][0].x) == [
        (point(n % 3), True, {"k": [point(n)]}) for n in range(6)
    ]
    counted = flow.slice(range(6), 3).map(lambda n: (point(n % 3), 1))
    totals = counted.reduce_by_key(lambda a, b: a + b, shards=2).collect()
    assert sorted((key.x, n) for key, n in totals) == [(0, 2), (1, 2), (2, 2)]
    named_rows = flow.slice([(point(n), f"row {n}") for n in range(3)], 2)  # sent by the driver
    joined = counted.join(named_rows).collect()
    assert sorted((key.x, name) for key, _, name in joined) == [
        (n, f"row {n}") for n in (0, 0, 1, 1, 2, 2)
    ]
    sizes = flow.slice(range(6), 3).map(lambda n: (named(n % 2), n)).group_by_key().collect()
    assert {type(key) for key, _ in sizes} == {named} and len(sizes) == 2


@ON_EVERY_RUNNER
def test_rows_of_local_classes_survive_spilling(new_flow: Runner) -> None:
    point = local_classes().Point
    rows = new_flow("-glow.task.memoryMB=1").slice(range(20_000), 2)
    total = rows.map(lambda n: (point(n % 5000), 1)).group_by_key()
    assert total.map(lambda key, ones: (type(key) is point, len(ones))).distinct().collect() == [
        (True, 4)
    ]
