"""Key files, and what is refused without a key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from glowpy.environment import KEY_FILE_VARIABLE
from glowpy.errors import ConfigError
from glowpy.wire.address import Address, Endpoint, IpcAddress
from glowpy.wire.security import (
    ClusterKey,
    Policy,
    load_key,
    policy_for,
    policy_from_environment,
    save_key,
)
from glowpy.wire.transport import make_key
from glowpy.wire.user_key import user_key

KEY = ClusterKey(b"p" * 40, b"s" * 40)
TEXT = b"glowpy cluster key\npublic " + KEY.public + b"\nsecret " + KEY.secret + b"\n"


def write(path: Path, data: bytes, mode: int = 0o600) -> str:
    path.write_bytes(data)
    path.chmod(mode)
    return str(path)


def test_a_key_is_read_as_it_was_saved(tmp_path: Path) -> None:
    path = str(tmp_path / "key")
    for key in (KEY, make_key()):
        save_key(path, key)
        assert load_key(path) == key
        os.unlink(path)


def test_a_key_file_is_the_users_own_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        save_key(str(tmp_path / "key"), KEY)
    finally:
        os.umask(before)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_written_over_another(tmp_path: Path) -> None:
    save_key(str(tmp_path / "key"), KEY)
    with pytest.raises(
        ConfigError, match=r"cannot make key file .*key: File exists; .* name another$"
    ):
        save_key(str(tmp_path / "key"), make_key())
    assert load_key(str(tmp_path / "key")) == KEY
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(ConfigError, match="File exists"):
        save_key(str(tmp_path / "link"), KEY)
    assert not (tmp_path / "target").exists()


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot make key file .*none/key: No such file"):
        save_key(str(tmp_path / "none" / "key"), KEY)


def test_a_full_disk_leaves_no_half_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    opened = os.open

    def open_full(*_arguments: object) -> int:
        os.close(opened(path, os.O_CREAT | os.O_WRONLY, 0o600))
        return opened("/dev/full", os.O_WRONLY)

    monkeypatch.setattr(os, "open", open_full)
    with pytest.raises(ConfigError, match=r"cannot make key file .*key: No space left"):
        save_key(str(path), KEY)
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o601, 0o604, 0o660])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "key", TEXT, mode)
    with pytest.raises(ConfigError, match="readable by you only: chmod 600"):
        load_key(path)
    os.chmod(path, 0o400)
    assert load_key(path) == KEY


def test_a_key_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "key", TEXT)
    stranger = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: stranger)
    with pytest.raises(ConfigError, match="must belong to you"):
        load_key(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 1000,
        b"glowpy cluster key",
        b"glowpy cluster key\n",
        TEXT[:-2],
        TEXT[:40],
        b"\n" + TEXT,
        TEXT.replace(b"\n", b"\r\n"),
        TEXT.replace(b"glowpy", b"GLOWPY"),
        TEXT.replace(KEY.public, KEY.public + b"x"),
        TEXT.replace(KEY.secret, b""),
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + b"x" * 5000,
    ],
)
def test_invalid_key_files_are_refused(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path / "key", data)
    with pytest.raises(ConfigError, match="is not a key file; make one with `glowpy keys FILE`"):
        load_key(path)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read key file .*key: No such file"):
        load_key(str(tmp_path / "key"))


def test_paths_without_a_file_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    before = len(os.listdir("/proc/self/fd"))
    for name in ("pipe", "folder"):
        with pytest.raises(ConfigError, match="is not a key file"):
            load_key(str(tmp_path / name))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_secret_is_not_shown() -> None:
    assert "sss" not in repr(KEY)
    assert "sss" not in repr(Policy(KEY))


ANYWHERE = [Address(host, 8930) for host in ("", "*", "0.0.0.0", "10.0.0.7", "node.example")]
HERE: list[Endpoint] = [
    Address("127.0.0.1", 8930),
    Address("127.0.0.3", 0),
    Address("localhost", 8930),
    Address("::1", 8930),
    IpcAddress("/tmp/agent"),
]


@pytest.mark.parametrize("is_server", [True, False], ids=["server", "client"])
@pytest.mark.parametrize("policy", [Policy(KEY), Policy(insecure=True), Policy(KEY, True)])
@pytest.mark.parametrize("address", [*HERE, *ANYWHERE], ids=str)
def test_with_a_key_or_by_request_everything_is_allowed(
    address: Endpoint, policy: Policy, is_server: bool
) -> None:
    policy.check(address, is_server=is_server)


@pytest.mark.parametrize("is_server", [True, False], ids=["server", "client"])
@pytest.mark.parametrize("address", [*HERE, *ANYWHERE], ids=str)
def test_without_a_key_only_socket_files_are_allowed(address: Endpoint, is_server: bool) -> None:
    if isinstance(address, IpcAddress):
        Policy().check(address, is_server=is_server)
        return
    act = "listen on" if is_server else "connect to"
    with pytest.raises(ConfigError, match=rf"refusing to {act} .* without a key"):
        Policy().check(address, is_server=is_server)


def test_a_policy_follows_from_key_file_and_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "key", TEXT)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    loopback, elsewhere = Address("localhost", 8930), Address("10.1.2.3", 8930)
    assert policy_for(elsewhere, key_file=path) == Policy(KEY)
    assert policy_for(elsewhere, insecure=True) == Policy(insecure=True)
    assert policy_for(loopback) == policy_for(Address("", 8930)) == Policy(user_key())
    with pytest.raises(ConfigError, match=r"refusing to connect to .* without a key"):
        policy_for(loopback, elsewhere)
    with pytest.raises(ConfigError, match=r"refusing to listen on .* without a key"):
        policy_for(Address("", 8930), is_server=True)
    monkeypatch.delenv(KEY_FILE_VARIABLE, raising=False)
    assert policy_from_environment() == Policy(insecure=True)
    monkeypatch.setenv(KEY_FILE_VARIABLE, path)
    assert policy_from_environment() == Policy(KEY)
    monkeypatch.setenv(KEY_FILE_VARIABLE, path + ".no")
    with pytest.raises(ConfigError, match=r"key\.no"):
        policy_from_environment()
