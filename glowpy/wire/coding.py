"""Messages as bytes, and back: a msgpack array of the message's name and its fields, in order.

Everything received is checked against the message's annotations before its use.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Annotated, Any, TypeAlias, get_args, get_origin

import msgpack

from glowpy.errors import ProtocolError
from glowpy.ranges import Characters, Within
from glowpy.secret import SECRET_BYTES, Secret
from glowpy.wire.frame_bounds import ALL_FRAMES, CONTROL_BYTES, FrameBounds
from glowpy.wire.unpacking import SURROGATES, name_in, unpack

MOST_PARTS = 8  # frames of one message kept until the message is dropped
_BUILTINS = {kind.__name__: kind for kind in (bool, bytes, float, int, str)}

Payload: TypeAlias = bytes | memoryview
Check = Callable[[Any, str], Any]  # (value, place) -> value, or ProtocolError
Pack = Callable[[Any], Any]


class Coder:
    """Encodes and decodes the messages of one table; compiles each class at its first use.

    On a socket, a message is one frame, or two: the message, and an opaque payload.

    Args:
        bounds: of the accepted frames.
    """

    def __init__(self, classes: Mapping[str, type], bounds: FrameBounds = ALL_FRAMES) -> None:
        self._classes = classes
        self._bounds = bounds
        self._checks: dict[str, Check] = {}
        self._packs: dict[type, Pack] = {}

    def frames(self, message: Any, payload: Payload | None = None) -> list[Payload]:
        """Return the frames of a message and its payload.

        Raises:
            ProtocolError: a frame exceeds every peer's bounds.
        """
        data = self.encode(message)
        name = type(message).__name__
        if len(data) > CONTROL_BYTES:
            _check_size(name, "", len(data), ALL_FRAMES.of_message(name))
        if payload is None:
            return [data]
        _check_size(name, "a payload of ", len(payload), ALL_FRAMES.of_payload(name))
        return [data, payload]

    def unframe(self, frames: Sequence[bytes]) -> tuple[Any, bytes]:
        """Return the message and the payload of received frames. Raises: ProtocolError."""
        if len(frames) == 1:
            return self.decode(frames[0]), b""
        if len(frames) != 2:
            count = f"more than {MOST_PARTS}" if len(frames) > MOST_PARTS else len(frames)
            raise ProtocolError(f"a message has {count} frames")
        message, payload = self.decode(frames[0]), frames[1]
        if payload:
            name = type(message).__name__
            _check_size(name, "a payload of ", len(payload), self._bounds.of_payload(name))
        return message, payload

    def encode(self, message: Any) -> bytes:
        """Return the bytes of a message."""
        kind = type(message)
        pack = self._packs.get(kind)
        if pack is None:
            pack = self._packs[kind] = _packer(kind)
        data: bytes = msgpack.packb(
            [kind.__name__, *pack(message)], use_bin_type=True, unicode_errors=SURROGATES
        )
        return data

    def decode(self, data: bytes | memoryview) -> Any:
        """Return the message encoded by bytes from the network.

        Raises:
            ProtocolError: the bytes are no known message; the text says where they deviate.
        """
        if len(data) > CONTROL_BYTES:
            name = name_in(data)
            _check_size(name, "", len(data), self._bounds.of_message(name))
        try:
            values = unpack(data)
        except ProtocolError:
            raise
        except Exception as exc:
            raise ProtocolError(f"a message cannot be unpacked: {type(exc).__name__}") from exc
        if type(values) is not tuple or not values or type(values[0]) is not str:
            raise ProtocolError("a message is not an array that begins with its name")
        name = values[0]
        check = self._checks.get(name)
        if check is None:
            kind = self._classes.get(name)
            if kind is None:
                raise ProtocolError(f"unknown message {name[:64]!r}")
            check = self._checks[name] = _checker(kind)
        return check(values[1:], name)


def _check_size(name: str, what: str, size_bytes: int, most_bytes: int) -> None:
    if size_bytes > most_bytes:
        raise ProtocolError(
            f"{name} has {what}{size_bytes} bytes, but may have {most_bytes or 'none'}"
        )


def _packer(kind: Any) -> Pack:
    """Return the function that converts a value of this type for msgpack."""
    if _is_record(kind):
        return _tuple_packer([_packer(each) for each in _field_types(kind).values()])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return lambda value: value.value
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        pack = _packer(arguments[0])
        return _as_is if pack is _as_is else lambda value: [pack(each) for each in value]
    if origin is tuple:
        return _tuple_packer([_packer(each) for each in arguments])
    if origin is Annotated:
        return _packer(arguments[0])
    if origin in (typing.Union, types.UnionType):
        pack = _packer(_optional(kind))
        return lambda value: None if value is None else pack(value)
    return _as_is


def _tuple_packer(packs: list[Pack]) -> Pack:
    if all(pack is _as_is for pack in packs):
        return _as_is
    return lambda value: [pack(each) for pack, each in zip(packs, value, strict=True)]


def _as_is(value: Any) -> Any:
    return value


def _is_record(kind: Any) -> bool:
    """Return True for named tuples."""
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def _field_types(record: Any) -> dict[str, Any]:
    """Return `typing.get_type_hints` in a fifth of the time, with resolved annotations cached."""
    return {
        name: _type_of(hint, record.__module__) if isinstance(hint, str) else hint
        for name, hint in record.__annotations__.items()
    }


@cache
def _type_of(hint: str, module: str) -> Any:
    scope = vars(sys.modules[module])
    return scope.get(hint) or _BUILTINS.get(hint) or eval(hint, scope)


def _checker(kind: Any) -> Check:
    """Return the function that validates a value from msgpack and converts it to this type."""
    if _is_record(kind):
        return _record_checker(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum_checker(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _tuple_checker(arguments)
    if origin is dict:
        return _dict_checker
    if origin in (typing.Union, types.UnionType):
        check = _checker(_optional(kind))
        return lambda value, place: None if value is None else check(value, place)
    if origin is Annotated:
        return _range_checker(*arguments)
    if kind is float:
        return _float_checker
    if kind is Secret:
        return _secret_checker
    return _scalar_checker(kind)


def _optional(kind: Any) -> Any:
    (only,) = (each for each in get_args(kind) if each is not type(None))
    return only


def _record_checker(kind: Any) -> Check:
    fields = [(name, _checker(each)) for name, each in _field_types(kind).items()]

    def check(value: Any, place: str) -> Any:
        if type(value) is not tuple or len(value) != len(fields):
            raise ProtocolError(f"{place} does not have its {len(fields)} fields")
        return kind(
            *[
                check_field(each, name)
                for (name, check_field), each in zip(fields, value, strict=True)
            ]
        )

    def check_and_name(value: Any, place: str) -> Any:
        try:
            return check(value, place)
        except ProtocolError as exc:
            raise ProtocolError(f"in {kind.__name__}: {exc}") from None

    return check_and_name


def _enum_checker(kind: type[Enum]) -> Check:
    members: dict[Any, Enum] = {member.value: member for member in kind}

    def check(value: Any, place: str) -> Any:
        if not isinstance(value, (str, int)) or value not in members:
            raise ProtocolError(f"{place} is no {kind.__name__}")
        return members[value]

    return check


def _tuple_checker(arguments: tuple[Any, ...]) -> Check:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        check_each = _checker(arguments[0])

        def check_all(value: Any, place: str) -> Any:
            if type(value) is not tuple:  # msgpack's ExtType is a tuple, too
                raise ProtocolError(f"{place} is not an array")
            return tuple([check_each(each, place) for each in value])

        return check_all
    checks = [_checker(each) for each in arguments]

    def check(value: Any, place: str) -> Any:
        if type(value) is not tuple or len(value) != len(checks):
            raise ProtocolError(f"{place} is not an array of {len(checks)}")
        return tuple([one(each, place) for one, each in zip(checks, value, strict=True)])

    return check


def _dict_checker(value: Any, place: str) -> Any:
    if not isinstance(value, dict) or not all(
        isinstance(key, str) and isinstance(each, str) for key, each in value.items()
    ):
        raise ProtocolError(f"{place} is not a map of strings")
    return value


def _float_checker(value: Any, place: str) -> Any:
    if type(value) not in (float, int):
        raise ProtocolError(f"{place} is not a number")
    return float(value)


def _secret_checker(value: Any, place: str) -> Any:
    if type(value) is not bytes or len(value) not in (0, SECRET_BYTES):
        raise ProtocolError(f"{place} is no secret of {SECRET_BYTES} bytes")
    return Secret(value)


def _range_checker(kind: type, bounds: Within | Characters) -> Check:
    """Check the type of a value, then its range (`glowpy.ranges`)."""
    check_type = _checker(kind)
    if isinstance(bounds, Characters):
        most = bounds.most

        def check_text(value: Any, place: str) -> Any:
            text = check_type(value, place)
            if len(text) > most or not text.isprintable():
                raise ProtocolError(f"{place} is too long, or has characters that no name may have")
            return text

        return check_text
    least, largest = bounds

    def check_number(value: Any, place: str) -> Any:
        number = check_type(value, place)
        if not least <= number <= largest:  # rejects NaN, too
            raise ProtocolError(f"{place} is not between {least:g} and {largest:g}")
        return number

    return check_number


def _scalar_checker(kind: type) -> Check:
    if kind not in (int, str, bytes, bool):
        raise TypeError(f"messages cannot have fields of type {kind!r}")

    def check(value: Any, place: str) -> Any:
        if type(value) is not kind:  # a bool is not accepted as an int
            raise ProtocolError(f"{place} is not of type {kind.__name__}")
        return value

    return check
