"""A flow as bytes, including functions and classes of the script."""

from __future__ import annotations

import pickle
from typing import Any

from glowpy.shards.pickles import ship_main


def pickled(value: Any) -> bytes:
    """Return a pickle of `value` for a process that has not run the script.

    From now on, this process also pickles rows with classes of `__main__` by value.

    Raises:
        Exception: the value cannot be pickled, or its `__reduce__` raises.
    """
    # slow to import, and not needed by re-launched scripts
    from glowpy.shards.by_value import dumps_whole, forget_definitions

    ship_main()
    forget_definitions()
    return dumps_whole(value)


def unpickled(data: bytes) -> Any:
    """Return the value of `pickled`, in a process that has not run the script.

    Raises:
        Exception: a module is missing here, or a class's own code raises.
    """
    from glowpy.shards.by_value import all_classes_are_everywhere, show_in_main

    ship_main()
    value = pickle.loads(data)
    all_classes_are_everywhere()
    show_in_main()
    return value
