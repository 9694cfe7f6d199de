"""How a user's function wants its arguments, and whether it can be called that way.

Glow passes a pair to a two-argument function as two arguments. In Python: a function with two or
more required positional parameters gets a row's fields, any other gets the row.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from glowpy.errors import DefinitionError
from glowpy.flow.location import user_location


def definition_error(text: str) -> DefinitionError:
    """A DefinitionError that points at the user's line."""
    return DefinitionError(f"{user_location()}: {text}")


def field_count(function: Callable[..., Any], operator: str) -> int:
    """Number of fields the function gets from each row; 0 when it gets the row itself.

    Raises:
        DefinitionError: `function` cannot take a row at all.
    """
    parameters = _parameters(function, operator)
    if parameters is None:
        return 0
    required, accepted = _positional(parameters, function, operator)
    if accepted == 0:
        raise definition_error(
            f"{operator}() calls its function with a row, but {_name(function)} takes no argument"
        )
    return required if required >= 2 else 0


def check_reducer(function: Callable[..., Any], operator: str) -> None:
    """Make sure that the function can be called with two values.

    Raises:
        DefinitionError: it cannot.
    """
    parameters = _parameters(function, operator)
    if parameters is None:
        return
    required, accepted = _positional(parameters, function, operator)
    if not required <= 2 <= accepted:
        raise definition_error(
            f"{operator}() calls its function with two values, "
            f"but {_name(function)} takes {required}"
        )


def check_map(function: Callable[..., Any]) -> None:
    """Refuse functions whose call gives no row but something still to be run."""
    if any(map(inspect.isgeneratorfunction, _called(function))):
        raise definition_error(
            f"map() gives one row for each, but {_name(function)} is a generator function; "
            "use flat_map() for none, one or many rows"
        )
    check_not_async(function, "map")


def check_not_async(function: Callable[..., Any], operator: str) -> None:
    called = _called(function)
    if any(map(inspect.iscoroutinefunction, called)) or any(
        map(inspect.isasyncgenfunction, called)
    ):
        raise definition_error(
            f"{operator}() calls its function and takes its result, but {_name(function)} is async"
        )


def _called(function: Callable[..., Any]) -> tuple[Callable[..., Any], ...]:
    """What may run when the function is called: itself, or the `__call__` of its class."""
    return function, type(function).__call__


def _parameters(function: Callable[..., Any], operator: str) -> list[inspect.Parameter] | None:
    """The function's parameters; None when Python does not know them (`int`, `print`)."""
    if not callable(function):
        raise definition_error(f"{operator}() needs a function, not {function!r}")
    try:
        return list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):
        return None


def _positional(
    parameters: list[inspect.Parameter], function: Callable[..., Any], operator: str
) -> tuple[int, float]:
    """How many positional arguments the function requires, and how many it accepts."""
    required, accepted = 0, 0.0
    for parameter in parameters:
        has_default = parameter.default is not parameter.empty
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            accepted += 1
            required += not has_default
        elif parameter.kind is parameter.VAR_POSITIONAL:
            accepted = float("inf")
        elif parameter.kind is parameter.KEYWORD_ONLY and not has_default:
            raise definition_error(
                f"{operator}() passes arguments by position, but {_name(function)} "
                f"requires the keyword argument {parameter.name!r}"
            )
    return required, accepted


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
