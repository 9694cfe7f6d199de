"""NamedTuple: the same as in `typing`, but defined in a seventh of the time (docs/adr/0004).

Every process defines a hundred named tuples at its start. `typing` compiles each annotation and
each constructor; here, classes with equally many fields share one compiled constructor under other
names.
"""

from __future__ import annotations

from collections import namedtuple
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:

    class _Defined(type):
        """Turns a `class X(NamedTuple):` into a plain subclass of tuple."""

        def __new__(meta, name: str, _bases: Any, namespace: dict[str, Any]) -> type:
            fields = tuple(namespace.get("__annotations__", ()))
            pattern = _pattern(len(fields))
            defaults = {field: namespace[field] for field in fields if field in namespace}
            for field, of_pattern in zip(fields, pattern._fields, strict=True):
                namespace[field] = pattern.__dict__[of_pattern]
            new = pattern.__new__
            code = new.__code__.replace(co_varnames=("_cls", *fields))
            made = FunctionType(code, new.__globals__, "__new__", tuple(defaults.values()))
            made.__qualname__ = f"{namespace['__qualname__']}.__new__"
            namespace.update(
                __new__=made,
                __slots__=(),
                __match_args__=fields,
                _fields=fields,
                _field_defaults=defaults,
            )
            return type(name, (_Record,), namespace)

    class _Record(tuple):
        """The common methods of all named tuples."""

        __slots__ = ()

        def __repr__(self) -> str:
            fields = zip(self._fields, self, strict=True)
            return f"{type(self).__name__}({', '.join([f'{n}={value!r}' for n, value in fields])})"

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **fields: Any) -> Any:
            return type(self)(**{**self._asdict(), **fields})

        @classmethod
        def _make(cls, values: Any) -> Any:
            return cls(*values)

    class _NamedTuple:
        """The object in the list of bases."""

        def __mro_entries__(self, _bases: Any) -> tuple[type, ...]:
            return (_DESCRIBED,)

    _DESCRIBED = type.__new__(_Defined, "NamedTuple", (), {})
    NamedTuple = _NamedTuple()
    _patterns: dict[int, Any] = {}

    def _pattern(field_count: int) -> Any:
        """Return the shared named tuple with `field_count` fields."""
        found = _patterns.get(field_count)
        if found is None:
            names = [f"field_{number}" for number in range(field_count)]
            found = _patterns[field_count] = namedtuple("pattern", names)
        return found
