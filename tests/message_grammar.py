"""Random messages by the grammar of their annotations: valid, extreme and invalid messages."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from enum import Enum
from random import Random
from typing import Annotated, Any

import msgpack

from glowpy.ranges import Characters, Within
from glowpy.secret import Secret

LIKELY = "r1"  # most names, so that a run, an executor and a lease often have the same name
WORDS = ["r1", "r2", "a1", "a2", "l1", "127.0.0.1:8931", "", "x" * 400, "../x", "é", "@r1", "c"]
BAD_WORDS = ["x" * 401, "\ud800", "a\0b", "a\nb", "x" * 70_000]
WHOLE = [0, 1, 2, 3, 7, 100]
BAD_NUMBERS = [-1, -(2**63), 2**31, 2**32, 2**63, 2**64 - 1]
BAD_FLOATS = [float("nan"), float("inf"), float("-inf"), 1e308, -1e308, -0.5, 5e-324]
FOREIGN: list[Any] = [None, True, 7, 7.5, "seven", b"seven", [], {}, [[]], {"x": 7}, [None] * 3]
SECRETS = [Secret(letter * 16) for letter in (b"s", b"t")]
SOMETIMES = 0.02  # the fraction of values that break a rule


class Grammar:
    """Makes messages of one table.

    Args:
        broken: the fraction of values that break the type or the range of their field.
    """

    def __init__(
        self, random: Random, table: Mapping[str, type], broken: float = SOMETIMES
    ) -> None:
        self._random = random
        self._kinds = list(table.values())
        self._broken = broken

    def encoded(self) -> bytes:
        """Return one encoded message, sometimes an invalid message."""
        kind = self._random.choice(self._kinds)
        fields = [kind.__name__, *self._fields(kind)]
        data: bytes = msgpack.packb(fields, use_bin_type=True, unicode_errors="surrogatepass")
        if self._happens():
            cut = self._random.randrange(len(data) + 1)
            return data[:cut] + self._random.randbytes(self._random.randrange(4))
        return data

    def payload(self) -> bytes:
        """The payload of a message."""
        return self._random.choice([b"", b"x", self._random.randbytes(64)])

    def _happens(self) -> bool:
        return self._random.random() < self._broken

    def _fields(self, kind: Any) -> list[Any]:
        hints = typing.get_type_hints(kind, include_extras=True)
        fields = [self._value(hint) for hint in hints.values()]
        if self._happens():
            fields = self._random.choice([fields[:-1], [*fields, 7]])
        return fields

    def _value(self, kind: Any) -> Any:
        random = self._random
        if self._happens():
            return random.choice(FOREIGN)
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is Annotated:
            return self._ranged(arguments[0], arguments[1])
        if hasattr(kind, "_fields"):
            return self._fields(kind)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return random.choice(list(kind)).value
        if origin is tuple and arguments[-1:] == (Ellipsis,):
            return [self._value(arguments[0]) for _ in range(random.choice([0, 1, 1, 2, 5]))]
        if origin is tuple:
            return [self._value(each) for each in arguments]
        if origin is dict:
            return {random.choice(WORDS): random.choice(WORDS) for _ in range(random.randrange(3))}
        if origin in (types.UnionType, typing.Union):
            (only,) = (each for each in arguments if each is not types.NoneType)
            return None if random.random() < 0.5 else self._value(only)
        if kind is bool:
            return random.random() < 0.5
        if kind is bytes:
            return random.choice([b"", b"x" * 16, random.randbytes(8)])
        if kind is Secret:
            return random.choice([SECRETS[0]] * 6 + [SECRETS[1], b""])
        if kind is str:
            return random.choice(WORDS + BAD_WORDS)
        return random.choice(WHOLE)

    def _ranged(self, kind: type, bounds: Within | Characters) -> Any:
        random = self._random
        if isinstance(bounds, Characters):
            if self._happens():
                return random.choice(BAD_WORDS)
            return LIKELY if random.random() < 0.6 else random.choice(WORDS)
        if self._happens():
            return random.choice(BAD_NUMBERS + BAD_FLOATS if kind is float else BAD_NUMBERS)
        edges = [kind(bounds.least), kind(bounds.most)]
        return random.choice([*map(kind, WHOLE), *map(kind, WHOLE), *edges])
