"""Finds thread pools of this process that a fork could not use.

A fork has the memory of a pool without the threads: the first function that uses the pool waits for
ever. The pools listed here have this fault today. OpenBLAS (numpy), the OpenMP of LLVM and Intel,
pyarrow and duckdb start new threads after a fork.
"""

from __future__ import annotations

import os
import re
import select
from contextlib import suppress

from glowpy.record import NamedTuple


class _Pool(NamedTuple):
    """Threads of one library, by their names or else by a wait inside the library."""

    owner: str
    library: bytes  # part of the name of its file
    names: str = ""


_POOLS = (
    _Pool("Polars", b"polars", r"polars-\d"),
    _Pool("CUDA", b"libcuda.so", "cuda"),
    _Pool("gRPC", b"cygrpc", "grpc_global_tim|event_engine"),
    _Pool("gRPC", b"libgrpc", "grpc_global_tim|event_engine"),
    _Pool("OpenMP (libgomp)", b"libgomp"),
)
# Threads of libgomp spin for some milliseconds before they wait, threads of OpenBLAS for a tenth
# of a second. Not in `timing`: the code of these libraries decides.
_LOOKS = 80
_LOOK_S = 0.005


def fork_hazard(proc: str = "/proc/self") -> str:
    """Return the library whose threads make a fork unsafe; empty if none.

    Takes some 0.2 ms with numpy; a process with one thread needs no call.
    """
    maps = _read(f"{proc}/maps")
    loaded = [pool for pool in _POOLS if pool.library in maps]
    if not loaded:
        return ""
    names = [_read(f"{proc}/task/{task}/comm").decode() for task in os.listdir(f"{proc}/task")]
    for pool in loaded:
        if pool.names:
            has_started = any(re.match(pool.names, name) for name in names)
        else:
            has_started = _waits_in(pool.library, maps, proc)
        if has_started:
            return pool.owner
    return ""


def _waits_in(library: bytes, maps: bytes, proc: str) -> bool:
    """Return True if a thread, the main thread excepted, waits inside the library."""
    code = [
        [int(end, 16) for end in line.split()[0].split(b"-")]
        for line in maps.splitlines()
        if library in line and b" r-xp " in line
    ]
    for _ in range(_LOOKS):
        calls = _system_calls(proc)
        if any(first <= call < last for call in calls for first, last in code):
            return True
        if 0 not in calls:
            return False
        select.select((), (), (), _LOOK_S)
    return True  # threads spin without end, for instance by OMP_WAIT_POLICY=active


def _system_calls(proc: str) -> list[int]:
    """Return the address at which each thread but the main one waits in a system call, or 0."""
    main = str(os.getpid())
    lines = [
        _read(f"{proc}/task/{task}/syscall").split()
        for task in os.listdir(f"{proc}/task")
        if task != main
    ]
    return [int(line[-1], 16) if len(line) > 1 else 0 for line in lines]


def _read(path: str) -> bytes:
    # A thread may have ended, and some kernels lack some of these files.
    with suppress(OSError), open(path, "rb") as file:
        return file.read()
    return b""
