"""A failing start of the driver's own cluster: the error has the cause, and no process remains."""

from __future__ import annotations

from pathlib import Path

import pytest

from glowpy.errors import ClusterError
from glowpy.testing import LocalCluster
from tests.forked import in_fork, leave_descriptors
from tests.processes import flags_of, run

pytestmark = pytest.mark.slow

SCRIPT = "from glowpy import Flow\nprint(Flow().slice([1, 2]).map(str).collect())\n"
IN_ROLE = """\
import os, signal, sys
if {role!r} in sys.orig_argv and "glowpy" in sys.orig_argv:
    {action}
"""


def failure(tmp_path: Path, role: str, action: str, scale: str = "1") -> str:
    """The driver's error when `glowpy ROLE` runs this action first."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "sabotage").mkdir()
    text = IN_ROLE.format(role=role, action=action)
    (tmp_path / "sabotage" / "sitecustomize.py").write_text(text)
    environment = {"PYTHONPATH": str(tmp_path / "sabotage"), "GLOWPY_TIME_SCALE": scale}
    flags = flags_of("own cluster", "")
    ended = run(tmp_path, "script.py", *flags, status=1, environment=environment)
    assert ended.stdout == ""
    return ended.stderr.partition("glowpy.errors.ClusterError: ")[2]


@pytest.mark.parametrize("role", ["master", "agent"])
def test_a_server_that_ends_at_once_is_quoted(role: str, tmp_path: Path) -> None:
    action = "os.write(2, b'no room\\nfor one more\\n'); os._exit(7)"
    assert failure(tmp_path, role, action) == (
        f"the {role} of the driver's own cluster did not start: it ended with exit status 7; "
        "it wrote:\nno room\nfor one more\n(-glow.leader names a cluster that runs already; "
        "without -glow the flow runs on the cores of this host)\n"
    )


def test_the_error_of_a_killed_server_names_the_signal(tmp_path: Path) -> None:
    text = failure(tmp_path, "agent", "os.kill(os.getpid(), signal.SIGKILL)")
    assert text.startswith(
        "the agent of the driver's own cluster did not start: it ended with SIGKILL, and wrote "
        "nothing\n"
    )


def test_a_server_that_does_not_listen_in_time_is_ended(tmp_path: Path) -> None:
    text = failure(tmp_path, "master", "print('thinking'); signal.pause()", scale="0.02")
    assert "did not start: it does not listen after 1.2 s" in text


def test_too_few_descriptors_for_a_server(tmp_path: Path) -> None:
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))\n"
    (tmp_path / "script.py").write_text(limit + SCRIPT)
    ended = run(tmp_path, "script.py", *flags_of("own cluster", ""), status=1)
    assert "Too many open files" in ended.stderr and "ulimit -n" in ended.stderr


def test_a_disk_without_room_for_the_key(tmp_path: Path) -> None:
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    (tmp_path / "script.py").write_text(limit + SCRIPT)
    ended = run(tmp_path, "script.py", *flags_of("own cluster", ""), status=1)
    assert "cannot make key file" in ended.stderr and "File too large" in ended.stderr


def test_later_log_lines_of_a_server_appear_at_the_driver(tmp_path: Path) -> None:
    action = "import atexit; atexit.register(os.write, 2, b'an error of the agent\\n')"
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "sabotage").mkdir()
    text = IN_ROLE.format(role="agent", action=action)
    (tmp_path / "sabotage" / "sitecustomize.py").write_text(text)
    environment = {"PYTHONPATH": str(tmp_path / "sabotage")}
    ended = run(tmp_path, "script.py", *flags_of("own cluster", ""), environment=environment)
    assert ended.stdout == "['1', '2']\n"
    assert ended.stderr.endswith("\nan error of the agent\n")


def test_a_test_cluster_without_a_place_for_its_files_says_so(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="cannot make a directory for the test cluster: "):
        LocalCluster(1, directory=str(tmp_path / "none")).__enter__()


def test_a_test_cluster_without_descriptors_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    def start() -> str:
        leave_descriptors(3)
        try:
            LocalCluster(1, directory=str(tmp_path)).__enter__()
        except ClusterError as exc:
            return str(exc)
        return "started"

    assert in_fork(start) == "the master did not start: Too many open files"
    assert list(tmp_path.iterdir()) == []
