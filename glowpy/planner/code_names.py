"""The names loaded by a function's code, and a digest of the code.

Read directly from the bytecode: `dis` is slow to import, and a driver needs the names at every
start.
"""

from __future__ import annotations

from collections.abc import Iterator
from opcode import EXTENDED_ARG, opmap, opname
from types import CodeType

from glowpy.record import NamedTuple

# The argument of some instructions holds flags below the number of the name: since Python 3.11 for
# LOAD_GLOBAL, since Python 3.12 for LOAD_ATTR, which replaced LOAD_METHOD.
HAS_PACKED_METHODS = "LOAD_SUPER_ATTR" in opmap
HAS_PACKED_GLOBALS = "CACHE" in opmap
_GLOBALS = {
    opmap[name]: shift
    for name, shift in (
        ("LOAD_GLOBAL", int(HAS_PACKED_GLOBALS)),
        ("LOAD_NAME", 0),
        ("LOAD_FROM_DICT_OR_GLOBALS", 0),
    )
    if name in opmap
}
_ATTRIBUTES = {
    opmap[name]: shift
    for name, shift in (
        ("LOAD_ATTR", int(HAS_PACKED_METHODS)),
        ("LOAD_METHOD", 0),
        ("LOAD_SUPER_ATTR", 2),
    )
    if name in opmap
}


class CodeNames(NamedTuple):
    """Names loaded by a code object, including its inner functions and classes.

    A global is a path: `("settings", "limit")` for `settings.limit`.
    """

    global_paths: tuple[tuple[str, ...], ...]
    attributes: frozenset[str]


def names_in(code: CodeType) -> CodeNames:
    """Return the names loaded by a function's code.

    >>> def area(shape):
    ...     return shape.width * math.pi
    >>> names_in(area.__code__).global_paths, sorted(names_in(area.__code__).attributes)
    ((('math', 'pi'),), ['pi', 'width'])
    """
    paths: set[tuple[str, ...]] = set()
    attributes: set[str] = set()
    for each in _with_inner(code):
        _collect(each, paths, attributes)
    return CodeNames(tuple(sorted(paths)), frozenset(attributes))


def stored_on(code: CodeType, line: int) -> set[str]:
    """Return the variables and attributes assigned by a line of the code.

    >>> def ratio(a, b):
    ...     c = a / b
    ...     return c
    >>> stored_on(ratio.__code__, ratio.__code__.co_firstlineno + 1)
    {'c'}
    """
    spans = [(start, end) for start, end, number in code.co_lines() if number == line]
    found = set()
    for offset, operation, argument in instructions(code):
        kind = opname[operation]
        if not kind.startswith("STORE_") or not any(start <= offset < end for start, end in spans):
            continue
        if kind in ("STORE_NAME", "STORE_GLOBAL", "STORE_ATTR"):
            found.add(code.co_names[argument])
        elif kind == "STORE_DEREF":
            found.add(cell_name(code, argument))
        elif kind.startswith("STORE_FAST"):
            found.add(code.co_varnames[argument & 15 if kind.count("FAST") > 1 else argument])
    return found


def stores_in(code: CodeType) -> set[str]:
    """Return the attributes assigned by a function's own code."""
    found = set()
    for _offset, operation, argument in instructions(code):
        if opname[operation] == "STORE_ATTR":
            found.add(code.co_names[argument])
    return found


def digest_of(code: CodeType) -> str:
    """Return a digest of the code's behaviour, independent of its file and lines."""
    from hashlib import blake2b  # slow to load, and not needed for names

    digest = blake2b(digest_size=12)
    for each in _with_inner(code):
        constants = [_constant(value) for value in each.co_consts]
        shape = (each.co_argcount, each.co_posonlyargcount, each.co_kwonlyargcount, each.co_flags)
        variables = (each.co_varnames, each.co_freevars, each.co_cellvars)
        digest.update(repr((each.co_code, each.co_names, variables, shape, constants)).encode())
    return digest.hexdigest()


def _collect(code: CodeType, paths: set[tuple[str, ...]], attributes: set[str]) -> None:
    names = code.co_names
    path: tuple[str, ...] = ()  # of the global loaded by the last instruction
    for _offset, operation, number in instructions(code):
        if operation in _GLOBALS:
            paths.add(path)
            path = (names[number >> _GLOBALS[operation]],)
        elif operation in _ATTRIBUTES:
            name = names[number >> _ATTRIBUTES[operation]]
            attributes.add(name)
            if path:
                path = (*path, name)
        else:
            paths.add(path)
            path = ()
    paths.add(path)
    paths.discard(())


def instructions(code: CodeType) -> Iterator[tuple[int, int, int]]:
    """Yield offset, operation and argument of each instruction."""
    high = 0
    pairs = iter(code.co_code)
    for place, (operation, argument) in enumerate(zip(pairs, pairs, strict=True)):
        if operation == EXTENDED_ARG:
            high = high << 8 | argument
        elif operation:  # 0: inline cache of the interpreter
            yield 2 * place, operation, high << 8 | argument
            high = 0


def cell_name(code: CodeType, number: int) -> str:
    """Return the variable named by an instruction for cells."""
    of_argument = getattr(code, "_varname_from_oparg", None)
    if of_argument is not None:
        return str(of_argument(number))
    return (code.co_cellvars + code.co_freevars)[number]  # Python 3.10


def _with_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_inner(constant)


def _constant(value: object) -> str:
    if isinstance(value, CodeType):
        return "code"  # digested separately
    if isinstance(value, tuple):
        return f"({','.join(map(_constant, value))})"
    if isinstance(value, frozenset):
        return f"{{{','.join(sorted(map(_constant, value)))}}}"
    return repr(value)
