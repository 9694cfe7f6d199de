"""What this process may use of its host: cores and memory, as containers and affinity limit them.

The kernel shows a limit in a file of the process's cgroup or of any cgroup above it:

    /proc/self/cgroup        v2 "0::/a/b"               v1 "4:cpu,cpuacct:/a/b"
    cpu    (under v2 root)   cpu.max "200000 100000"    (v1) cpu.cfs_quota_us, cpu.cfs_period_us
    memory (under v2 root)   memory.max "1073741824"    (v1) memory.limit_in_bytes

Inside a container the path may name a cgroup of the host that is not visible here; its root is then
the container's own, so roots are looked at too. A file that is missing or odd limits nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from math import ceil

MEGABYTE = 1024 * 1024


def host_name() -> str:
    """What this host calls itself."""
    return os.uname().nodename


def cores(*, proc: str = "/proc", cgroups: str = "/sys/fs/cgroup") -> int:
    """Cores this process may keep busy, at least 1; a part of a core in a quota counts as one."""
    allowed = len(os.sched_getaffinity(0))
    quota = cpu_quota(cgroup_directories(_read(f"{proc}/self/cgroup"), "cpu", cgroups))
    return max(1, allowed if quota is None else min(allowed, ceil(quota)))


def memory_mb(*, proc: str = "/proc", cgroups: str = "/sys/fs/cgroup") -> int:
    """Memory of this host, or of this container where that is less, in MB; at least 1."""
    total = parse_meminfo(_read(f"{proc}/meminfo"))
    if total is None:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = memory_limit(cgroup_directories(_read(f"{proc}/self/cgroup"), "memory", cgroups))
    return max(1, (total if limit is None else min(total, limit)) // MEGABYTE)


def cgroup_directories(text: str, controller: str, root: str) -> list[str]:
    """Where limits of `controller` may stand, innermost first. `text` is of /proc/self/cgroup.

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
        # A cgroup outside of this namespace's root is shown with "..": not visible here.
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        for base in bases:
            found.extend("/".join([base, *parts[:depth]]) for depth in range(len(parts), -1, -1))
    return found


def cpu_quota(directories: Iterable[str]) -> float | None:
    """The tightest quota among the directories, in cores; None without one."""
    quotas = []
    for directory in directories:
        quotas.append(parse_cpu_quota(_read(f"{directory}/cpu.max")))
        v1 = _read(f"{directory}/cpu.cfs_quota_us"), _read(f"{directory}/cpu.cfs_period_us")
        quotas.append(parse_cpu_quota(" ".join(v1)))
    return min((quota for quota in quotas if quota is not None), default=None)


def memory_limit(directories: Iterable[str]) -> int | None:
    """The tightest limit among the directories, in bytes; None without one."""
    limits = []
    for directory in directories:
        limits.append(parse_count(_read(f"{directory}/memory.max")))
        limits.append(parse_count(_read(f"{directory}/memory.limit_in_bytes")))
    return min((limit for limit in limits if limit is not None), default=None)


def parse_cpu_quota(text: str) -> float | None:
    """Cores from "quota period", both in microseconds; None for "max", -1 and anything odd.

    >>> parse_cpu_quota("150000 100000")
    1.5
    """
    words = text.split()
    if len(words) != 2:
        return None
    quota, period = (parse_count(word) for word in words)
    return quota / period if quota and period else None


def parse_count(text: str) -> int | None:
    """A plain count; None for "max", a negative number and anything odd."""
    word = text.strip()
    return int(word) if word.isascii() and word.isdigit() else None


def parse_meminfo(text: str) -> int | None:
    """Bytes of memory from the text of /proc/meminfo; None if it does not say."""
    for line in text.splitlines():
        name, _, amount = line.partition(":")
        if name == "MemTotal":
            kilobytes = parse_count(amount.strip().removesuffix("kB"))
            return kilobytes * 1024 if kilobytes else None
    return None


def _read(path: str) -> str:
    """The file's text, empty if it cannot be read: a limit that is not shown does not bind us."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
