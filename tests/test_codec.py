"""Batches as bytes: equal rows of the same types come back, or an error shows the row."""

from __future__ import annotations

import marshal
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowpy.errors import RowError, ShardCorrupt
from glowpy.shards.codec import decode, encode
from tests.parameter_ids import stable_id
from tests.ugly_rows import UGLY, same

plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.text(st.characters(), max_size=3),
    st.binary(),
)
nested = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text() | st.integers(), inner, max_size=3),
        st.frozensets(st.text() | st.integers() | st.none(), max_size=3),
    ),
    max_leaves=8,
)


@given(st.lists(plain | st.tuples(plain, plain)))
def test_plain_rows_and_flat_tuples_come_back(rows: list[Any]) -> None:
    payload = encode(rows)
    assert payload[:1] == b"m"
    assert same(decode(payload), rows)


@given(st.lists(nested, max_size=6))
def test_nested_rows_come_back(rows: list[Any]) -> None:
    assert same(decode(encode(rows)), rows)


@pytest.mark.parametrize("row", UGLY, ids=stable_id)
def test_an_ugly_row_comes_back(row: Any) -> None:
    for rows in ([row], [row, 1, "x"], [(row, 1)], [[row]], [(1, (row,))]):
        assert same(decode(encode(rows)), rows)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_can_be_decoded(kind: Any) -> None:
    for rows in ([1, "a"], [[1], {"a"}]):
        assert decode(kind(encode(rows))) == rows


def test_an_empty_batch_comes_back() -> None:
    assert decode(encode([])) == []


def test_rows_of_mixed_types_do_not_take_the_builtin_way_for_others() -> None:
    assert encode([1, bytearray(b"x")])[:1] == b"p"  # marshal would give bytes
    assert encode([(1, (2,))])[:1] == b"p"
    assert marshal.loads(marshal.dumps(bytearray(b"x"))) == b"x"


def test_functions_and_local_classes_travel() -> None:
    offset = 3

    class Local:
        number = 4

    function, made = decode(encode([lambda n: n + offset, Local()]))
    assert function(1) == 4 and made.number == 4


class Stubborn:
    def __reduce__(self) -> Any:
        raise ValueError("not this one")

    def __repr__(self) -> str:
        return "<stubborn>"


class Unloadable:
    def __reduce__(self) -> Any:
        return int, ("no number",)


def test_the_row_that_cannot_be_encoded_is_shown() -> None:
    with pytest.raises(RowError, match=r"row <stubborn> cannot be pickled: .*not this one"):
        encode([1, "a", Stubborn(), 2])


class Speechless(Stubborn):
    def __repr__(self) -> str:
        raise ValueError("no words")


def test_a_row_without_a_repr_is_refused() -> None:
    with pytest.raises(RowError, match=r"row <a Speechless .*cannot be pickled: .*not this one"):
        encode([Speechless()])


def test_a_row_that_cannot_be_made_again_is_an_error() -> None:
    with pytest.raises(RowError, match=r"cannot be unpickled: ValueError: .*no number"):
        decode(encode([Unloadable()]))


def test_rows_nested_too_deep_are_an_error() -> None:
    row: list[Any] = []
    for _ in range(100_000):
        row = [row]
    with pytest.raises(RowError, match=r"cannot be pickled: .*recursion"):
        encode([row])
    while row:  # taken apart level by level: dropping the whole row would recurse as well
        row = row.pop()


@pytest.mark.parametrize(
    "payload",
    [b"", b"x123", b"\x00", b"m", b"m\xff", b"m[\x01", b"mi\x01\0\0\0", b"p" + pickle.dumps(1)],
)
def test_bytes_that_are_no_batch_are_refused(payload: bytes) -> None:
    with pytest.raises(ShardCorrupt, match="is no batch of rows"):
        decode(payload)
