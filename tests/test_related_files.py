"""-glow.related.files and -glow.module: shipped files, paths in tasks, the agent's view."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

import glowpy
from glowpy import Flow
from glowpy.errors import ConfigError, ProgramError
from glowpy.program.manifest import Related
from glowpy.program.related import find_related, local_path, path_in_task, related_name
from tests.processes import IN_EVERY_MODE, ON_THE_CLUSTER, flags_of, run, server

A = hashlib.sha256(b"a").hexdigest()


def write(path: Path, text: str = "a", mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


# --- files found by a driver ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "name"),
    [("m.bin", "m.bin"), ("./a//m.bin", "a/m.bin"), ("a/../m", "m"), ("..m", "..m"), (".", ".")]
    + [("/data/m.bin", "m.bin"), ("/data/dir/", "dir"), ("../x/m", "m"), ("a/../../m", "m")],
)
def test_the_name_of_a_file_that_goes_along(given: str, name: str) -> None:
    assert related_name(given) == name


def test_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = write(tmp_path / "models" / "m.bin")
    tool = write(tmp_path / "tool", mode=0o700)
    other = write(tmp_path / "elsewhere" / "deep" / "er" / "ö x", "b")
    monkeypatch.chdir(tmp_path)
    flag = os.pathsep.join(["models", "./tool", str(tmp_path / "elsewhere" / "deep"), "tool", ""])
    related, sources = find_related(flag)
    assert related == (
        Related("deep/er/ö x", hashlib.sha256(b"b").hexdigest(), 1),
        Related("models/m.bin", A, 1),
        Related("tool", A, 1, is_executable=True),
    )
    assert set(sources.values()) in ({model, other}, {tool, other})
    assert find_related("") == ((), {})


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "x", "one")
    ((first,), _) = find_related(str(path))
    write(path, "three")
    ((second,), _) = find_related(str(path))
    assert (first.size_bytes, second.size_bytes) == (3, 5) and first.sha256 != second.sha256


def test_without_a_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    os.chdir("gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ProgramError, match=r"x cannot be sent .* has been removed"):
        find_related("x")


def test_unreadable_related_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "x")
    write(tmp_path / "d" / "x", "other")
    os.mkfifo(tmp_path / "pipe")
    for flag, reason in {
        "missing": "missing cannot be sent to the agents: No such file",
        "pipe": "pipe cannot be sent to the agents: it is neither a file nor a folder",
        f"x:{tmp_path}/d/x": "x would be called x, too; rename one of them",
        "/": "it has no name of its own",
        "..": "it has no name of its own",
    }.items():
        with pytest.raises(ProgramError, match=r"^-glow\.related\.files: ") as refused:
            find_related(flag)
        assert reason in str(refused.value)


def test_a_file_is_found_by_its_name_in_driver_and_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert local_path("x", None) == str(tmp_path / "x")
    assert local_path("d/x", "y:d") == str(tmp_path / "d" / "x")
    for name in ("x", "dd"):
        with pytest.raises(ConfigError, match=rf"start the script with -glow.related.files={name}"):
            local_path(name, "y:d")
    monkeypatch.setenv("GLOWPY_PROGRAM", str(tmp_path / "program"))
    there = write(tmp_path / "program" / "related" / "d" / "x")
    assert path_in_task("./d/x") == str(there)
    assert path_in_task("/anywhere/d") == str(there.parent)
    with pytest.raises(ConfigError, match="is not sent"):
        path_in_task("/etc/passwd")


# --- scripts -------------------------------------------------------------------------------------

SCRIPT = """
import os, subprocess
import glowpy
from glowpy import Flow

def ask(name):
    with open(glowpy.related_file("words/en.txt")) as file:
        text = file.read()
    said = subprocess.check_output([glowpy.related_file("bin/tool"), name], text=True)
    return text + said, os.path.realpath(glowpy.related_file("words"))

rows = Flow().slice(["a", "b"], 2).map(ask).collect()
for text, place in rows:
    print(text.strip(), place == os.path.realpath("words"))
"""


@pytest.mark.slow
@IN_EVERY_MODE
def test_a_script_finds_its_files_in_every_mode(mode: str, cluster: str, tmp_path: Path) -> None:
    write(tmp_path / "words" / "en.txt", "word ")
    write(tmp_path / "bin" / "tool", "#!/bin/sh\necho said $1\n", 0o700)
    write(tmp_path / "script.py", SCRIPT)
    words = flags_of(mode, cluster)
    if "-glow" in words:
        words.append("-glow.related.files=words:bin/tool")
    is_here = "-glow" not in words
    ended = run(tmp_path, "script.py", *words, "-glow.quiet")
    assert ended.stdout.splitlines() == [f"word said a {is_here}", f"word said b {is_here}"]


@pytest.mark.slow
def test_a_flow_without_a_script_takes_files_along(cluster: str, tmp_path: Path) -> None:
    path = str(write(tmp_path / "m.bin", "model"))
    flow = Flow([*flags_of("cluster", cluster), f"-glow.related.files={path}"])

    def read(_row: int) -> tuple[str, bool]:
        found = glowpy.related_file(path)
        return Path(found).read_text(), found == path

    assert flow.slice([1]).map(read).collect() == [("model", False)]


@pytest.mark.slow
@ON_THE_CLUSTER
def test_a_file_that_was_not_named_is_missed_at_once(
    mode: str, cluster: str, tmp_path: Path
) -> None:
    script = "import glowpy\nfrom glowpy import Flow\nglowpy.related_file('m.bin')\n"
    write(tmp_path / "script.py", script + "Flow().slice([1]).run()\n")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster), "-glow.quiet", status=1)
    assert "start the script with -glow.related.files=m.bin" in ended.stderr


@pytest.mark.slow
def test_a_file_that_is_missing_is_named(cluster: str, tmp_path: Path) -> None:
    write(tmp_path / "script.py", "from glowpy import Flow\nFlow().slice([1]).run()\n")
    words = [*flags_of("cluster", cluster), "-glow.related.files=m.bin"]
    ended = run(tmp_path, "script.py", *words, status=1)
    assert "m.bin cannot be sent to the agents: No such file or directory" in ended.stderr


WHERE = """
import os
import glowpy
from glowpy import Flow

if not glowpy.is_task():
    os.chdir(here := os.path.join(os.getcwd(), "gone"))
flow = Flow().slice([1]).map(lambda row: (open("en.txt").read(), os.getcwd()))
if not glowpy.is_task():
    os.rmdir(here)
print(*flow.collect()[0])
"""


@pytest.mark.slow
def test_an_agent_without_the_drivers_folder(tmp_path: Path) -> None:
    """Tasks run in a directory of their run, named after the module, and find the files there."""
    write(tmp_path / "words" / "en.txt", "word")
    (tmp_path / "gone").mkdir()
    write(tmp_path / "script.py", WHERE)
    with (
        server(tmp_path, "master", "--address", "127.0.0.1:0") as master,
        server(
            tmp_path, "agent", "--master", master.address, "--port", "0", "--dir", "agent"
        ) as agent,
    ):
        words = ["-glow", f"-glow.leader={master.address}", "-glow.module=nightly"]
        for files_fetched in (2, 0):
            flag = f"-glow.related.files={tmp_path}/words/en.txt"
            ended = run(tmp_path, "script.py", *words, flag)
            text, place = ended.stdout.split()
            assert text == "word"
            assert Path(place).is_relative_to(tmp_path / "agent" / "runs")
            assert Path(place).parts[-2].startswith("nightly-")
            agent.log.await_match(r"run \w+ of module nightly begins")
            agent.log.await_match(rf"run \w+: {files_fetched} program files fetched")
            (tmp_path / "gone").mkdir()
