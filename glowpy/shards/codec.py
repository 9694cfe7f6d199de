"""A batch of rows as bytes, and back: equal rows of the same types.

    byte 0    format   b"m" marshal, b"p" pickle
    then      payload

marshal keeps only exact builtin types and turns buffers into bytes; a look at the types of the
whole batch decides. With that look it is as fast as pickle, or up to a quarter faster where
strings do not repeat (`benchmarks/micro.py codec`). Pickle takes the rest; rows whose classes no
module can be asked for (defined in a notebook or in a function) go through cloudpickle, which
writes pickles as well.
"""

from __future__ import annotations

import marshal
import pickle
from contextlib import suppress
from itertools import chain
from typing import Any

from glowpy.errors import RowError, ShardCorrupt, shown

_MARSHAL = b"m"
_PICKLE = b"p"
# Version 2 has no back references: faster, and every object is written in full.
_MARSHAL_VERSION = 2
_PLAIN = {str, int, float, bool, bytes, type(None)}
_PLAIN_AND_TUPLE = _PLAIN | {tuple}


def encode(rows: list[Any]) -> bytes:
    """The bytes of a batch.

    Raises:
        RowError: a row cannot be pickled; shows it.
    """
    if _are_plain(rows):
        with suppress(ValueError):  # a value has 2 GiB or more: too long for marshal
            return _MARSHAL + marshal.dumps(rows, _MARSHAL_VERSION)
    try:
        return _PICKLE + pickle.dumps(rows, protocol=5)
    except Exception:  # noqa: BLE001
        # Any exception can come out of a user's __reduce__; cloudpickle knows more ways.
        return _PICKLE + _cloudpickle(rows)


def _are_plain(rows: list[Any]) -> bool:
    types = set(map(type, rows))
    if types <= _PLAIN:
        return True
    if not types <= _PLAIN_AND_TUPLE:
        return False
    tuples = rows if types == {tuple} else [row for row in rows if row.__class__ is tuple]
    return set(map(type, chain.from_iterable(tuples))) <= _PLAIN


def decode(payload: bytes | bytearray | memoryview) -> list[Any]:
    """The rows of a batch.

    Raises:
        ShardCorrupt: the bytes are no batch of ours.
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
            # Unpickling runs the rows' own code: whatever it raises is the rows' fault.
            raise RowError(f"rows cannot be unpickled: {type(exc).__name__}: {exc}") from exc
    if type(rows) is not list:
        raise ShardCorrupt(f"a block of format {kind!r} is no batch of rows")
    return rows


def _cloudpickle(rows: list[Any]) -> bytes:
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(rows, protocol=5)
        return data
    except Exception as exc:
        for row in rows:
            try:
                cloudpickle.dumps(row, protocol=5)
            except Exception as reason:
                raise RowError(
                    f"row {shown(row)} cannot be pickled: {type(reason).__name__}: {reason}"
                ) from reason
        raise RowError(f"rows cannot be pickled: {type(exc).__name__}: {exc}") from exc
