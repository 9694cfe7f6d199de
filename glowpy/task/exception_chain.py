"""Packs an exception with its chain (causes, contexts, group members) into bytes, and unpacks it.

Python's pickle keeps the class, arguments and attributes of an exception, but drops its chain, and
fails for an exception whose `__init__` has parameters other than `args`. The exceptions of a chain
are therefore packed one by one:

    pickle of [(exception, cause, context, is_suppressed, members), …]

Cause, context and members are positions in this list. Each packed exception is unpacked as a check;
if the result differs, the list has empty bytes in place of the exception.
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
_MOST_BYTES = 1 << 20  # of a packed chain; some exceptions quote their whole input
# Time limit of packing, which runs the user's code (`__reduce__`, `__init__`). Not in `timing`,
# because the limit does not depend on the speed of a network.
_PATIENCE_S = 10.0
_GROUP: Any = getattr(builtins, "BaseExceptionGroup", ())  # since Python 3.11


class _Link(NamedTuple):
    """One exception, with the positions of its cause, context and members."""

    packed: bytes  # empty: cannot be pickled, or is too large
    cause: int | None
    context: int | None
    is_suppressed: bool  # `from None`
    members: tuple[int, ...] | None  # of an exception group; -1: not in the list


def pack(error: BaseException) -> bytes:
    """Return an exception and its chain as bytes; empty if packing fails or takes too long."""
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
    except Exception:  # noqa: BLE001  # the bytes may be anything; the failure also has a text
        return None
    rebuilt: dict[int, BaseException | None] = {}
    top = _exception_at(links, 0, rebuilt) if links else None
    for number, link in enumerate(links):
        error = rebuilt.get(number)
        if error is not None:
            error.__cause__ = _exception_at(links, link.cause, rebuilt)
            error.__context__ = _exception_at(links, link.context, rebuilt)
            error.__suppress_context__ = link.is_suppressed
    return top


def _pack(error: BaseException) -> bytes:
    found = _reachable(error)
    numbers = {id(each): number for number, each in enumerate(found)}
    links, left_bytes = [], _MOST_BYTES
    for each in found:
        data = _pickled(each)
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
    """Return the exceptions of a chain once each, breadth first from `error`."""
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


def _pickled(error: BaseException) -> bytes:
    """Return the pickled exception without its chain; empty if unpickling would change it."""
    try:
        if isinstance(error, _GROUP):
            return dumps((type(error), error.message, vars(error)))
        data = dumps(error)
        rebuilt = pickle.loads(data)
        if type(rebuilt) is type(error) and rebuilt.args == error.args:
            return data
    except BaseException:  # noqa: BLE001  # the user's code may raise anything, SystemExit too
        data = b""
    try:
        parts = _parts_of(error)
        data = dumps(parts)
        rebuilt = pickle.loads(data)
        return data if type(rebuilt) is _Parts and type(rebuilt.whole()) is type(error) else b""
    except BaseException:  # noqa: BLE001  # as above
        return b""


class _Parts(NamedTuple):
    """The parts of an exception whose class has an `__init__` with parameters other than `args`."""

    kind: type[BaseException]
    arguments: tuple[Any, ...]
    state: Any

    def whole(self) -> BaseException:
        """Rebuild the exception by the `__init__` of its built-in base class only."""
        base = _builtin_base(self.kind)
        rebuilt: BaseException = base.__new__(self.kind, *self.arguments)
        base.__init__(rebuilt, *self.arguments)
        if self.state is not None:
            rebuilt.__setstate__(self.state)
        return rebuilt


def _parts_of(error: BaseException) -> _Parts:
    """Return the parts of an exception. Raises: TypeError: its class defines its own pickling."""
    for name in ("__reduce_ex__", "__reduce__"):
        owner = next(each for each in type(error).__mro__ if name in vars(each))
        if owner.__module__ != "builtins":
            raise TypeError(f"{owner.__qualname__} has a {name} of its own")
    _kind, arguments, *state = _builtin_base(type(error)).__reduce__(error)
    return _Parts(type(error), arguments, state[0] if state else None)


def _builtin_base(kind: type[BaseException]) -> Any:
    return next(each for each in kind.__mro__ if each.__module__ == "builtins")


def _exception_at(
    links: Sequence[_Link], number: int | None, rebuilt: dict[int, BaseException | None]
) -> BaseException | None:
    """Return the exception at a position, rebuilt once; None if it cannot be rebuilt."""
    if number is None or not 0 <= number < len(links):
        return None
    if number not in rebuilt:
        rebuilt[number] = None  # ends the recursion for a group that contains itself
        try:
            rebuilt[number] = _rebuild(links, links[number], rebuilt)
        except BaseException:  # noqa: BLE001  # unpickling runs the user's code
            rebuilt[number] = None
    return rebuilt[number]


def _rebuild(
    links: Sequence[_Link], link: _Link, rebuilt: dict[int, BaseException | None]
) -> BaseException | None:
    if not link.packed:
        return None
    found = pickle.loads(link.packed)
    if link.members is not None:
        kind, message, attributes = found
        members = [_exception_at(links, each, rebuilt) for each in link.members]
        if None in members:
            return None
        group: BaseException = kind.__new__(kind, message, members)
        vars(group).update(attributes)
        return group
    if type(found) is _Parts:
        return found.whole()
    return found if isinstance(found, BaseException) else None
