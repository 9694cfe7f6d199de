"""Pickling by value: classes and functions are sent as their definitions.

A class is written as an identity and a definition. The receiver uses its own class of the same
identity; a process without such a class makes one from the definition, once:

    rows         … class_of(identity, address, definition) …   the definition is a separate pickle
    definition   skeleton(identity, …), state                  of the class and of its references

A class that returns to the driver therefore *is* the driver's class, with unchanged attributes, and
all executors of a run share one class: rows are equal, keys match, enum members are identical.

The identity is the class's name and a digest of the definition, so it is the same in each process
that has run the same code: forks and re-launched scripts. If a process has several classes of one
identity, the address selects the right class in forks; elsewhere the newest is used.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any, NewType, TypeAlias

import cloudpickle

from glowpy.shards.class_digest import digest_of

Identity: TypeAlias = tuple[str, str, str]  # module, qualified name, digest

_lock = threading.RLock()  # held while a class is made, so that no thread sees an unfinished class
_identities: weakref.WeakKeyDictionary[type, Identity] = weakref.WeakKeyDictionary()
_classes: dict[Identity, list[weakref.ref[type]]] = {}  # of this process, in order of use
_definitions: weakref.WeakKeyDictionary[type, bytes] = weakref.WeakKeyDictionary()
# in the process of their definition
_addresses: weakref.WeakKeyDictionary[type, int] = weakref.WeakKeyDictionary()
_searches: Counter[Identity] = Counter()
_unfinished: weakref.WeakSet[type] = weakref.WeakSet()
_new_types: dict[tuple[str, str], Any] = {}
_arrived: set[Identity] = set()  # identities of definitions unpickled here
_everywhere: set[Identity] = set()
_MOST_SEARCHES = 100  # for one identity, because each search visits every class of the process


def dumps_by_value(value: Any, *, with_main: bool) -> bytes:
    """Return the pickle of a value, with a definition for each class.

    Args:
        with_main: the receiver has another `__main__` than this process.

    Raises:
        Exception: the value cannot be pickled.
    """
    return _dumped(_Pickler, value, with_main)


def dumps_whole(value: Any) -> bytes:
    """Return one pickle of a value and of all references of its functions and classes.

    Functions with common global variables still share them after unpickling. For processes without
    the script's definitions.

    Raises:
        Exception: the value cannot be pickled.
    """
    return _dumped(_WholePickler, value, True)


def forget_definitions() -> None:
    """Drop cached definitions, because classes may have changed since the last pickle."""
    _definitions.clear()


def all_classes_are_everywhere() -> None:
    """Stop sending definitions of classes received so far: each process of this run has them."""
    _everywhere.update(_arrived)


def show_in_main() -> None:
    """Add the classes of the shipped `__main__` to this `__main__`.

    The driver may have pickled rows by name before it shipped a flow.
    """
    main = sys.modules["__main__"]
    for module, name, _digest in _classes:
        if module == "__main__" and name.isidentifier() and not hasattr(main, name):
            setattr(main, name, _known_class((module, name, _digest), 0))


def _renew_lock() -> None:
    """Replace the lock in a fork, because a thread of the driver may have held it."""
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)


def _dumped(kind: type[_Pickler], value: Any, with_main: bool) -> bytes:
    with io.BytesIO() as file:
        kind(file, with_main).dump(value)
        return file.getvalue()


def _reduce_code(code: CodeType) -> tuple[Callable[..., CodeType], tuple[Any, ...]]:
    """Pickle code with the name of its file.

    cloudpickle drops the name since 3.1.3, so that equal code of two files gives equal bytes; a
    task's traceback could then not show the user's line.
    """
    make, arguments = cloudpickle.Pickler.dispatch_table[CodeType](code)
    return code_of_file, (code.co_filename, make, arguments)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    """Writes each class as `class_of` with a separate, cached definition."""

    dispatch_table = cloudpickle.Pickler.dispatch_table.new_child({CodeType: _reduce_code})

    def __init__(self, file: io.BytesIO, with_main: bool) -> None:
        super().__init__(file, protocol=5)
        self._with_main = with_main

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if issubclass(kind, type):
            return NotImplemented if self._is_in_main(value) else self._reduce_class(value)
        if kind is FunctionType:
            if self._is_in_main(value):
                return NotImplemented
            return super().reducer_override(value)
        if kind is NewType and self._with_main and value.__module__ == "__main__":
            name = value.__module__, value.__qualname__
            _new_types[name] = value
            return new_type, (*name, value.__supertype__)
        return NotImplemented

    def _reduce_class(self, kind: type) -> Any:
        definition = _definitions.get(kind)
        if definition is None:
            reduced = super().reducer_override(kind)
            if not _is_definition(reduced):
                return reduced
            definition = _definitions[kind] = _dumped(_WholePickler, kind, self._with_main)
        identity = identity_of(kind)
        sent = None if identity in _everywhere else definition
        return class_of, (identity, _address_of(kind), sent)

    def _is_in_main(self, value: Any) -> bool:
        """Return True if the receiver finds this class or function by its name in `__main__`."""
        if self._with_main or value.__module__ != "__main__":
            return False
        found: Any = sys.modules["__main__"]
        for name in value.__qualname__.split("."):
            found = getattr(found, name, None)
        return found is value


class _WholePickler(_Pickler):
    """Writes a class once, at its first use, with its references."""

    def _reduce_class(self, kind: type) -> Any:
        reduced = cloudpickle.Pickler.reducer_override(self, kind)
        if not _is_definition(reduced):
            return reduced
        make, arguments, state, _items, _pairs, set_state = reduced
        made = skeleton, (identity_of(kind), _address_of(kind), make, arguments)
        return (*made, (set_state, state), None, None, finish)


def _is_definition(reduced: Any) -> bool:
    """Return True if cloudpickle wrote a class by value, not by its name or as a builtin."""
    return type(reduced) is tuple and len(reduced) == 6


# --- called by pickles ---------------------------------------------------------------------------


def class_of(identity: Identity, address: int, definition: bytes | None) -> Any:
    """Return the class of an identity. Called by pickles.

    Args:
        address: of the class in the pickling process.
        definition: None if the program contains the class.
    """
    with _lock:
        found = _own_class(identity, address)
        if found is not None:
            return found
        if definition is None:
            raise pickle.UnpicklingError(f"class {identity[0]}.{identity[1]} is not known here")
        return pickle.loads(definition)


def skeleton(
    identity: Identity, address: int, make: Callable[..., type], arguments: tuple[Any, ...]
) -> type:
    """Return the class of an identity, or a new one for `finish` to complete."""
    with _lock:
        _arrived.add(identity)
        found = _own_class(identity, address)
        if found is None:
            found = make(*arguments)
            found.__qualname__ = identity[1]
            _register(found, identity)
            _unfinished.add(found)
        _addresses.setdefault(found, address)
        return found


def finish(kind: type, state: tuple[Callable[[type, Any], None], Any]) -> None:
    """Set the attributes of a new class; an existing class stays unchanged."""
    with _lock:
        if kind in _unfinished:
            set_state, attributes = state
            set_state(kind, attributes)
            _unfinished.discard(kind)


def new_type(module: str, name: str, supertype: Any) -> Any:
    """Return the `typing.NewType` of a name."""
    found = _new_types.get((module, name))
    if found is None:
        found = _new_types[module, name] = NewType(name.rpartition(".")[2], supertype)
        vars(found).update(__module__=module, __qualname__=name)
    return found


def code_of_file(name: str, make: Callable[..., CodeType], arguments: tuple[Any, ...]) -> CodeType:
    """Return the code made by `make`, with a file name."""
    return make(*arguments).replace(co_filename=name)


# --- classes of this process ---------------------------------------------------------------------


def identity_of(kind: type) -> Identity:
    """Return the identity of a class, the same in each process that has run the same code."""
    with _lock:
        identity = _identities.get(kind)
        if identity is None:
            identity = str(kind.__module__), kind.__qualname__, digest_of(kind)
            _register(kind, identity)
        return identity


def _register(kind: type, identity: Identity) -> None:
    _identities[kind] = identity
    known = _classes.setdefault(identity, [])
    # at growing intervals; a function may define a class for each row
    if not len(known) & (len(known) - 1):
        known[:] = [each for each in known if each() is not None]
    known.append(weakref.ref(kind))


def _address_of(kind: type) -> int:
    """Return a number that distinguishes classes of one identity in one process."""
    return _addresses.get(kind, id(kind))


def _own_class(identity: Identity, address: int) -> type | None:
    """Return the class of this process with an identity, or None."""
    found = _known_class(identity, address)
    if found is None or (id(found) != address and _searches[identity] < _MOST_SEARCHES):
        _searches[identity] += 1
        for kind in _classes_named(*identity[:2]):
            identity_of(kind)
        found = _known_class(identity, address)
    return found


def _known_class(identity: Identity, address: int) -> type | None:
    known = [each() for each in _classes.get(identity, ())]
    alive = [each for each in known if each is not None]
    meant = (each for each in alive if address in (id(each), _addresses.get(each)))
    return next(meant, alive[-1] if alive else None)


def _classes_named(module: str, name: str) -> Iterator[type]:
    """Yield every class of a name in this process; subclasses of one base in definition order."""
    pending: list[type] = [object]
    seen = set(map(id, pending))
    while pending:
        subclasses: list[type] = type.__subclasses__(pending.pop())
        for kind in subclasses:
            if id(kind) not in seen:
                seen.add(id(kind))
                pending.append(kind)
                if kind.__qualname__ == name and kind.__module__ == module:
                    yield kind
