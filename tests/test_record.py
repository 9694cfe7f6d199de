"""glowpy.record.NamedTuple behaves like typing.NamedTuple."""

from __future__ import annotations

import copy
import pickle
import typing
from enum import Enum
from typing import Any

import pytest

from glowpy.record import NamedTuple


class Colour(Enum):
    RED = "red"


class Theirs(typing.NamedTuple):
    """A point."""

    x: int
    y: tuple[Colour, ...]
    name: str = "none"

    @property
    def double(self) -> int:
        return 2 * self.x

    def moved(self, by: int) -> Any:
        return self._replace(x=self.x + by)


class Ours(NamedTuple):
    """A point."""

    x: int
    y: tuple[Colour, ...]
    name: str = "none"

    @property
    def double(self) -> int:
        return 2 * self.x

    def moved(self, by: int) -> Any:
        return self._replace(x=self.x + by)


class Nothing(NamedTuple):
    """A record without fields."""


class Same(NamedTuple):
    """A record that is equal only to itself."""

    x: int

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


USES = {
    "by position": lambda kind: tuple(kind(1, ())),
    "by name": lambda kind: tuple(kind(name="n", y=(), x=1)),
    "fields": lambda kind: [kind(1, (), "n").x, kind(1, ()).y, kind(1, ()).name],
    "text": lambda kind: repr(kind(1, (Colour.RED,), "n")).removeprefix(kind.__name__),
    "equal": lambda kind: (kind(1, ()) == (1, (), "none"), kind(1, ()) < (2,), hash(kind(1, ()))),
    "unpacked": lambda kind: [*kind(1, ())][1:],
    "replaced": lambda kind: tuple(kind(1, ()).moved(4)),
    "kept": lambda kind: type(kind(1, ()).moved(4)) is kind,
    "as dict": lambda kind: kind(1, ())._asdict(),
    "made": lambda kind: tuple(kind._make([1, 2, 3])),
    "property": lambda kind: kind(3, ()).double,
    "known": lambda kind: (kind._fields, kind._field_defaults, kind.__match_args__, kind.__doc__),
    "hints": typing.get_type_hints,
    "named": lambda kind: kind.__module__,
    "is a tuple": lambda kind: isinstance(kind(1, ()), tuple),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_a_use_gives_the_same(use: Any) -> None:
    assert use(Ours) == use(Theirs)


MISUSES = {
    "one is missing": lambda kind: kind(1),
    "one too many": lambda kind: kind(1, 2, 3, 4),
    "unknown": lambda kind: kind(1, 2, z=3),
    "twice": lambda kind: kind(1, 2, x=3),
    "set": lambda kind: setattr(kind(1, 2), "x", 3),
    "set, another": lambda kind: setattr(kind(1, 2), "z", 3),
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES.keys())
def test_a_misuse_raises_the_same(misuse: Any) -> None:
    said = []
    for kind in (Ours, Theirs):
        with pytest.raises((TypeError, AttributeError)) as raised:
            misuse(kind)
        said.append((raised.type, str(raised.value).replace(kind.__name__, "")))
    assert said[0] == said[1]


def test_replacing_an_unknown_field_is_an_error() -> None:
    with pytest.raises(TypeError, match="'z'"):
        Ours(1, ())._replace(z=3)  # type: ignore[call-arg]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled(protocol: int) -> None:
    loaded = pickle.loads(pickle.dumps(Ours(1, (Colour.RED,)), protocol))
    assert type(loaded) is Ours
    assert loaded == Ours(1, (Colour.RED,))


def test_copied() -> None:
    value = Ours(1, (Colour.RED,))
    assert type(copy.copy(value)) is type(copy.deepcopy(value)) is Ours
    assert copy.deepcopy(value) == value


def test_matched() -> None:
    match Ours(1, (), "n"):
        case Ours(1, (), name):
            assert name == "n"
        case _:
            pytest.fail("not matched")


def test_without_fields() -> None:
    assert (repr(Nothing()), Nothing(), len(Nothing())) == ("Nothing()", (), 0)


def test_a_record_may_define_its_own_equality() -> None:
    one = Same(1)
    assert one == one
    assert not one == Same(1)  # noqa: SIM201  # `!=` is still that of tuples
    assert len({one, Same(1), one}) == 2


def test_no_instance_has_a_dict() -> None:
    assert not hasattr(Ours(1, ()), "__dict__")
