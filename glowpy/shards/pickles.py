"""Pickles of the user's values: rows, exceptions, results.

The standard pickler writes a class as its name in a module. This fails for classes defined in a
function, and is useless elsewhere for classes of a `__main__` that no agent can start again (a
notebook, a REPL, `python -c`). Such values are pickled by value, see `by_value`. `pickle.loads`
reads both forms.
"""

from __future__ import annotations

import pickle
from typing import Any

_MAIN = b"__main__"  # the bytes in a pickle that refers to a class or function of this module
_main_is_shipped = False


def ship_main() -> None:
    """Pickle the classes and functions of `__main__` by value in this process from now on."""
    global _main_is_shipped
    _main_is_shipped = True


def dumps(value: Any) -> bytes:
    """Return the pickle of a value.

    Raises:
        Exception: the value cannot be pickled, or its `__reduce__` raises.
    """
    try:
        data = pickle.dumps(value, protocol=5)
    except Exception:  # noqa: BLE001  # a user's __reduce__ may raise any exception
        data = b""
    if data and not (_main_is_shipped and _MAIN in data):
        return data
    from glowpy.shards.by_value import dumps_by_value  # slow to load, and seldom needed

    return dumps_by_value(value, with_main=_main_is_shipped)
