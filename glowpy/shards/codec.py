"""A batch of rows as bytes, and back: equal rows of the same types.

    byte 0    format   b"m" marshal, b"p" pickle
    then      payload

marshal keeps only exact builtin types and turns buffers into bytes, so it is used only after a
check of the types in the whole batch. Including the check it is as fast as pickle, or up to a
quarter faster if strings do not repeat (`benchmarks/micro.py codec`). Other batches are pickled
(see `pickles`).
"""

from __future__ import annotations

import marshal
import pickle
from contextlib import suppress
from itertools import chain
from typing import Any

from glowpy.errors import RowError, ShardCorrupt, short_repr

_MARSHAL = b"m"
_PICKLE = b"p"
# Version 2 has no back references: faster, and every object is written in full.
_MARSHAL_VERSION = 2
_PLAIN = {str, int, float, bool, bytes, type(None)}
_PLAIN_AND_TUPLE = _PLAIN | {tuple}


class CheckedRows(list[Any]):
    """Rows placed by hashes that may differ between processes, for readers to verify.

    Written as a pickle, and read as this class again.
    """

    samples: tuple[tuple[Any, int], ...] = ()  # keys, and their hashes in the writing process


def encode(rows: list[Any]) -> bytes:
    """Return the bytes of a batch.

    Raises:
        RowError: a row cannot be pickled; the message shows the row.
    """
    if _are_plain(rows):
        with suppress(ValueError):  # a value of 2 GiB or more is too long for marshal
            return _MARSHAL + marshal.dumps(rows, _MARSHAL_VERSION)
    # not imported for plain rows, which keeps the start quick
    from glowpy.shards.pickles import dumps

    try:
        return _PICKLE + dumps(rows)
    except Exception as exc:
        raise _unpicklable(rows, exc) from exc


def _are_plain(rows: list[Any]) -> bool:
    types = set(map(type, rows))
    if type(rows) is not list:
        return False
    if types <= _PLAIN:
        return True
    if not types <= _PLAIN_AND_TUPLE:
        return False
    tuples = rows if types == {tuple} else [row for row in rows if row.__class__ is tuple]
    return set(map(type, chain.from_iterable(tuples))) <= _PLAIN


def decode(payload: bytes | bytearray | memoryview) -> list[Any]:
    """Return the rows of a batch.

    Raises:
        ShardCorrupt: the bytes are not a batch.
        RowError: a row's class cannot be found or made here.
    """
    view = memoryview(payload)
    kind = bytes(view[:1])
    rows: Any = None
    if kind == _MARSHAL:
        with suppress(EOFError, ValueError, TypeError):
            rows = marshal.loads(view[1:])
    elif kind == _PICKLE:
        try:
            rows = pickle.loads(view[1:])
        except Exception as exc:
            # Unpickling runs the rows' own code, which may raise anything.
            raise RowError(f"rows cannot be unpickled: {type(exc).__name__}: {exc}") from exc
    if type(rows) is not list and type(rows) is not CheckedRows:
        raise ShardCorrupt(f"a block of format {kind!r} is no batch of rows")
    return rows


def _unpicklable(rows: list[Any], error: Exception) -> RowError:
    """Return the error that shows the row which cannot be pickled."""
    from glowpy.shards.pickles import dumps

    for row in rows:
        try:
            dumps(row)
        except Exception as exc:  # noqa: BLE001  # a user's __reduce__ may raise any exception
            return RowError(f"row {short_repr(row)} cannot be pickled: {type(exc).__name__}: {exc}")
    return RowError(f"rows cannot be pickled: {type(error).__name__}: {error}")
