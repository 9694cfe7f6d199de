"""The script as main module, if a profiler or tracer with its own main module runs it.

`python -m cProfile x.py` executes x.py in a separate namespace, with the `__name__` of a main
module, while `sys.modules["__main__"]` is cProfile. An agent would start cProfile, and unpickling
rows would not find the script's classes.
"""

from __future__ import annotations

import os
import sys
import threading
from types import ModuleType
from typing import Any

from glowpy.installed import is_in_package


class _ScriptModule(ModuleType):
    """A module with the names of a namespace outside any module."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        super().__init__("__main__")
        self.__spec__ = namespace.get("__spec__")
        self.__package__ = namespace.get("__package__")
        self.__file__ = namespace["__file__"]
        self.__namespace = namespace

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__namespace[name]
        except KeyError:
            raise AttributeError(f"module '__main__' has no attribute {name!r}") from None


def adopt_script() -> None:
    """Make the script the main module, if an installed module is the main module and runs it."""
    main = sys.modules["__main__"]
    if not _is_installed(main):
        return
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        namespace = frame.f_globals
        if namespace.get("__name__") == "__main__" and namespace is not vars(main):
            file = namespace.get("__file__")
            if isinstance(file, str) and os.path.isfile(file):
                sys.modules["__main__"] = _ScriptModule(namespace)
            return
        frame = frame.f_back


def _is_installed(main: ModuleType) -> bool:
    name = getattr(getattr(main, "__spec__", None), "name", "")
    file = getattr(main, "__file__", None) or ""
    return name.partition(".")[0] in sys.stdlib_module_names or is_in_package(file)
