"""An agent's directory: marked, locked, and the only place where an agent deletes files."""

from __future__ import annotations

from pathlib import Path

import pytest

from glowpy.agent.directory import AgentDirectory
from glowpy.errors import ConfigError


def test_a_folder_is_made_and_of_it_only_the_runs_go_at_the_end(tmp_path: Path) -> None:
    with AgentDirectory(str(tmp_path / "a" / "b"), clean_restart=True) as directory:
        assert directory.runs.is_dir() and directory.cache.is_dir()
        (directory.runs / "r1").mkdir()
        (directory.cache / "x").touch()
        assert directory.path.stat().st_mode & 0o077 == 0
    assert not directory.runs.exists() and (directory.cache / "x").exists()


@pytest.mark.parametrize("clean_restart", [True, False])
def test_a_restart_deletes_programs_by_default(tmp_path: Path, clean_restart: bool) -> None:
    with AgentDirectory(str(tmp_path), clean_restart=True) as first:
        (first.cache / "x").touch()
    (first.runs / "left" / "over").mkdir(parents=True)  # of an agent that was killed
    (first.path / "notes.txt").touch()  # of the user
    with AgentDirectory(str(tmp_path), clean_restart=clean_restart) as second:
        assert (second.cache / "x").exists() == (not clean_restart)
        assert list(second.runs.iterdir()) == []
        assert (second.path / "notes.txt").exists()


def test_a_folder_that_no_agent_made_is_left_alone(tmp_path: Path) -> None:
    for name in ("cache", "runs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").touch()
    with (
        pytest.raises(ConfigError, match="is not empty and no agent made it"),
        AgentDirectory(str(tmp_path), clean_restart=True),
    ):
        pass
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["cache", "mine", "mine", "runs"]


def test_a_link_is_not_followed_when_runs_are_deleted(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").touch()
    with AgentDirectory(str(tmp_path / "agent"), clean_restart=True) as directory:
        (directory.runs / "link").symlink_to(tmp_path / "mine")
        (directory.cache / "link").symlink_to(tmp_path / "mine")
    with AgentDirectory(str(tmp_path / "agent"), clean_restart=True):
        assert (tmp_path / "mine" / "x").exists()


def test_a_folder_in_use_names_its_agent(tmp_path: Path) -> None:
    with (
        AgentDirectory(str(tmp_path), clean_restart=True) as first,
        pytest.raises(ConfigError, match=r"in use by the agent with process id \d+"),
        AgentDirectory(str(tmp_path), clean_restart=True),
    ):
        pass
    assert first.path == tmp_path
