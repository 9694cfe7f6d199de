"""Detects programs in which gevent or eventlet has replaced system threads by green threads.

A green thread runs only while another one waits in a patched call. The loops of a driver wait in
ZeroMQ, and a forked process waits for the event loop of its parent: a run would hang.
"""

from __future__ import annotations

import sys

from glowpy.errors import ProgramError
from glowpy.flow.entry import Call

_NAMES = {"threading": "thread", "select": "select"}  # of modules, and their names in eventlet


def check_threads(call: Call, *, is_inline: bool) -> None:
    """Refuse to run without system threads; only an inline run without channels does.

    Raises:
        ProgramError: names the library, the replaced modules and the remedy.
    """
    patched = _patched()
    if not patched or (is_inline and not _has_channels(call)):
        return
    library, parts = next(iter(patched.items()))
    remedy = {
        "gevent": "monkey.patch_all(thread=False, select=False)",
        "eventlet": "eventlet.monkey_patch(thread=False, select=False)",
    }
    raise ProgramError(
        f"{library} has replaced {' and '.join(parts)} in this process, and a run would hang: it "
        "needs the system's threads. Run the flow in a process of its own that is not patched, "
        f"patch without them ({remedy[library]}), or take -glow.inline, where a flow without "
        "channels runs in one thread"
    )


def _patched() -> dict[str, list[str]]:
    """Return the replaced modules, by library."""
    found: dict[str, list[str]] = {}
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None:
        found["gevent"] = [each for each in _NAMES if gevent.is_module_patched(each)]
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None:
        found["eventlet"] = [
            each for each, known_as in _NAMES.items() if eventlet.is_monkey_patched(known_as)
        ]
    return {library: parts for library, parts in found.items() if parts}


def _has_channels(call: Call) -> bool:
    inputs = (dataset for step in call.graph.steps for dataset, _edge in step.inputs)
    return bool(call.outputs) or any(dataset.feed is not None for dataset in inputs)
