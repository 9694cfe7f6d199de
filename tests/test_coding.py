"""Encoded messages: decoding returns an equal message or refuses the bytes."""

from __future__ import annotations

import tracemalloc
import types
import typing
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glowpy.errors import ProtocolError
from glowpy.ranges import Characters, Within
from glowpy.record import NamedTuple
from glowpy.secret import Secret
from glowpy.shards.segment import Block
from glowpy.wire.coding import Coder
from glowpy.wire.frame_bounds import CONTROL_BYTES, MAX_FRAME_BYTES
from glowpy.wire.messages import MESSAGES, Heartbeat, Hello
from glowpy.wire.run_messages import Commit, Describe, OpenRun, OutputStream, Printed
from glowpy.wire.status_messages import STATUS_MESSAGES


class Mood(Enum):
    """An enum for the test."""

    GOOD = "good"
    BAD = "bad"


class Pair(NamedTuple):
    """A tuple with the fields of msgpack's ExtType."""

    code: int
    data: bytes


class Odd(NamedTuple):
    """Every supported kind of field, whether or not a message uses the kind today."""

    number: float
    moods: tuple[Mood, ...]
    pair: Pair
    two: tuple[int, bytes]
    perhaps: str | None
    rather: bool
    nothing: tuple[()]


TABLE = {**MESSAGES, **STATUS_MESSAGES, "Odd": Odd}
CODER = Coder(TABLE)
TEXTS = st.text(st.characters(exclude_categories=[]), max_size=8)  # lone surrogates included
SCALARS: dict[type, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**64 - 1),
    str: TEXTS,
    bytes: st.binary(max_size=8),
    bool: st.booleans(),
    float: st.floats(allow_nan=False),
    Secret: st.one_of(st.just(Secret()), st.builds(Secret.make)),
}
# One value of each msgpack type
RAW: list[Any] = [True, 7, 7.5, "seven", b"seven", None, [], [7, "x"], {}, {"x": 7}]
EACH_MESSAGE = pytest.mark.parametrize("kind", TABLE.values(), ids=list(TABLE))


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value that fits an annotation."""
    if hasattr(kind, "_fields"):
        hints = typing.get_type_hints(kind, include_extras=True)
        return st.builds(kind, **{name: values(hint) for name, hint in hints.items()})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return ranged(*arguments)
    if origin is tuple and arguments[-1:] == (Ellipsis,):
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*[values(each) for each in arguments])
    if origin is dict:
        return st.dictionaries(TEXTS, TEXTS, max_size=3)
    if origin in (types.UnionType, typing.Union):
        return st.one_of(
            [st.none() if each is types.NoneType else values(each) for each in arguments]
        )
    return SCALARS[kind]


def ranged(kind: type, bounds: Within | Characters) -> st.SearchStrategy[Any]:
    """Any value within the range of a field."""
    if isinstance(bounds, Characters):
        return st.text(st.characters(exclude_categories=["C", "Z"]), max_size=8)
    if kind is float:
        return st.floats(bounds.least, bounds.most)
    return st.integers(int(bounds.least), int(bounds.most))


def outside(kind: type, bounds: Within | Characters) -> list[Any]:
    """Values of the right type outside the range of a field."""
    if isinstance(bounds, Characters):
        return ["x" * (bounds.most + 1), "a\nb", "a\0b", "\ud800"]
    if kind is float:
        special = [float("nan"), float("inf"), float("-inf")]
        return [*special, bounds.least - 1, bounds.most * 2]
    return [int(bounds.least) - 1, *([int(bounds.most) + 1] if bounds.most < 2**63 else [2**63])]


def wrong(kind: Any, raw: Any) -> Iterator[Any]:
    """Invalid encodings for an annotation, made from a valid encoding."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if hasattr(kind, "_fields"):
        hints = list(typing.get_type_hints(kind, include_extras=True).values())
        yield from (each for each in RAW if not isinstance(each, list))
        yield from ([], raw[:-1]) if hints else ()  # valid for a message without fields
        yield from ([*raw, 7], [*raw, None], msgpack.ExtType(7, b"x"))
        for position, hint in enumerate(hints):
            for bad in wrong(hint, raw[position]):
                yield [*raw[:position], bad, *raw[position + 1 :]]
    elif origin is Annotated:
        yield from outside(*arguments)
        yield from wrong(arguments[0], raw)
    elif isinstance(kind, type) and issubclass(kind, Enum):
        yield from [*RAW, ["good"], kind.__name__]
    elif origin is tuple and arguments[-1:] == (Ellipsis,):
        yield from (each for each in RAW if not isinstance(each, list))
        yield from ([bad, *raw[1:]] for inner in raw[:1] for bad in wrong(arguments[0], inner))
        yield [*raw, None]
    elif origin is tuple:
        yield from (each for each in RAW if each != list(raw))
        yield from ([*raw, 7], msgpack.ExtType(7, b"x"))
    elif origin is dict:
        yield from (each for each in RAW if each != {})
        yield from ({"x": None}, {7: "x"}, {b"x": "x"}, {"x": ["y"]})
    elif origin in (types.UnionType, typing.Union):
        (only,) = (each for each in arguments if each is not types.NoneType)
        if raw is None and hasattr(only, "_fields"):
            yield from (each for each in RAW if each is not None)
        else:
            yield from (each for each in wrong(only, raw) if each is not None)
    elif kind is Secret:
        yield from (*RAW, b"s" * 15, b"s" * 17)
    elif kind is float:
        yield from (each for each in RAW if each not in (7, 7.5) or each is True)
    else:
        yield from (each for each in RAW if type(each) is not kind)


def raw_of(message: Any) -> list[Any]:
    """The fields of an encoded message, without the message's name."""
    raw = msgpack.unpackb(CODER.encode(message), raw=False, unicode_errors="surrogatepass")
    assert raw[0] == type(message).__name__
    fields: list[Any] = raw[1:]
    return fields


def packed(values: Any) -> bytes:
    data: bytes = msgpack.packb(values, use_bin_type=True, unicode_errors="surrogatepass")
    return data


def test_the_table_is_of_named_tuples_under_their_own_names():
    assert {"Hello", "Assign", "GroupEnded", "BlockFrame", "FileFrame"} <= set(MESSAGES)
    for name, kind in MESSAGES.items():
        assert kind.__name__ == name
        assert issubclass(kind, tuple) and hasattr(kind, "_fields")


@EACH_MESSAGE
@settings(max_examples=12)
@given(data=st.data())
def test_a_message_comes_back_equal(kind: type, data: st.DataObject) -> None:
    message = data.draw(values(kind))
    again = CODER.decode(CODER.encode(message))
    assert again == message
    assert type(again) is kind
    assert repr(again) == repr(message)  # 1 == True == 1.0


@pytest.mark.slow
@EACH_MESSAGE
@settings(max_examples=10)
@given(data=st.data())
def test_fields_of_another_type_missing_or_surplus_are_refused(
    kind: type, data: st.DataObject
) -> None:
    raw = raw_of(data.draw(values(kind)))
    for bad in wrong(kind, raw):
        if isinstance(bad, list):
            with pytest.raises(ProtocolError):
                CODER.decode(packed([kind.__name__, *bad]))


@EACH_MESSAGE
@settings(max_examples=5)
@given(data=st.data())
def test_a_part_of_a_message_is_none_and_nothing_may_follow_one(
    kind: type, data: st.DataObject
) -> None:
    encoded = CODER.encode(data.draw(values(kind)))
    for bad in [encoded[:length] for length in range(len(encoded))] + [encoded + b"\0"]:
        with pytest.raises(ProtocolError):
            CODER.decode(bad)


@pytest.mark.slow
@EACH_MESSAGE
@settings(max_examples=30)
@given(data=st.data())
def test_a_changed_byte_is_another_message_or_none(kind: type, data: st.DataObject) -> None:
    encoded = bytearray(CODER.encode(data.draw(values(kind))))
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] = data.draw(st.integers(0, 255))
    decode_or_refuse(bytes(encoded))


@settings(max_examples=500)
@given(st.binary())
def test_garbage_is_refused(data: bytes) -> None:
    decode_or_refuse(data)
    decode_or_refuse(b"\x96\xa5Hello" + data)


def decode_or_refuse(data: bytes) -> None:
    try:
        message = CODER.decode(data)
    except ProtocolError:
        return
    assert type(message) in TABLE.values()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["NoSuchMessage", 1], "unknown message 'NoSuchMessage'"),
        (["Block", 1, 2, 3, 4, 5], "unknown message 'Block'"),
        (["x" * 1000], f"unknown message '{'x' * 64}'$"),
        ([], "begins with its name"),
        ([1, "Hello"], "begins with its name"),
        ([b"Hello"], "begins with its name"),
        ([["Hello"]], "begins with its name"),
        ("Hello", "begins with its name"),
        ({"Hello": 1}, "begins with its name"),
        (msgpack.ExtType(5, b"Hello"), "begins with its name"),
        (["Hello", 1, "0", "3", "agent"], "in Hello: Hello does not have its 5 fields"),
        (["Hello", True, "0", "3", "agent", "a"], "in Hello: protocol is not of type int"),
        (["Beat", 7], "in Beat: run is not of type str"),
        (["Commit", "r", 1, [[1, 2, 3, 4]]], "in Commit: in Block: blocks does not have its 5"),
        (["Printed", "r", "e", "stdlog", "x"], "in Printed: stream is no OutputStream"),
        (["Printed", "r", "e", ["stdout"], "x"], "in Printed: stream is no OutputStream"),
    ],
)
def test_the_error_says_what_is_wrong(values: Any, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        CODER.decode(packed(values))


@pytest.mark.parametrize(
    "text", ["\ud800", "\udcff", "\udcc3\udca9", "é", "a\0b", "\U0001f600", ""]
)
def test_every_string_of_python_survives(text: str) -> None:
    for message in (Printed("r", "e", OutputStream.STDOUT, text), Hello(1, text, text, text, text)):
        assert CODER.decode(CODER.encode(message)) == message
    opening = OpenRun("r", 1, 1, "", "", "", {text: text}, 0, "", Secret.make())
    assert CODER.decode(CODER.encode(opening)) == opening


def test_strings_that_are_no_text_at_all_are_refused() -> None:
    with pytest.raises(ProtocolError, match="cannot be unpacked"):
        CODER.decode(b"\x92\xa4Beat\xa1\xff")


def test_a_whole_number_is_a_float_where_one_is_due() -> None:
    odd = CODER.decode(packed(["Odd", 7, [], [1, b""], [1, b""], None, False, []]))
    assert (odd.number, type(odd.number)) == (7.0, float)


def test_many_blocks_in_one_message() -> None:
    blocks = tuple(Block(n, n << 40, n, n, 2**32 - 1) for n in range(20_000))
    assert CODER.decode(CODER.encode(Commit("r", 1, blocks))).blocks == blocks


@pytest.mark.parametrize("header", [b"\xdd", b"\xdf"], ids=["arrays", "maps"])
def test_promises_of_many_items_take_no_memory(header: bytes) -> None:
    size = 1 << 20
    bomb = (header + size.to_bytes(4, "big")) * 500
    bomb += bytes(size - len(bomb))
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="cannot be unpacked"):
            CODER.decode(bomb)
        assert tracemalloc.get_traced_memory()[1] < 8 * size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("depth", [1000, 1_000_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(ProtocolError):
        CODER.decode(b"\x91" * depth + b"\xc0")


def test_no_frame_may_be_longer_than_the_longest() -> None:
    huge = bytes(MAX_FRAME_BYTES + 1)
    beat = Heartbeat("a", "h:1", "", "", 1, 1, 1, ())
    with pytest.raises(
        ProtocolError, match=f"has {MAX_FRAME_BYTES + 1} bytes, but may have 1048576"
    ):
        CODER.decode(huge)
    with pytest.raises(ProtocolError, match=r"Heartbeat has a payload of 1 bytes, .* have none"):
        CODER.frames(beat, b"x")
    with pytest.raises(ProtocolError, match="Hello has"):
        CODER.frames(Hello(1, "", "", "", "x" * CONTROL_BYTES))
    describe = Describe("r", "", "", Secret())
    with pytest.raises(
        ProtocolError, match=f"Describe has a payload of {MAX_FRAME_BYTES + 1} bytes"
    ):
        CODER.frames(describe, huge)
    assert len(CODER.frames(describe, memoryview(huge)[1:])) == 2


def test_a_message_is_one_frame_or_two() -> None:
    hello = Hello(1, "0", "3", "agent", "a")
    assert CODER.unframe([bytes(each) for each in CODER.frames(hello)]) == (hello, b"")
    assert CODER.unframe([bytes(each) for each in CODER.frames(hello, b"")]) == (hello, b"")
    describe = Describe("r", "", "", Secret())
    assert CODER.unframe([bytes(each) for each in CODER.frames(describe, b"x")]) == (describe, b"x")
    for count, shown in ((0, "0"), (3, "3"), (100, "more than 8")):
        with pytest.raises(ProtocolError, match=f"{shown} frames"):
            CODER.unframe([CODER.encode(hello)] * count)


def test_a_class_with_a_field_that_cannot_be_checked_is_refused() -> None:
    class Wrong(NamedTuple):
        thing: object

    with pytest.raises(TypeError, match="cannot have fields of type"):
        Coder({"Wrong": Wrong}).decode(packed(["Wrong", 7]))
