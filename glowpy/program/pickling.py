"""A flow as bytes, functions and classes of the script included."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import CodeType
from typing import Any


def pickled(value: Any) -> bytes:
    """What `pickle.loads` makes `value` of again, in a process that has not run the script.

    Code keeps the name of its file. Since 3.1.3 cloudpickle drops it, so that equal code gives
    equal bytes wherever it stands; but then no traceback of a task could show the user's line.

    Raises:
        Exception: whatever cloudpickle, or a `__reduce__` of the user's, raises.
    """
    import cloudpickle  # slow to load; a script that agents start again does without

    reducers = cloudpickle.Pickler.dispatch_table

    def reduce_code(code: CodeType) -> tuple[Callable[..., CodeType], tuple[Any, ...]]:
        make, arguments = reducers[CodeType](code)
        return _code_of_file, (code.co_filename, make, arguments)

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
        dispatch_table = reducers.new_child({CodeType: reduce_code})

    with io.BytesIO() as file:
        Pickler(file).dump(value)
        return file.getvalue()


def _code_of_file(name: str, make: Callable[..., CodeType], arguments: tuple[Any, ...]) -> CodeType:
    return make(*arguments).replace(co_filename=name)
