from __future__ import annotations

import os
from pathlib import Path

import pytest

from glowpy import resources
from glowpy.resources import cgroup_directories, parse_count, parse_cpu_quota, parse_meminfo

MEMINFO = "MemTotal:        8388608 kB\nMemFree:          100 kB\n"  # 8192 MB


class Host:
    """A fake /proc and /sys/fs/cgroup."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        self.write("proc/meminfo", MEMINFO)
        self.allow(8)

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def allow(self, count: int) -> None:
        self._monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(count)))

    def cores(self) -> int:
        return resources.cores(proc=f"{self.folder}/proc", cgroups=f"{self.folder}/cgroup")

    def memory_mb(self) -> int:
        return resources.memory_mb(proc=f"{self.folder}/proc", cgroups=f"{self.folder}/cgroup")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_the_host_has_cores_and_memory() -> None:
    assert 1 <= resources.cores() <= len(os.sched_getaffinity(0))
    assert resources.memory_mb() >= 1


def test_without_cgroups_affinity_and_meminfo_count(host: Host) -> None:
    host.allow(3)
    assert (host.cores(), host.memory_mb()) == (3, 8192)


def test_without_meminfo_the_system_is_asked(host: Host) -> None:
    host.write("proc/meminfo", "")
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert host.memory_mb() == pages // 2**20


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("1000 100000\n", 1),
        ("9900000 100000\n", 8),
        ("", 8),
        ("nonsense", 8),
        ("0 0", 8),
    ],
)
@pytest.mark.parametrize("where", ["cgroup/a/b", "cgroup/a", "cgroup"])
def test_cpu_quota_v2_at_any_level(host: Host, where: str, quota: str, expected: int) -> None:
    host.write("proc/self/cgroup", "0::/a/b\n")
    host.write(f"{where}/cpu.max", quota)
    assert host.cores() == expected


def test_the_tightest_level_wins(host: Host) -> None:
    host.write("proc/self/cgroup", "0::/a/b\n")
    host.write("cgroup/a/b/cpu.max", "600000 100000")
    host.write("cgroup/a/cpu.max", "300000 100000")
    host.write("cgroup/a/b/memory.max", str(3 * 2**30))
    host.write("cgroup/a/memory.max", str(5 * 2**30))
    assert (host.cores(), host.memory_mb()) == (3, 3072)
    host.allow(2)
    assert host.cores() == 2


@pytest.mark.parametrize(
    ("quota", "expected"), [("-1\n", 8), ("250000\n", 3), ("", 8), ("10\n", 1)]
)
@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("group", ["", "/docker/abc"])
def test_cpu_quota_v1(host: Host, group: str, mount: str, quota: str, expected: int) -> None:
    host.write(
        "proc/self/cgroup", "5:memory:/\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n0::/\n"
    )
    host.write(f"cgroup/{mount}{group}/cpu.cfs_quota_us", quota)
    host.write(f"cgroup/{mount}{group}/cpu.cfs_period_us", "100000\n")
    assert host.cores() == expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max\n", 8192),
        ("1073741824\n", 1024),
        ("9223372036854771712\n", 8192),  # v1's value for "no limit"
        ("4096\n", 1),
        ("odd", 8192),
    ],
)
def test_memory_limits(host: Host, limit: str, expected: int) -> None:
    host.write("proc/self/cgroup", "0::/c\n")
    host.write("cgroup/c/memory.max", limit)
    assert host.memory_mb() == expected
    (host.folder / "cgroup/c/memory.max").unlink()
    host.write("proc/self/cgroup", "3:memory:/c\n0::/\n")
    host.write("cgroup/memory/memory.limit_in_bytes", limit)
    assert host.memory_mb() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0::/\n", ["/r"]),
        ("0::/../../x\n", ["/r/x", "/r"]),
        ("4:cpu:/a\n", ["/r/cpu/a", "/r/cpu"]),
        ("4:cpuacct,cpu:/\n", ["/r/cpuacct,cpu", "/r/cpu"]),
        ("4:cpuset:/a\n3:memory:/b\nodd\n\n", []),
    ],
)
def test_cgroup_directories(text: str, expected: list[str]) -> None:
    assert cgroup_directories(text, "cpu", "/r") == expected


@pytest.mark.parametrize(
    ("text", "quota"),
    [("150000 100000", 1.5), ("max 100000", None), ("-1 100000", None), ("5 0", None)]
    + [("", None), ("5", None), ("1 2 3", None), ("٣ 1", None)],
)
def test_parse_cpu_quota(text: str, quota: float | None) -> None:
    assert parse_cpu_quota(text) == quota


@pytest.mark.parametrize(
    ("text", "count"), [("7\n", 7), ("max", None), ("-1", None), ("", None), ("1.5", None)]
)
def test_parse_count(text: str, count: int | None) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize(
    ("text", "size"),
    [(MEMINFO, 2**33), ("MemFree: 3 kB\n", None), ("MemTotal: odd kB\n", None), ("", None)],
)
def test_parse_meminfo(text: str, size: int | None) -> None:
    assert parse_meminfo(text) == size
