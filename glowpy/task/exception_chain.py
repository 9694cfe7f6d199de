"""Exceptions as bytes, each with its causes, contexts and group members.

Python's pickle keeps the class, arguments and attributes of an exception, but drops its chain, and
fails for an exception whose `__init__` has parameters other than `args`. The exceptions of a chain
are therefore packed one by one:

    pickle of [(exception, cause, context, is_suppressed, members), …]   places in the list

Each is unpacked at once as a check. An exception with a different result is left out.
"""

from __future__ import annotations

import builtins
import pickle
import threading
from collections.abc import Sequence
from typing import Any

from glowpy.record import NamedTuple
from glowpy.shards.pickles import dumps

_MOST_EXCEPTIONS = 50
_MOST_BYTES = 1 << 20  # exceptions that quote their whole input exist
# Packing runs the user's code (`__reduce__`, `__init__`), which may wait for ever. Not in `timing`:
# the limit does not depend on the speed of a network.
_PATIENCE_S = 10.0
_GROUP: Any = getattr(builtins, "BaseExceptionGroup", ())  # since Python 3.11


class _Link(NamedTuple):
    """One exception, with the numbers of its cause, context and members."""

    packed: bytes  # empty: not picklable
    cause: int | None
    context: int | None
    is_suppressed: bool  # `from None`
    members: tuple[int, ...] | None  # of an exception group


def pack(error: BaseException) -> bytes:
    """Return an exception with its chain as bytes; empty if they could not be unpacked."""
    packed: list[bytes] = []
    # a daemon thread, because user code that never returns must not block the end of the process
    thread = threading.Thread(target=lambda: packed.append(_pack(error)), daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    return packed[0] if packed else b""


def unpack(data: bytes) -> BaseException | None:
    """Return the exception packed by `pack`; None if this process cannot rebuild it."""
    try:
        links = [_Link(*link) for link in pickle.loads(data)]
    except Exception:  # noqa: BLE001  # any bytes; the text of the failure says enough
        return None
    made: dict[int, BaseException | None] = {}
    top = _made(links, 0, made) if links else None
    for number, link in enumerate(links):
        error = made.get(number)
        if error is not None:
            error.__cause__ = _made(links, link.cause, made)
            error.__context__ = _made(links, link.context, made)
            error.__suppress_context__ = link.is_suppressed
    return top


def _pack(error: BaseException) -> bytes:
    found = _reachable(error)
    numbers = {id(each): number for number, each in enumerate(found)}
    links, left_bytes = [], _MOST_BYTES
    for each in found:
        data = _alone(each)
        if len(data) > left_bytes:
            data = b""
        left_bytes -= len(data)
        members = each.exceptions if isinstance(each, _GROUP) else None
        links.append(
            _Link(
                packed=data,
                cause=numbers.get(id(each.__cause__)),
                context=numbers.get(id(each.__context__)),
                is_suppressed=each.__suppress_context__,
                members=None
                if members is None
                else tuple(numbers.get(id(one), -1) for one in members),
            )
        )
    data = pickle.dumps([tuple(link) for link in links], protocol=5)
    return data if unpack(data) is not None else b""


def _reachable(error: BaseException) -> list[BaseException]:
    """Return the exceptions of a chain, nearest first, without repetitions."""
    found = {id(error): error}
    pending = [error]
    while pending:
        each = pending.pop(0)
        members: Sequence[BaseException] = each.exceptions if isinstance(each, _GROUP) else ()
        for other in (each.__cause__, each.__context__, *members):
            if other is not None and id(other) not in found and len(found) < _MOST_EXCEPTIONS:
                found[id(other)] = other
                pending.append(other)
    return list(found.values())


def _alone(error: BaseException) -> bytes:
    """Return the pickled exception without its chain; empty if unpickling would change it."""
    try:
        if isinstance(error, _GROUP):
            return dumps((type(error), error.message, vars(error)))
        data = dumps(error)
        made = pickle.loads(data)
        if type(made) is type(error) and made.args == error.args:
            return data
    except BaseException:  # noqa: BLE001  # the user's code may raise anything, SystemExit too
        data = b""
    try:
        parts = _parts_of(error)
        data = dumps(parts)
        made = pickle.loads(data)
        return data if type(made) is _Parts and type(made.whole()) is type(error) else b""
    except BaseException:  # noqa: BLE001  # as above
        return b""


class _Parts(NamedTuple):
    """The parts of an exception whose class has an `__init__` with parameters other than `args`."""

    kind: type[BaseException]
    arguments: tuple[Any, ...]
    state: Any

    def whole(self) -> BaseException:
        """Rebuild the exception; calls the `__init__` of the built-in base class, not its own."""
        base = _builtin_base(self.kind)
        made: BaseException = base.__new__(self.kind, *self.arguments)
        base.__init__(made, *self.arguments)
        if self.state is not None:
            made.__setstate__(self.state)
        return made


def _parts_of(error: BaseException) -> _Parts:
    """Raises: TypeError: the class defines its own pickling."""
    for name in ("__reduce_ex__", "__reduce__"):
        owner = next(each for each in type(error).__mro__ if name in vars(each))
        if owner.__module__ != "builtins":
            raise TypeError(f"{owner.__qualname__} has a {name} of its own")
    _kind, arguments, *state = _builtin_base(type(error)).__reduce__(error)
    return _Parts(type(error), arguments, state[0] if state else None)


def _builtin_base(kind: type[BaseException]) -> Any:
    return next(each for each in kind.__mro__ if each.__module__ == "builtins")


def _made(
    links: Sequence[_Link], number: int | None, made: dict[int, BaseException | None]
) -> BaseException | None:
    """Rebuild the exception at a position, once; None if it cannot be rebuilt."""
    if number is None or not 0 <= number < len(links):
        return None
    if number not in made:
        made[number] = None  # a group that contains itself cannot be made
        try:
            made[number] = _make(links, links[number], made)
        except BaseException:  # noqa: BLE001  # unpickling runs the user's code
            made[number] = None
    return made[number]


def _make(
    links: Sequence[_Link], link: _Link, made: dict[int, BaseException | None]
) -> BaseException | None:
    if not link.packed:
        return None
    found = pickle.loads(link.packed)
    if link.members is not None:
        kind, message, attributes = found
        members = [_made(links, each, made) for each in link.members]
        if None in members:
            return None
        group: BaseException = kind.__new__(kind, message, members)
        vars(group).update(attributes)
        return group
    if type(found) is _Parts:
        return found.whole()
    return found if isinstance(found, BaseException) else None
