"""`~` and `file://` in every path argument."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import glowpy.testing
from glowpy import Flow
from glowpy.errors import ConfigError, InputError, OutputError, ProgramError
from glowpy.paths import expand_path, split_paths
from glowpy.program.related import find_related, local_path
from glowpy.wire.key_policy import policy_from_file
from glowpy.wire.roles import Role
from tests.commands import run
from tests.runners import ON_EVERY_RUNNER, Runner


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("~", "{home}"),
        ("~/a b", "{home}/a b"),
        ("./~/a", "./~/a"),
        ("a~", "a~"),
        ("~no-such-user/a", "~no-such-user/a"),
        ("file:///tmp/a%20b%FF", "/tmp/a b\udcff"),
        ("FILE://localhost/a", "/a"),
        ("file", "file"),
        (".://b/c", ".://b/c"),
        ("", ""),
    ],
)
def test_a_path_as_users_write_it(home: Path, given: str, path: str) -> None:
    assert expand_path(given) == path.format(home=home)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("file://host/a", "a file:// URL needs an absolute path on this host"),
        ("file://localhost", "a file:// URL needs an absolute path on this host"),
        ("s3://bucket/a", "s3:// is not supported; a path or a file:// URL is needed"),
        ("https://host/a", "https:// is not supported"),
    ],
)
def test_other_urls_are_refused_in_every_path_argument(given: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        expand_path(given)
    flow = Flow(["-glow.inline"])
    with pytest.raises(InputError, match=rf"Source0 \(test_paths\.py:\d+\): cannot read .*{said}"):
        flow.text_file(given, 1).run()
    with pytest.raises(OutputError, match=f"cannot write {given}: {said}"):
        flow.slice([1]).save_text_to_file(given)
    with pytest.raises(ConfigError, match=f"cannot read key file {given}: {said}"):
        policy_from_file(given, Role.DRIVER)
    with pytest.raises(ProgramError, match=f"{given} cannot be sent to the agents: {said}"):
        find_related(given)
    done = run("keys", given)
    assert done.returncode == 2 and said in done.stderr


@ON_EVERY_RUNNER
def test_files_are_read_and_written_under_the_home_folder_and_under_urls(
    new_flow: Runner, home: Path
) -> None:
    flow = new_flow()
    (home / "a b").write_text("one\ntwo\n")
    flow.text_file("~/a b", 2).save_text_to_file("~/out")
    flow.text_file(["~/a *", f"file://{home}/a%20b"], 2).save_text_to_file(f"file://{home}/out.gz")
    assert (home / "out").read_text() == "one\ntwo\n"
    assert flow.text_file("~/out.gz", 1).collect() == ["one", "two"] * 2
    assert sorted(os.listdir(home)) == ["a b", "out", "out.gz"]


def test_related_files_and_key_files(home: Path) -> None:
    (home / "table").write_text("x")
    (home / "more").write_text("y")
    flag = f"~/table:file://{home}/more:"
    assert split_paths(flag) == ["~/table", f"file://{home}/more"]
    related, _sources = find_related(flag)
    assert [each.path for each in related] == ["more", "table"]
    assert local_path("~/table", flag) == str(home / "table")
    assert local_path(f"file://{home}/more", flag) == str(home / "more")

    done = run("keys", "~/cluster.key")
    assert done.returncode == 0, done.stderr
    policy = policy_from_file(str(home / "cluster.key"), Role.DRIVER)
    assert policy_from_file("~/cluster.key", Role.DRIVER) == policy
    assert policy_from_file(f"file://{home}/cluster.key", Role.DRIVER) == policy


@pytest.mark.slow
def test_a_script_with_related_files_and_a_key_below_the_home_folder(home: Path) -> None:
    run("keys", "~/cluster.key")
    (home / "table").write_text("row of the table")
    script = home / "script.py"
    script.write_text(
        "import glowpy\n"
        "def read(_row):\n"
        "    return open(glowpy.related_file('~/table')).read()\n"
        "print(glowpy.Flow().slice([1]).map(read).collect())\n"
    )
    with glowpy.testing.LocalCluster(1, directory="~") as cluster:
        flags = [*cluster.flags, "-glow.related.files=~/table"]
        done = subprocess.run(
            [sys.executable, script, *flags], capture_output=True, text=True, timeout=60, check=True
        )
    assert done.stdout == "['row of the table']\n"
    assert sorted(os.listdir(home)) == ["cluster.key", "script.py", "table"]
