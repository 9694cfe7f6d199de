"""Files that glowpy writes for a user: other users can neither redirect nor read them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from glowpy import Flow
from glowpy.agent.agent_log import log_sent
from glowpy.errors import ConfigError, OutputError
from glowpy.links import resolve_links
from glowpy.logs import start_log
from glowpy.wire.run_messages import GroupEnded, Outcome

UNUSED_UID = 61_234
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="giving files to another user takes root")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder like /tmp."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def link_of(owner: int, link: Path, target: Path) -> Path:
    link.symlink_to(target)
    os.chown(link, owner, owner, follow_symlinks=False)
    return link


@AS_ROOT
@pytest.mark.parametrize("owner", [0, UNUSED_UID])
@pytest.mark.parametrize("is_shared", [True, False])
def test_saving_follows_no_link_of_another_user_in_a_shared_folder(
    tmp_path: Path, shared: Path, owner: int, is_shared: bool
) -> None:
    if not is_shared:
        shared.chmod(0o755)
    target = tmp_path / "target"
    target.write_text("before")
    flow = Flow().slice(["after"])
    link = link_of(owner, shared / "out", target)
    if owner and is_shared:
        with pytest.raises(OutputError, match=f"{link} is a link that another user has made"):
            flow.save_text_to_file(str(link))
        assert target.read_text() == "before" and os.listdir(shared) == ["out"]
    else:
        flow.save_text_to_file(str(link))
        assert target.read_text() == "after\n" and link.is_symlink()


@AS_ROOT
def test_a_link_of_another_user_to_a_folder_is_not_followed(tmp_path: Path, shared: Path) -> None:
    link_of(UNUSED_UID, shared / "folder", tmp_path)
    with pytest.raises(OutputError, match="another user has made"):
        Flow().slice(["row"]).save_text_to_file(str(shared / "folder" / "out"))
    assert not (tmp_path / "out").exists()


def test_links_are_resolved_as_the_system_does(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "up").symlink_to("a/b")
    (tmp_path / "again").symlink_to(tmp_path / "up")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("again/../x", "./up//none/y", "none", "..", "a/b/"):
        path = str(tmp_path / name) if name != "a/b/" else f"{tmp_path}/{name}"
        assert resolve_links(path) == os.path.realpath(path)
    with pytest.raises(OSError, match="Too many levels"):
        resolve_links(str(tmp_path / "loop"))


@pytest.fixture
def name() -> Iterator[str]:
    logger = logging.getLogger("glowpy.of.written.files")
    yield logger.name
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = True


def test_log_files_can_be_read_by_their_user_only(name: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    path.touch(mode=0o644)
    path.chmod(0o644)
    start_log("debug", file=str(path), file_mb=1, logger=name)
    for _ in range(800):
        logging.getLogger(name).debug("x" * 3000)
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == dict.fromkeys(["agent.log", "agent.log.1", "agent.log.2"], 0o600)


@AS_ROOT
def test_a_log_follows_no_link_of_another_user(name: str, tmp_path: Path, shared: Path) -> None:
    link = link_of(UNUSED_UID, shared / "agent.log", tmp_path / "target")
    with pytest.raises(ConfigError, match="another user has made"):
        start_log("info", file=str(link), logger=name)
    assert not (tmp_path / "target").exists()


def test_rows_in_an_agents_log_take_the_level_debug(caplog: pytest.LogCaptureFixture) -> None:
    failed = GroupEnded("run", "x", 1, 2, Outcome.FAILED, reason="ValueError: row: 'secret row'")
    lost = failed._replace(outcome=Outcome.INPUT_LOST, reason="its owner is lost")
    with caplog.at_level(logging.DEBUG):
        for message in (failed, lost):
            log_sent(logging.getLogger("glowpy.agent"), message)
    by_level = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert by_level == [
        ("INFO", "an attempt has ended: failed"),
        ("DEBUG", "its error: ValueError: row: 'secret row'"),
        ("INFO", "an attempt has ended: input lost: its owner is lost"),
    ]
