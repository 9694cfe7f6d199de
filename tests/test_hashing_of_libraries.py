"""Keys of numpy, pandas, attrs, pydantic and msgspec: equal keys have equal hashes, by value."""

from __future__ import annotations

import datetime
import enum
import itertools
import os
import subprocess
import sys
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Optional

import attrs
import msgspec
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pydantic
import pydantic.v1
import pytest

from glowpy.flow.ops.hashing import KeyHasher
from tests.hashes import partition_hash
from tests.parameter_ids import stable_id
from tests.ugly_rows import Level, Metres, Name, Point

ROOT = Path(__file__).resolve().parent.parent
UTC = datetime.timezone.utc
CET = datetime.timezone(datetime.timedelta(hours=1))
HOUR = datetime.timedelta(hours=1)


class Letter(str, enum.Enum):
    A = "a"


class Digit(int, enum.Enum):
    ONE = 1


@attrs.frozen
class Attrs:
    name: Optional[str]  # noqa: UP045
    folded: str = attrs.field(eq=str.lower, default="")
    note: str = attrs.field(eq=False, default="")


@attrs.frozen(cache_hash=True)
class AttrsChild(Attrs):
    more: int = 0


class Model(pydantic.BaseModel, frozen=True):
    name: Optional[str]  # noqa: UP045
    number: float = 0


class OldModel(pydantic.v1.BaseModel):
    name: Optional[str]  # noqa: UP045

    class Config:
        frozen = True


@pydantic.dataclasses.dataclass(frozen=True)
class Data:
    name: Optional[str]  # noqa: UP045
    number: float = 0


class Struct(msgspec.Struct, frozen=True):
    name: Optional[str]  # noqa: UP045
    number: float = 0


NOON = datetime.datetime(2024, 1, 2, 12)  # noqa: DTZ001 - without a zone
# The values of each row are one dict key.
EQUAL: list[list[Any]] = [
    [1, 1.0, True, 1 + 0j, Decimal(1), Fraction(1), Metres(1), Level.LOW, Digit.ONE]
    + [kind(1) for kind in (np.int8, np.uint64, np.int64, np.float16, np.float32, np.float64)]
    + [np.bool_(True), np.complex64(1)],
    [-1, -1.0, Decimal(-1), np.int64(-1), np.float32(-1)],
    [-2, -2.0, np.int8(-2)],
    [0, 0.0, -0.0, False, Decimal("-0"), np.float64(-0.0), np.bool_(False)],
    [0.5, Decimal("0.5"), Fraction(1, 2), np.float16(0.5), np.float64(0.5), 0.5 + 0j],
    [2**63, 2.0**63, np.uint64(2**63), Decimal(2**63), np.float64(2**63)],
    [2**61 - 1, Decimal(2**61 - 1), np.int64(2**61 - 1), Fraction(2**61 - 1)],
    [-(2**62), -(2.0**62), np.int64(-(2**62)), Decimal(-(2**62))],
    [float("inf"), np.float32("inf"), Decimal("inf")],
    ["a", Name("a"), Letter.A, np.str_("a")],
    [b"a", np.bytes_(b"a")],
    [(1, "a"), Point(1, "a"), (True, Letter.A), (np.int64(1), np.str_("a"))],
    [frozenset({1, "a"}), frozenset({np.float64(1), Letter.A})],
    [NOON, pd.Timestamp(NOON), NOON.replace(fold=1), np.datetime64(NOON)],
    [
        NOON.replace(tzinfo=UTC),
        NOON.replace(hour=13, tzinfo=CET),
        pd.Timestamp(NOON, tz="UTC"),
        pd.Timestamp(NOON, tz="UTC").tz_convert("America/New_York"),
    ],
    [pd.Timestamp("2024-01-02T12:00:00.000000001")],
    [HOUR, datetime.timedelta(minutes=60), pd.Timedelta(hours=1), np.timedelta64(1, "h")],
    [np.timedelta64(30, "s"), np.timedelta64(30_000, "ms"), datetime.timedelta(seconds=30)],
    [pd.Timedelta(1, "ns")],
    [datetime.date(2024, 1, 2)],
    [datetime.time(11, tzinfo=UTC), datetime.time(12, tzinfo=CET)],
    [datetime.time(11)],
    [UTC, datetime.timezone(datetime.timedelta(0))],
    [range(0, 10, 3), range(0, 11, 3)],
    [Attrs(None), Attrs(None, note="x")],
    [Attrs("x", "A"), Attrs("x", "a", "n")],
    [AttrsChild(None, more=1), AttrsChild(None, note="x", more=1)],
    [Model(name=None, number=1), Model(name=None, number=True)],
    [OldModel(name=None), OldModel(name=None)],
    [Data(name="x", number=1), Data(name="x", number=1.0)],
    [Struct(None, 1), Struct(None, 1.0)],
    [pd.Period("2024-01"), pd.Period("2024-01", freq="M")],
    [pd.Interval(1, 2), pd.Interval(1.0, 2)],
    [pd.NA],
    [None],
]


@pytest.mark.parametrize("keys", EQUAL, ids=lambda keys: stable_id(keys[0]))
def test_keys_that_are_one_dict_key_have_one_hash(keys: list[Any]) -> None:
    for one, other in itertools.combinations(keys, 2):
        with suppress(TypeError):  # Decimal and Fraction cannot be compared with numpy's
            assert {one: 1}.get(other) == 1, f"{one!r} and {other!r} are two dict keys"
    hashers = [KeyHasher() for _ in keys]
    hashes = {hasher.hash(key) for hasher, key in zip(hashers, keys, strict=True)}
    assert len(hashes) == 1
    assert {KeyHasher().hashes([key])[0] for key in keys} == hashes


NANS = [float("nan"), np.float32("nan"), Decimal("nan"), complex(0, float("nan")), pd.NaT]
NANS += [np.datetime64("NaT"), np.timedelta64("NaT"), np.float64("nan")]


def test_values_that_are_not_equal_to_themselves_share_a_hash() -> None:
    assert len({partition_hash(key) for key in NANS}) == 1


def test_classes_with_their_own_hash_are_known() -> None:
    """A reader does not check the placement of keys of any other class."""
    hasher = KeyHasher()
    hasher.hashes([key for keys in EQUAL for key in keys])
    own = {type(key) for key in hasher.samples.values()}
    assert own == {pd.Period, pd.Interval, type(pd.NA)}


IN_A_PROCESS = """
from tests.test_hashing_of_libraries import *
own = (pd.Period, pd.Interval)
print([partition_hash(key) for keys in EQUAL for key in keys if not isinstance(key, own)])
print([partition_hash(key) for key in NANS])
"""


@pytest.mark.slow
def test_hashes_are_the_same_in_every_process() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", IN_A_PROCESS],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
        for seed in ("0", "random")
    }
    assert len(outputs) == 1
