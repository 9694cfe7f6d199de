"""glowpy: static dataflows in Python, on all cores and on a cluster.

from glowpy import Flow

flow = Flow()
print(flow.text_file("/etc/passwd", 3).map(len).reduce(max).collect())
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from glowpy.version import __version__

if TYPE_CHECKING:
    from glowpy.channel import Channel
    from glowpy.flow.dataset import Dataset
    from glowpy.flow.flow import Flow
    from glowpy.flow.marks import may_differ
    from glowpy.launch import argv, is_task, ready, related_file

__all__ = [
    "Channel",
    "Dataset",
    "Flow",
    "__version__",
    "argv",
    "errors",
    "is_task",
    "may_differ",
    "ready",
    "related_file",
]

# Loaded at the first use: a script that only defines a flow does not wait for the rest.
_HOMES = {
    "Channel": "glowpy.channel",
    "Dataset": "glowpy.flow.dataset",
    "Flow": "glowpy.flow.flow",
    "argv": "glowpy.launch",
    "is_task": "glowpy.launch",
    "may_differ": "glowpy.flow.marks",
    "ready": "glowpy.launch",
    "related_file": "glowpy.launch",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        path = os.path.join(__path__[0], name)
        if os.path.exists(f"{path}.py") or os.path.isdir(path):
            # `from glowpy import launch` asks here before it loads the module
            raise AttributeError(f"module 'glowpy' has no attribute {name!r}")
        from glowpy.flow.other_words import no_attribute

        raise no_attribute("module 'glowpy'", name, __all__)
    import importlib

    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
