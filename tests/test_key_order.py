"""places_of: one order of all keys, in which equal keys share a place."""

from __future__ import annotations

import datetime
import itertools
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowpy.flow.ops.key_order import places_of
from glowpy.flow.ops.keys import order_of
from tests.parameter_ids import stable_id
from tests.test_hashing import keys, twins
from tests.test_hashing_of_libraries import EQUAL, NANS

DATES = st.dates(datetime.date(2024, 1, 1), datetime.date(2024, 1, 9))
SPANS = st.timedeltas(datetime.timedelta(-2), datetime.timedelta(2))
PLAIN = [
    st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans()),
    st.text(),
    st.binary(),
    DATES,
    SPANS,
    st.tuples(st.integers(), st.text("ab", max_size=2)),
    st.tuples(st.one_of(st.integers(), st.floats(allow_nan=False)), st.tuples(DATES, st.binary())),
]


@given(st.one_of([st.lists(each, min_size=1, max_size=20) for each in PLAIN]))
def test_keys_with_a_total_order_are_in_it(batch: list[Any]) -> None:
    assert order_of(batch) is not None
    places = places_of(batch)
    assert sorted(range(len(batch)), key=batch.__getitem__) == sorted(
        range(len(batch)), key=places.__getitem__
    )
    for (one, place), (other, place_of_other) in itertools.pairwise(
        zip(batch, places, strict=True)
    ):
        assert (one == other) == (place == place_of_other)


@given(keys)
def test_equal_keys_share_a_place(key: Any) -> None:
    for twin in twins(key):
        assert places_of([twin]) == places_of([key])


@pytest.mark.parametrize("equal", [*EQUAL, NANS], ids=lambda equal: stable_id(equal[0]))
def test_equal_keys_of_libraries_share_a_place(equal: list[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(set(places_of(equal))) == 1


@given(st.lists(keys, max_size=20))
def test_any_keys_can_be_sorted(batch: list[Any]) -> None:
    assert sorted(places_of(batch)) == sorted(places_of(batch[::-1]))


def test_kinds_of_keys_follow_one_another() -> None:
    mixed = [None, (1, "b"), b"x", "a", 2.5, -1, (1,), datetime.date(2024, 1, 1), float("nan")]
    places = places_of(mixed)
    in_order = [mixed[n] for n in sorted(range(len(mixed)), key=places.__getitem__)]
    assert in_order[:-2] == [-1, 2.5, "a", b"x", datetime.date(2024, 1, 1), (1,), (1, "b")]
