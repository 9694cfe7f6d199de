"""Resources of this process: cores and memory, within the limits of containers and affinity.

The kernel shows a limit in a file of the process's cgroup or of any cgroup above it:

    /proc/self/cgroup        v2 "0::/a/b"               v1 "4:cpu,cpuacct:/a/b"
    cpu    (under v2 root)   cpu.max "200000 100000"    (v1) cpu.cfs_quota_us, cpu.cfs_period_us
    memory (under v2 root)   memory.max "1073741824"    (v1) memory.limit_in_bytes

In a container, the path may name a cgroup of the host that is not visible; its root then belongs to
the container, so roots are searched too. A missing or malformed file sets no limit.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from math import ceil

MEGABYTE = 1024 * 1024


def host_name() -> str:
    """Return the name of this host."""
    return os.uname().nodename


def cores(*, proc: str = "/proc", cgroups: str = "/sys/fs/cgroup") -> int:
    """Return the usable cores, at least 1; a fraction of a core in a quota counts as one."""
    allowed = len(os.sched_getaffinity(0))
    quota = cpu_quota(cgroup_directories(_read(f"{proc}/self/cgroup"), "cpu", cgroups))
    return max(1, allowed if quota is None else min(allowed, ceil(quota)))


def memory_mb(*, proc: str = "/proc", cgroups: str = "/sys/fs/cgroup") -> int:
    """Return the memory of this host, or of this container if less, in MB; at least 1."""
    total = parse_meminfo(_read(f"{proc}/meminfo"))
    if total is None:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = memory_limit(cgroup_directories(_read(f"{proc}/self/cgroup"), "memory", cgroups))
    return max(1, (total if limit is None else min(total, limit)) // MEGABYTE)


def cgroup_directories(text: str, controller: str, root: str) -> list[str]:
    """Return the directories with limits of `controller`, innermost first.

    Args:
        text: the content of /proc/self/cgroup.

    >>> cgroup_directories("0::/a/b", "cpu", "/sys/fs/cgroup")
    ['/sys/fs/cgroup/a/b', '/sys/fs/cgroup/a', '/sys/fs/cgroup']
    """
    found: list[str] = []
    for line in text.splitlines():
        number, _, tail = line.partition(":")
        controllers, _, path = tail.partition(":")
        if controller in controllers.split(","):  # v1: each mounted under its own name or joined
            bases = [f"{root}/{name}" for name in dict.fromkeys((controllers, controller))]
        elif number == "0" and not controllers:
            bases = [root]
        else:
            continue
        # The kernel shows a cgroup outside this namespace's root with "..": not visible here.
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        for base in bases:
            found.extend("/".join([base, *parts[:depth]]) for depth in range(len(parts), -1, -1))
    return found


def cpu_quota(directories: Iterable[str]) -> float | None:
    """Return the smallest quota of the directories, in cores; None without a quota."""
    quotas = []
    for directory in directories:
        quotas.append(parse_cpu_quota(_read(f"{directory}/cpu.max")))
        v1 = _read(f"{directory}/cpu.cfs_quota_us"), _read(f"{directory}/cpu.cfs_period_us")
        quotas.append(parse_cpu_quota(" ".join(v1)))
    return min((quota for quota in quotas if quota is not None), default=None)


def memory_limit(directories: Iterable[str]) -> int | None:
    """Return the smallest limit of the directories, in bytes; None without a limit."""
    limits = []
    for directory in directories:
        limits.append(parse_count(_read(f"{directory}/memory.max")))
        limits.append(parse_count(_read(f"{directory}/memory.limit_in_bytes")))
    return min((limit for limit in limits if limit is not None), default=None)


def parse_cpu_quota(text: str) -> float | None:
    """Return the cores of "quota period", both in microseconds; None for "max", -1 and other text.

    >>> parse_cpu_quota("150000 100000")
    1.5
    """
    words = text.split()
    if len(words) != 2:
        return None
    quota, period = (parse_count(word) for word in words)
    return quota / period if quota and period else None


def parse_count(text: str) -> int | None:
    """Return a plain count; None for "max", a negative number and other text."""
    word = text.strip()
    return int(word) if word.isascii() and word.isdigit() else None


def parse_meminfo(text: str) -> int | None:
    """Return the bytes of memory in the text of /proc/meminfo, or None."""
    for line in text.splitlines():
        name, _, amount = line.partition(":")
        if name == "MemTotal":
            kilobytes = parse_count(amount.strip().removesuffix("kB"))
            return kilobytes * 1024 if kilobytes else None
    return None


def _read(path: str) -> str:
    """Return the file's text; empty if unreadable, because a hidden limit does not apply."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
