"""The directory of an agent: other users of the host can neither make, write nor replace it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from glowpy.agent.directory import AgentDirectory
from glowpy.errors import ConfigError
from tests.commands import refusal

UNUSED_UID = 61_234
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="giving files to another user takes root")


def refused(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught, AgentDirectory(str(folder), clean_restart=False):
        pass
    return str(caught.value)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o1777])
def test_a_folder_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "agent"
    folder.mkdir()
    folder.chmod(mode)
    assert f"chmod 700 {folder}" in refused(folder)
    assert list(folder.iterdir()) == []
    folder.chmod(0o755)
    with AgentDirectory(str(folder), clean_restart=False) as directory:
        assert directory.cache.stat().st_mode & 0o077 == 0


def test_a_folder_that_others_can_replace_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert f"{tmp_path} belongs to or is writable by others" in refused(tmp_path / "agent")
    tmp_path.chmod(0o1777)  # sticky: others cannot rename its files
    with AgentDirectory(str(tmp_path / "agent"), clean_restart=False):
        pass


def test_a_link_to_the_folder_is_followed_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    directory = AgentDirectory(str(tmp_path / "link"), clean_restart=False)
    (tmp_path / "link").unlink()
    with directory:
        assert directory.path == tmp_path / "real"


@AS_ROOT
def test_a_folder_that_another_user_made_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    with AgentDirectory(str(folder), clean_restart=False) as directory:
        (directory.cache / "files").mkdir()
    os.chown(folder, UNUSED_UID, UNUSED_UID)
    said = refusal("agent", "--dir", str(folder), "--port", "0")
    assert f"{folder} must belong to you" in said and "--dir" in said
