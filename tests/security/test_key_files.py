"""Key files: format, parts for one role, and accepted files and descriptors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from glowpy.cli.keys import keys
from glowpy.errors import ConfigError
from glowpy.wire import key_storage
from glowpy.wire.key_file import (
    MOST_BYTES,
    Generation,
    KeyFile,
    for_role,
    from_text,
    rotated,
    to_text,
    without_old,
)
from glowpy.wire.key_policy import policy_of
from glowpy.wire.key_storage import load_keys, replace_keys, save_keys
from glowpy.wire.roles import CLUSTER_ROLES, Role
from glowpy.wire.security import KeyPair
from glowpy.wire.transport.curve import is_pair, make_generation, make_keys
from glowpy.wire.user_key import user_key_path


def pair_of(letter: str) -> KeyPair:
    return KeyPair(letter.encode() * 40, letter.upper().encode() * 40)


WHOLE = KeyFile(
    (Generation(1, dict(zip(CLUSTER_ROLES, map(pair_of, "sadv"), strict=True)), b"L" * 32),)
)
TEXT = f"""glowpy cluster keys
generation 1
server {"s" * 40} {"S" * 40}
agent {"a" * 40} {"A" * 40}
driver {"d" * 40} {"D" * 40}
viewer {"v" * 40} {"V" * 40}
leases {"4c" * 32}
"""


def test_the_text_of_a_key_file() -> None:
    assert to_text(WHOLE) == TEXT
    assert from_text(TEXT) == WHOLE


def test_new_keys_fit_together_and_are_read_as_written(tmp_path: Path) -> None:
    keys = make_keys()
    assert set(keys.newest.pairs) == set(CLUSTER_ROLES)
    assert all(is_pair(pair) for pair in keys.newest.pairs.values())
    assert len({pair.secret for pair in keys.newest.pairs.values()}) == len(CLUSTER_ROLES)
    save_keys(str(tmp_path / "key"), keys)
    assert load_keys(str(tmp_path / "key")) == keys
    assert (tmp_path / "key").stat().st_size <= MOST_BYTES // 2, "two generations fit"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0" * 1000,
        "glowpy cluster keys",
        "glowpy cluster keys\n",
        "glowpy cluster keys\ngeneration 1\n",
        TEXT[:-2],
        TEXT[:60],
        "\n" + TEXT,
        TEXT + "\n\nx",
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("glowpy", "GLOWPY"),
        TEXT.replace("s" * 40, "s" * 41),
        TEXT.replace("S" * 40, ""),
        TEXT.replace("driver", "dog"),
        TEXT.replace("driver", "agent"),
        TEXT.replace("generation 1", "generation 0"),
        TEXT.replace("generation 1\n", ""),
        TEXT.replace(f"server {'s' * 40} {'S' * 40}\n", ""),
        TEXT + TEXT.split("\n", 1)[1],  # generation 1 twice
        TEXT + TEXT.split("\n", 1)[1].replace("generation 1", "generation 2"),  # the older first
        "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "x" * 5000,
    ],
)
def test_other_text_is_no_key_file(tmp_path: Path, text: str) -> None:
    assert from_text(text) is None
    path = write(tmp_path / "key", text)
    with pytest.raises(ConfigError, match="is not a key file; make one with `glowpy keys FILE`"):
        load_keys(path)


def test_a_key_file_without_roles_names_the_remedy(tmp_path: Path) -> None:
    path = write(tmp_path / "key", f"glowpy cluster key\npublic {'p' * 40}\nsecret {'s' * 40}\n")
    with pytest.raises(ConfigError, match=r"earlier release, without roles: .*`glowpy keys FILE`"):
        load_keys(path)


# --- parts for one role ---------------------------------------------------------------------------


def held(keys: KeyFile) -> set[str]:
    """All secrets in a key file, by name."""
    found = {f"{g.number} {role.value}" for g in keys.generations for role in g.pairs
             if g.pairs[role].secret}  # fmt: skip
    return found | {f"{g.number} leases" for g in keys.generations if g.lease_secret}


@pytest.mark.parametrize(
    ("role", "secrets"),
    [
        (Role.DRIVER, {"2 driver"}),
        (Role.VIEWER, {"2 viewer"}),
        (
            Role.AGENT,
            {f"{n} {name}" for n in (1, 2) for name in ("server", "agent", "leases")},
        ),
    ],
    ids=lambda value: value.value if isinstance(value, Role) else "",
)
def test_the_part_for_a_role_has_no_other_secret(role: Role, secrets: set[str]) -> None:
    whole = rotated(make_keys(), make_generation())
    part = for_role(whole, role)
    assert held(part) == secrets
    assert from_text(to_text(part)) == part
    policy = policy_of(part, role, "part")
    assert policy.own == whole.newest.pairs[role]
    assert policy.server is not None
    assert policy.server.public == whole.newest.pairs[Role.SERVER].public


def test_an_agents_part_admits_both_generations_of_all_roles() -> None:
    whole = rotated(make_keys(), make_generation())
    admits = policy_of(for_role(whole, Role.AGENT), Role.AGENT, "part").admits
    assert set(admits) == {
        (pair.public, role) for each in whole.generations for role, pair in each.pairs.items()
    }


@pytest.mark.parametrize("held_role", [Role.DRIVER, Role.VIEWER, Role.AGENT], ids=lambda r: r.value)
@pytest.mark.parametrize("role", CLUSTER_ROLES, ids=lambda r: r.value)
def test_a_part_serves_its_own_role_only(held_role: Role, role: Role) -> None:
    part = for_role(make_keys(), held_role)
    serves = {
        Role.DRIVER: {Role.DRIVER, Role.VIEWER},  # the status command uses any key
        Role.VIEWER: {Role.VIEWER},
        Role.AGENT: {Role.AGENT, Role.SERVER, Role.VIEWER},
    }
    if role in serves[held_role]:
        assert policy_of(part, role, "part").own is not None
        return
    with pytest.raises(ConfigError, match=rf"part is not for an? .*{held_role.value}.*--role"):
        policy_of(part, role, "part")


def test_the_keys_command_names_the_file_that_a_part_is_made_from(tmp_path: Path) -> None:
    def output(*words: str) -> str:
        ended = CliRunner().invoke(keys, words)
        if ended.exception is not None:
            raise ended.exception
        return ended.output

    whole, viewer, driver, own = (str(tmp_path / name) for name in ("all", "viewer", "driver", "d"))
    assert "the keys of all roles; keep this file, and make the parts" in output(whole)
    assert output("--role", "viewer", viewer, "--from", whole).endswith(f"made from {whole}\n")
    for role in ("driver", "agent"):
        with pytest.raises(ConfigError, match=f"^{viewer} lacks keys of the role {role}: --from"):
            output("--role", role, driver, "--from", viewer)
    assert not os.path.exists(driver)
    made_from = rf"made from {user_key_path()}, the key of your user \(no --from was given\)$"
    assert re.search(made_from, output("--role", "driver", own))


def test_a_rotation_keeps_the_servers_key_and_ends_with_the_new_keys() -> None:
    old = make_keys()
    both = rotated(old, make_generation())
    assert [each.number for each in both.generations] == [2, 1]
    assert both.generations[1] == old.newest
    assert both.newest.pairs[Role.SERVER] == old.newest.pairs[Role.SERVER]
    for role in (Role.AGENT, Role.DRIVER, Role.VIEWER):
        assert both.newest.pairs[role] != old.newest.pairs[role]
    assert both.newest.lease_secret != old.newest.lease_secret
    assert without_old(both) == KeyFile((both.newest,))
    assert [each.number for each in rotated(without_old(both), make_generation()).generations] == [
        3,
        2,
    ]


# --- files ----------------------------------------------------------------------------------------


def write(path: Path, text: str = TEXT, mode: int = 0o600) -> str:
    path.write_text(text, newline="")
    path.chmod(mode)
    return str(path)


def test_a_key_file_is_the_users_own_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        save_keys(str(tmp_path / "key"), WHOLE)
        replace_keys(str(tmp_path / "key"), WHOLE)
    finally:
        os.umask(before)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["key"]


def test_a_key_is_never_written_over_another(tmp_path: Path) -> None:
    path = str(tmp_path / "key")
    save_keys(path, WHOLE)
    with pytest.raises(
        ConfigError, match=r"cannot make key file .*key: File exists; .* name another$"
    ):
        save_keys(path, make_keys())
    assert load_keys(path) == WHOLE
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(ConfigError, match="File exists"):
        save_keys(str(tmp_path / "link"), WHOLE)
    assert not (tmp_path / "target").exists()


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot make key file .*none/key: No such file"):
        save_keys(str(tmp_path / "none" / "key"), WHOLE)


def test_a_full_disk_leaves_no_half_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    opened = os.open

    def open_full(*_arguments: object) -> int:
        os.close(opened(path, os.O_CREAT | os.O_WRONLY, 0o600))
        return opened("/dev/full", os.O_WRONLY)

    monkeypatch.setattr(os, "open", open_full)
    with pytest.raises(ConfigError, match=r"cannot make key file .*key: No space left"):
        save_keys(str(path), WHOLE)
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o601, 0o604, 0o660, 0o444])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "key", mode=mode)
    with pytest.raises(ConfigError, match="readable by you only: chmod 600"):
        load_keys(path)
    os.chmod(path, 0o400)
    assert load_keys(path) == WHOLE


def test_a_key_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "key")
    stranger = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: stranger)
    with pytest.raises(ConfigError, match="must belong to you"):
        load_keys(path)


MOUNTED = """
import os, sys
from glowpy.errors import GlowError
from glowpy.wire.key_storage import load_keys
import glowpy.wire.key_file, ctypes
os.setgroups([2000]), os.setgid(1000), os.setuid(1000)
for path in sys.argv[1:]:
    try:
        print(load_keys(path).newest.number)
    except GlowError as exc:
        print(exc)
"""


@pytest.fixture
def world() -> Iterator[Path]:
    """A folder that all users can read, with the folders on its way."""
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="files of root and other groups take root")
def test_a_secret_that_is_mounted_for_a_group_is_taken(world: Path) -> None:
    """The mount of Kubernetes with `fsGroup: 2000`: root's files, through links to a dated
    directory."""
    dated = world / "..2026_11_30"
    dated.mkdir(mode=0o755)
    (world / "..data").symlink_to(dated.name)
    (world / "cluster.key").symlink_to("..data/cluster.key")
    os.chown(write(dated / "cluster.key", mode=0o440), 0, 2000)
    paths = [world / "cluster.key"]
    for mode, group in ((0o640, 2000), (0o460, 2000), (0o444, 2000), (0o440, 3000)):
        paths.append(dated / f"{mode:o}-{group}")
        os.chown(write(paths[-1], mode=mode), 0, group)
    ended = subprocess.run(
        [sys.executable, "-c", MOUNTED, *map(str, paths)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    linked, written, *refused = ended.stdout.splitlines()
    assert (linked, written) == ("1", "1")
    assert len(refused) == 3
    assert "readable by you only" in refused[0], "the group can write"
    assert "readable by you only" in refused[1], "all can read"
    assert "Permission denied" in refused[2], "another group"


@pytest.mark.skipif(os.geteuid() != 0, reason="groups other than one's own take root")
def test_root_takes_a_read_only_secret_of_its_group(tmp_path: Path) -> None:
    path = write(tmp_path / "key", mode=0o440)
    assert load_keys(path) == WHOLE
    os.chown(path, 0, 54_321)
    with pytest.raises(ConfigError, match=r"mounted secret .*mode 0440"):
        load_keys(path)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read key file .*key: No such file"):
        load_keys(str(tmp_path / "key"))


def test_a_path_that_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    before = len(os.listdir("/proc/self/fd"))
    for name in ("pipe", "folder"):
        with pytest.raises(ConfigError, match="is not a key file"):
            load_keys(str(tmp_path / name))
    assert len(os.listdir("/proc/self/fd")) == before


# --- descriptors ----------------------------------------------------------------------------------


def written_pipe(data: str) -> int:
    reading, writing = os.pipe()

    def write_all() -> None:
        with os.fdopen(writing, "w") as end:
            end.write(data)

    threading.Thread(target=write_all).start()
    return reading


@pytest.mark.parametrize(
    "name", [lambda n: f"fd:{n}", lambda n: f"/dev/fd/{n}", lambda n: f"/proc/self/fd/{n}"]
)
def test_a_descriptor_is_read_once_and_closed(name: Callable[[int], str]) -> None:
    descriptor = written_pipe(TEXT)
    given = name(descriptor)
    assert load_keys(given) == WHOLE
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert load_keys(given) == WHOLE, "the next run of a script gets the same keys"
    key_storage._read_once.cache_clear()


@pytest.mark.parametrize(("data", "fault"), [("", "is empty"), ("x" * 9000, "is not a key file")])
def test_other_content_of_a_descriptor_is_refused(data: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        load_keys(f"fd:{written_pipe(data)}")
    key_storage._read_once.cache_clear()


def test_a_descriptor_that_is_not_open_is_named() -> None:
    with pytest.raises(ConfigError, match="cannot read the key from descriptor 12345"):
        load_keys("fd:12345")


def test_standard_input_is_a_key_file_and_children_do_not_inherit_it() -> None:
    code = (
        "import os; from glowpy.wire.key_storage import load_keys; "
        "print(load_keys('-').newest.number, os.readlink('/proc/self/fd/0'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=TEXT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "1 /dev/null\n", done.stderr
