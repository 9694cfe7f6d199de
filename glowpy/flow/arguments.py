"""The arguments of a user's function, and checks that a call with them can succeed.

Glow passes a pair to a two-argument function as two arguments. In Python: a function with two or
more required positional parameters, or with a `*parameter`, gets a row's fields, any other gets the
row.

Parameters of plain functions are read from the code object; other callables need `inspect`, which
is slow to import.
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType
from typing import Any, TypeGuard

from glowpy.errors import DefinitionError, RowError, short_repr
from glowpy.flow.location import user_location
from glowpy.record import NamedTuple


def definition_error(text: str) -> DefinitionError:
    """Return a DefinitionError that names the user's line."""
    return DefinitionError(f"{user_location()}: {text}")


class _Parameters(NamedTuple):
    """The parameters of a function."""

    required: int  # positional arguments
    accepted: float
    keyword: str  # a required keyword argument
    takes_keywords: bool = False  # `**keywords`


ANY_FIELDS = -1
"""Field count of a function with a `*parameter`, which takes all fields of a row."""

_VARIADIC, _KEYWORDS, _GENERATOR = 0x04, 0x08, 0x20  # flags of code objects
_PLAIN = {int, float, bool, str, bytes, type(None)}
_ASYNC = 0x80 | 0x100 | 0x200
_MOST_SHARDS = 100_000


def whole_number(value: object) -> int | None:
    """Return the number as an `int`, numpy's integers included; None for a bool or other value.

    >>> whole_number(3), whole_number(3.0), whole_number(True)
    (3, None, None)
    """
    if type(value).__name__ in ("bool", "bool_"):  # numpy's bool has an index up to numpy 2.2
        return None
    try:
        return operators.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def check_shards(shards: int, operator: str) -> int:
    """Return the number of shards as an `int` of at least 1, or raise a DefinitionError."""
    number = whole_number(shards)
    if number is None:
        raise definition_error(f"{operator}() needs a whole number of shards, not {shards!r}")
    if number < 1:
        raise definition_error(f"{operator}() needs at least 1 shard, not {number}")
    if number > _MOST_SHARDS:
        raise definition_error(f"{operator}() makes at most {_MOST_SHARDS} shards, not {number}")
    return number


def field_count(function: Callable[..., Any], operator: str) -> int:
    """Return the number of fields passed to the function; 0 if the row itself is passed.

    The result is `ANY_FIELDS` for a function with a `*parameter`. Two kinds of function with a
    `*parameter` get the row: those with `**keywords` as well, the usual form of a wrapper, and
    builtins such as `print`.

    Raises:
        DefinitionError: `function` cannot take a row at all.
    """
    parameters = _parameters(function, operator)
    if parameters is None:
        return 0
    if parameters.accepted == 0:
        raise definition_error(
            f"{operator}() calls its function with a row, but {_name(function)} takes no argument"
        )
    if parameters.required >= 2:
        return parameters.required
    is_variadic = parameters.accepted == float("inf") and not parameters.takes_keywords
    return ANY_FIELDS if is_variadic and not _is_builtin(function) else 0


def call_with_fields(function: Callable[..., Any], field_count: int, row: Any) -> Any:
    """Call the function with the `field_count` fields of a row.

    Raises:
        RowError: the row is not a tuple or list of that length.
    """
    if field_count == ANY_FIELDS:
        return function(*row) if isinstance(row, (tuple, list)) else function(row)
    if not isinstance(row, (tuple, list)) or len(row) != field_count:
        raise RowError(
            f"{_name(function)} has {field_count} parameters and gets the fields of a tuple or "
            f"list of {field_count}, but the row is {short_repr(row)}"
        )
    return function(*row)


def fields_with_defaults(function: Callable[..., Any]) -> int:
    """Return the number of fields that a function could take if its parameters had no defaults.

    0 unless all defaults after the first parameter are written as numbers, text, bytes, None, True
    or False: `lambda row, c=c` and similar functions store a value on purpose.
    """
    if not _is_plain(function):
        return 0
    code = function.__code__
    names = code.co_varnames[1 : code.co_argcount]
    values = (function.__defaults__ or ())[-len(names) :] if names else ()
    if not names or not all(type(value) in _PLAIN for value in values):
        return 0
    from glowpy.flow.source_text import is_written_as_literal

    return code.co_argcount if all(is_written_as_literal(code, name) for name in names) else 0


def _is_builtin(function: Callable[..., Any]) -> bool:
    while hasattr(function, "func") and hasattr(function, "keywords"):  # a functools.partial
        function = function.func
    return isinstance(function, BuiltinFunctionType)


def check_key(function: Callable[..., Any], operator: str) -> None:
    """Check that the function accepts a row.

    Raises:
        DefinitionError: the function does not.
    """
    parameters = _parameters(function, operator)
    if parameters is not None and not parameters.required <= 1 <= parameters.accepted:
        raise definition_error(
            f"{operator}() calls its key function with a row, "
            f"but {_name(function)} takes {parameters.required or 'no'} arguments"
        )


def check_reducer(function: Callable[..., Any], operator: str) -> None:
    """Check that the function accepts two values.

    Raises:
        DefinitionError: the function does not.
    """
    parameters = _parameters(function, operator)
    if parameters is not None and not parameters.required <= 2 <= parameters.accepted:
        raise definition_error(
            f"{operator}() calls its function with two values, "
            f"but {_name(function)} takes {parameters.required}"
        )


def check_shard_function(function: Callable[..., Any], operator: str) -> bool:
    """Return True if the function takes the shard's number after the rows.

    Raises:
        DefinitionError: the function accepts neither rows, nor rows and a number.
    """
    parameters = _parameters(function, operator)
    if parameters is None:
        return False
    if parameters.accepted == 0 or parameters.required > 2:
        raise definition_error(
            f"{operator}() calls its function with an iterator of rows, and with the shard's "
            f"number if it has a second parameter, but {_name(function)} takes "
            f"{parameters.required or 'no'} arguments"
        )
    return parameters.required == 2


def check_row_count(number: int, operator: str) -> int:
    """Return the number of rows as an `int` of at least 0, or raise a DefinitionError."""
    count = whole_number(number)
    if count is None or count < 0:
        raise definition_error(f"{operator}() needs a whole number of rows, not {number!r}")
    return count


def check_no_generator(function: Callable[..., Any], operator: str) -> None:
    """Refuse generator functions, whose call returns a generator instead of a row or answer."""
    if _is_generator(function):
        raise definition_error(
            f"{operator}() takes what its function returns, but {_name(function)} is a generator "
            "function; use flat_map() for none, one or many rows"
        )


def check_not_async(function: Callable[..., Any], operator: str) -> None:
    """Refuse async functions, whose call returns an awaitable."""
    if _is_async(function):
        raise definition_error(
            f"{operator}() calls its function and takes its result, but {_name(function)} is async"
        )


def _is_generator(function: Callable[..., Any]) -> bool:
    if _is_plain(function):
        return bool(function.__code__.co_flags & _GENERATOR)
    from inspect import isgeneratorfunction

    return any(map(isgeneratorfunction, _called(function)))


def _is_async(function: Callable[..., Any]) -> bool:
    if _is_plain(function):
        return bool(function.__code__.co_flags & _ASYNC)
    from inspect import isasyncgenfunction, iscoroutinefunction

    return any(iscoroutinefunction(each) or isasyncgenfunction(each) for each in _called(function))


def _is_plain(function: Callable[..., Any]) -> TypeGuard[FunctionType]:
    """A def or a lambda without attributes, which decorators set."""
    return type(function) is FunctionType and not function.__dict__


def _called(function: Callable[..., Any]) -> tuple[Callable[..., Any], ...]:
    """Return the functions behind a call: the callable itself, and the `__call__` of its class."""
    return function, type(function).__call__


def _parameters(function: Callable[..., Any], operator: str) -> _Parameters | None:
    """Return the function's parameters; None if Python does not know them (`int`, `print`).

    Raises:
        DefinitionError: the value is not callable, or requires keyword arguments.
    """
    if not callable(function):
        raise definition_error(f"{operator}() needs a function, not {function!r}")
    found = _read(function) if _is_plain(function) else _inspected(function)
    if found is not None and found.keyword:
        raise definition_error(
            f"{operator}() passes arguments by position, but {_name(function)} "
            f"requires the keyword argument {found.keyword!r}"
        )
    return found


def _read(function: FunctionType) -> _Parameters:
    code = function.__code__
    count = code.co_argcount
    keywords = code.co_varnames[count : count + code.co_kwonlyargcount]
    given = function.__kwdefaults__ or {}
    return _Parameters(
        required=count - len(function.__defaults__ or ()),
        accepted=float("inf") if code.co_flags & _VARIADIC else count,
        keyword=next((each for each in keywords if each not in given), ""),
        takes_keywords=bool(code.co_flags & _KEYWORDS),
    )


def _inspected(function: Callable[..., Any]) -> _Parameters | None:
    from inspect import Parameter, signature

    try:
        parameters = signature(function).parameters.values()
    except (ValueError, TypeError):
        return None
    places = [
        each
        for each in parameters
        if each.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    ]
    required = [each for each in parameters if each.default is Parameter.empty]
    is_variadic = any(each.kind is Parameter.VAR_POSITIONAL for each in parameters)
    keywords = [each.name for each in required if each.kind is Parameter.KEYWORD_ONLY]
    return _Parameters(
        required=sum(each in required for each in places),
        accepted=float("inf") if is_variadic else len(places),
        keyword=keywords[0] if keywords else "",
        takes_keywords=any(each.kind is Parameter.VAR_KEYWORD for each in parameters),
    )


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
