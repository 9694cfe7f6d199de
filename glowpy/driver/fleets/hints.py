"""Hints for errors of tasks that lack a variable, a file or a module of the driver."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Collection
from contextlib import suppress

from glowpy.installed import is_in_package

_NO_VARIABLE = re.compile(r"KeyError: '(\w+)'")
_NO_FILE = re.compile(r"FileNotFoundError: \[Errno 2\] [^:\n]+: (['\"])(.+?)\1")
_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '(\w+)")


def with_hints(text: str, unsent_read: Collection[str], local: Callable[[str], str]) -> str:
    """Return a task's error, with a line for each missing thing that the driver has.

    Args:
        unsent_read: names of missing variables read by tasks.
        local: returns the driver's path for a file in an agent's copy of the program.
    """
    hints = [
        f"hint: the variable {name} is set at the driver; -glow.env={name} sends it to tasks"
        for name in _NO_VARIABLE.findall(text)
        if name in unsent_read
    ]
    hints += [_hint_of_file(local(path)) for _quote, path in _NO_FILE.findall(text)]
    hints += [_hint_of_module(name) for name in _NO_MODULE.findall(text)]
    found = dict.fromkeys(filter(None, hints))
    return "\n".join([text.rstrip("\n"), *found]) if found else text


def _hint_of_file(path: str) -> str:
    with suppress(OSError, ValueError):  # not a path, or the working directory was removed
        path = os.path.abspath(path)
        if os.path.exists(path):
            name = os.path.relpath(path)
            name = path if name.startswith(os.pardir) else name
            return (
                f"hint: the driver has {path}; tasks have files beside a script only by "
                f"-glow.related.files={name}, as glowpy.related_file({name!r})"
            )
    return ""


def _hint_of_module(name: str) -> str:
    with suppress(ImportError, ValueError):  # of a finder, or of a module without a spec
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            remedy = (
                "install it at the agents, too"
                if is_in_package(spec.origin)
                else "modules travel that an import statement names, or that are loaded when the "
                "run is reached"
            )
            return f"hint: the driver has the module {name} at {spec.origin}; {remedy}"
    return ""
