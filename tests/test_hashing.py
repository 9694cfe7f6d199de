"""partition_hash: equal keys have equal hashes, in every process, or the key is refused."""

from __future__ import annotations

import datetime
import enum
import math
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowpy.errors import RowError
from tests.hashes import hashes_of, partition_hash, parts_of
from tests.parameter_ids import stable_id
from tests.ugly_rows import City, Colour, Level, Metres, Name, Point

ROOT = Path(__file__).resolve().parent.parent
NAN = float("nan")


class Pair(tuple[Any, ...]):
    """A subclass that is equal to tuples, and hashed like them."""


class Bag(frozenset[Any]):
    pass


class Loose(tuple[Any, ...]):
    """A subclass with its own equality, which ignores the case of letters."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Loose) and str(self).lower() == str(other).lower()

    def __hash__(self) -> int:
        return hash(str(self).lower())


class Coordinates(tuple[Any, ...], enum.Enum):
    HOME = (1, None)


@dataclass(frozen=True, eq=False)
class Person:
    """A dataclass with its own equality."""

    name: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Person) and self.name.lower() == other.name.lower()

    def __hash__(self) -> int:
        return hash(self.name.lower())


@dataclass(frozen=True)
class Noted:
    """A dataclass with a field that equality ignores."""

    number: float
    note: str = field(compare=False, default="")


numbers = st.integers(-5, 5)
leaves = st.one_of(
    st.none(),
    numbers,
    numbers.map(float),
    numbers.map(Decimal),
    numbers.map(Fraction),
    numbers.map(complex),
    numbers.map(Metres),
    st.booleans(),
    st.sampled_from(["", "a", "b"]),
    st.sampled_from([b"", b"a"]),
    st.sampled_from([*Colour, *Level, Coordinates.HOME]),
    st.dates(datetime.date(2024, 1, 1), datetime.date(2024, 1, 3)),
)
keys = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.frozensets(inner, max_size=3),
        st.builds(Point, inner, inner),
        st.builds(City, st.sampled_from(["x", "y"]), inner),
    ),
    max_leaves=6,
)


def twins(key: Any) -> list[Any]:
    """Equal keys of other types or from other constructors."""
    if isinstance(key, bool) or type(key) in (int, float, Decimal, Fraction, complex, Metres):
        number = key.real
        return [
            int(number),
            float(number),
            Decimal(int(number)),
            Fraction(int(number)),
            Metres(key.real),
        ]
    if isinstance(key, Point):
        return [tuple(key), Pair(key), Point(*key)]
    if type(key) is tuple:
        return [Pair(key), *([Point(*key)] if len(key) == 2 else [])] + [
            (*key[:n], twin, *key[n + 1 :]) for n, part in enumerate(key) for twin in twins(part)
        ]
    if type(key) is frozenset:
        return [Bag(key), frozenset(reversed(list(key)))]
    if type(key) is str:
        return [Name(key)]
    return []


@given(keys)
def test_equal_keys_of_different_types_have_equal_hashes(key: Any) -> None:
    for twin in twins(key):
        assert twin == key
        assert partition_hash(twin) == partition_hash(key)


@given(st.lists(keys, max_size=8), st.integers(1, 9))
def test_the_other_keys_of_a_batch_do_not_matter(batch: list[Any], parts: int) -> None:
    together = parts_of(batch, parts)
    assert together == [parts_of([key], parts)[0] for key in batch]
    assert all(0 <= part < parts for part in together)
    places: dict[Any, int] = {}
    for key, part in zip(batch, together, strict=True):
        assert places.setdefault(key, part) == part


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (True, 1),
        (0.0, -0.0),
        (Level.LOW, 1),
        (NAN, math.nan),
        (NAN, -float("nan")),
        (Decimal("NaN"), NAN),
        ((1, NAN), (True, math.nan)),
        (frozenset({None, 1}), Bag({1.0, None})),
        (frozenset({"a", "b"}), Bag({"b", "a"})),
        ((1, None), Coordinates.HOME),
        (Loose(("A", 1)), Loose(("a", 1))),
        (Person("Ann"), Person("ANN")),
        (Noted(1, "x"), Noted(1.0, "y")),
        (City("Bonn", None), City("Bonn", None)),
        (Path("a"), Path("a/")),
        (datetime.timezone.utc, datetime.timezone(datetime.timedelta(0))),
    ],
    ids=stable_id,
)
def test_keys_that_are_one_key(one: Any, other: Any) -> None:
    assert partition_hash(one) == partition_hash(other)
    assert parts_of([one], 1000) == parts_of([other], 1000)


def test_different_keys_have_different_hashes() -> None:
    found = {
        partition_hash(key)
        for key in [None, NAN, 0, 1, "b", "a", (), (None,), (NAN,), ((),), (1, 2), (2, 1)]
    }
    assert len(found) == 12
    assert partition_hash(City("Bonn", None)) != partition_hash(City("Bonn", 1))
    assert partition_hash(frozenset({1, 2})) != partition_hash(frozenset({1, 3}))
    assert partition_hash(Colour.RED) != partition_hash(Colour.BLUE)


# --- by value ------------------------------------------------------------------------------------


def test_integers_are_placed_by_their_remainder() -> None:
    numbers = [*range(-9, 10), 2**60, 10**17]
    assert parts_of(numbers, 7) == [number % 7 for number in numbers]
    assert parts_of([True, False, 8], 7) == [1, 0, 1]


def test_numbers_beyond_a_hash_are_placed_with_their_equals() -> None:
    for number in [2**61 - 1, 2**61, -(2**61) + 1, 2**100, -(10**30)]:
        assert partition_hash(number) == partition_hash(Decimal(number))
        assert partition_hash(number) == partition_hash(Fraction(number))
        assert partition_hash(number) == hashes_of([1, number])[1] == hashes_of([number])[0]
    assert partition_hash(2**100) == partition_hash(2.0**100)


def test_a_batch_of_one_type_is_hashed_as_each_of_its_keys() -> None:
    nan = float("nan")
    batches: list[list[Any]] = [
        [0.5, -1.0, 3.0, nan, math.inf],
        [0.25, 2.0, -0.0, 1e300],
        ["a", "Köln", ""],
        ["a", "\ud800"],
        [(1, "a"), (2.5, "b")],
        [(), ()],
        [(None, True), (Level.LOW, nan)],
        [b"a", b""],
        [None, None],
    ]
    for batch in batches:
        assert hashes_of(batch) == list(map(partition_hash, batch))


def python_versions() -> list[str]:
    """This Python and all others of 3.10 and later on the search path."""
    found = {os.path.realpath(sys.executable): sys.executable}
    for minor in range(10, 16):
        path = shutil.which(f"python3.{minor}")
        if (
            path
            and subprocess.run([path, "-c", ""], capture_output=True, timeout=60).returncode == 0
        ):
            found.setdefault(path, path)
    return list(found.values())


@pytest.mark.slow
def test_hashes_are_those_of_the_golden_table_in_every_process_and_version() -> None:
    """Under four hash seeds, and on each installed Python."""
    expected = (ROOT / "tests" / "golden" / "hashes.txt").read_text(encoding="utf-8")
    runs = [(sys.executable, str(seed)) for seed in range(4)]
    runs += [(path, "random") for path in python_versions()]
    for path, seed in runs:
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
        }
        ended = subprocess.run(
            [path, "-m", "tests.table_of_hashes"],
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == expected, f"{path} with PYTHONHASHSEED={seed}"


# --- refused -------------------------------------------------------------------------------------


class Thing:
    pass


class Shouting:
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise ValueError("no words")


@dataclass(frozen=True)
class Holder:
    thing: object


def test_keys_hashed_by_address_are_refused() -> None:
    for key in [Thing(), (1, Thing()), frozenset({Thing()}), Holder(Thing()), len.__class__, int]:
        with pytest.raises(RowError, match=r"differ by their address in memory"):
            partition_hash(key)
    for key in (int, Thing, partition_hash):
        with pytest.raises(RowError, match="in memory; use a name as the key, such as its __qual"):
            partition_hash(key)
    with pytest.raises(RowError, match=r"in memory; use a value as the key$"):
        partition_hash(object())
    with pytest.raises(RowError, match=r"key <.*Thing object .* Thing objects differ by"):
        parts_of([1, Thing()], 2)


@pytest.mark.parametrize(
    "key", [[1], {"a": 1}, {1}, bytearray(b"k"), (1, ["x"]), Holder([1])], ids=repr
)
def test_keys_that_cannot_be_hashed_are_shown(key: Any) -> None:
    with pytest.raises(RowError, match=r"^key .* cannot be hashed: unhashable type") as failure:
        parts_of([1, key], 2)
    shown = key[1] if isinstance(key, tuple) else key
    assert repr(shown) in str(failure.value)


def test_the_remedy_of_a_dataclass_that_is_not_frozen() -> None:
    @dataclass
    class Point:
        x: int

    with pytest.raises(RowError, match=r"unhashable type: 'Point'; .*@dataclass\(frozen=True\)"):
        partition_hash(Point(1))


def test_keys_without_a_repr_are_refused() -> None:
    with pytest.raises(RowError, match=r"Shouting whose repr raised ValueError> cannot be hashed"):
        parts_of([Shouting()], 2)


def test_a_key_that_is_long_is_cut() -> None:
    with pytest.raises(RowError) as failure:
        partition_hash(["x" * 10_000])
    assert len(str(failure.value)) < 1000


# --- spread --------------------------------------------------------------------------------------


def is_spread_evenly(parts: list[int], part_count: int) -> bool:
    """Chi-squared test; random parts fail once in 10^6."""
    counts = Counter(parts)
    expected = len(parts) / part_count
    deviation = sum((counts[part] - expected) ** 2 / expected for part in range(part_count))
    return deviation < part_count - 1 + 7 * math.sqrt(2 * (part_count - 1)) + 15


@pytest.mark.parametrize("part_count", [2, 3, 7, 8, 16])
@pytest.mark.parametrize(
    "step", [1, 2, 7, 8, 16, 34, 144, 1000, 10**9, 2**20, 2**32, 2**51, 2**-3, 2**-10, 0.1]
)
def test_multiples_spread_evenly_over_the_parts(step: float, part_count: int) -> None:
    """Fractions are spread evenly with any seed, integers with a seed other than 0."""
    seed = 1 if isinstance(step, int) else 0
    assert is_spread_evenly(parts_of([n * step for n in range(2000)], part_count, seed), part_count)


@pytest.mark.parametrize("part_count", [2, 3, 7, 8, 16])
@pytest.mark.parametrize("seed", [0, 1, 99])
def test_other_keys_spread_evenly_over_the_parts(part_count: int, seed: int) -> None:
    day = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    makers: list[Callable[[int], Any]] = [
        lambda n: f"user-{n}",
        lambda n: f"{n:06}@example.org",
        lambda n: f"user-{n}".encode(),
        lambda n: (n % 50, n // 50),
        lambda n: (f"a{n % 7}", n),
        lambda n: day + datetime.timedelta(days=n),
        lambda n: day + datetime.timedelta(hours=n),
        lambda n: City("x", n),
        lambda n: frozenset({n, "x"}),
    ]
    for make in makers:
        parts = parts_of([make(n) for n in range(2000)], part_count, seed)
        assert is_spread_evenly(parts, part_count), make(1)


@pytest.mark.parametrize("part_count", [4, 7, 8])
@pytest.mark.parametrize("make", [int, "key-{}".format], ids=["numbers", "texts"])
def test_keys_of_one_shard_spread_under_another_seed(
    make: Callable[[int], Any], part_count: int
) -> None:
    every = [make(number) for number in range(1000 * part_count * 2)]
    skewed = [key for key, part in zip(every, parts_of(every, part_count), strict=True) if not part]
    skewed = skewed[:1000]
    assert len(skewed) == 1000
    for seed in [1, 2, 3, 12345]:
        assert is_spread_evenly(parts_of(skewed, part_count, seed), part_count)
