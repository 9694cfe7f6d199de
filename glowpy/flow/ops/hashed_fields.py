"""Fields that hash an object, where the `__hash__` is known to read fields and nothing else.

Such are the methods that dataclasses, attrs, pydantic and msgspec write, and those of this form:

    def __hash__(self):
        return hash((type(self), self.name, self.number))

The builtin hash of such an object depends on its process: on the salt of texts, on the address of
its class, and before Python 3.12 on the address of None. The values of its fields do not. Libraries
are not imported here: an object of a class shows that its library is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from operator import attrgetter
from types import CodeType
from typing import Any

from glowpy.flow.ops.kernel import Row

Getter = Callable[[Row], Row]

_CLASS_OF_SELF = {"type", "__class__"}


def field_getters(kind: type) -> list[Getter] | None:
    """Readers of the fields that hash objects of a class; None if unknown."""
    own: Any = kind.__hash__
    code = getattr(own, "__code__", None)
    if code is None:
        msgspec = sys.modules.get("msgspec")
        is_struct = msgspec is not None and own is msgspec.Struct.__hash__
        return [attrgetter(name) for name in kind.__struct_fields__] if is_struct else None  # type: ignore[attr-defined]
    # The class that defines the method: a subclass may have fields that it does not read.
    owner: Any = next((each for each in kind.__mro__ if each.__dict__.get("__hash__") is own), kind)
    module, name = own.__module__, own.__qualname__
    if code.co_filename.startswith("<attrs generated"):
        return list(_getters_of_attrs(owner))
    if module == "pydantic._internal._model_construction" and name.startswith("make_hash_func."):
        return [_getter_in_dict(each) for each in _pydantic_fields(owner)]
    if module in ("pydantic.main", "pydantic.v1.main") and name.startswith("generate_hash_"):
        return [_getter_in_dict(each) for each in owner.__fields__]
    if "hash" in own.__globals__:
        return None
    names = _attributes_read(code)
    if names is None:
        return None
    return [attrgetter(each) for each in names if each not in _CLASS_OF_SELF]


def _attributes_read(code: CodeType) -> list[str] | None:
    """Names in `return hash((self.a, self.b))` if that is all the code does; `type` for type(self).

    Found by comparison with the code that Python makes of this form.
    """
    if code.co_names[:1] != ("hash",) or len(code.co_varnames) != 1 or len(code.co_names) < 2:
        return None
    (me,), names = code.co_varnames, list(code.co_names[1:])
    parts = [f"type({me})" if each == "type" else f"{me}.{each}" for each in names]
    for form in [f"hash(({', '.join(parts)},))", f"hash({parts[0]})"]:
        namespace: dict[str, Any] = {}
        exec(f"def method({me}): return {form}", namespace)
        made = namespace["method"].__code__
        if (made.co_code, made.co_names) == (code.co_code, code.co_names):
            return names
    return None


def _getters_of_attrs(owner: Any) -> Iterator[Getter]:
    for each in owner.__attrs_attrs__:
        if each.hash is True or (each.hash is None and each.eq is True):
            get = attrgetter(each.name)
            yield get if each.eq_key is None else _through(each.eq_key, get)


def _through(function: Getter, get: Getter) -> Getter:
    return lambda key: function(get(key))


def _pydantic_fields(owner: Any) -> Any:
    fields = owner.__dict__.get("__pydantic_fields__")
    return owner.model_fields if fields is None else fields


def _getter_in_dict(name: str) -> Getter:
    return lambda key: key.__dict__[name]
