"""text_file, from the flow to its rows: files found on every runner, and refused arguments."""

from __future__ import annotations

import gzip
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from glowpy import Flow
from glowpy.driver.listing import list_inputs
from glowpy.errors import DefinitionError, InputError
from glowpy.planner.fusion import make_plan
from glowpy.planner.run_description import InputFile
from tests.batch import in_one_run
from tests.forked import become_nobody, in_fork
from tests.runners import ON_EVERY_RUNNER, Runner

HOST = socket.gethostname()


def listed(path: Any, encoding: str = "utf-8") -> list[str]:
    return [entry.path for entry in entries(path, encoding)]


def entries(path: Any, encoding: str = "utf-8") -> tuple[InputFile, ...]:
    """The files that the driver lists for text_file(path)."""
    dataset = Flow(["-glow.inline"]).text_file(path, 1, encoding)
    return list_inputs(make_plan(dataset._graph, [dataset._node], stored=True))[0]


# --- on every runner -----------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [1, 3])
def test_a_path_a_glob_and_a_compressed_file_in_one_list(
    new_flow: Runner, tmp_path: Path, shards: int
) -> None:
    (tmp_path / "plain").write_bytes("1\r\n2\f\x1c\x85\u2028\r\r\n\n3".encode())
    (tmp_path / "b.log").write_text("5\n")
    (tmp_path / "a.log").write_text("4\n")
    (tmp_path / "c.log").write_text("")
    (tmp_path / "z.gz").write_bytes(gzip.compress(b"6\n7"))
    dataset = new_flow().text_file(
        [tmp_path / "plain", str(tmp_path / "*.log"), tmp_path / "z.gz"], shards
    )
    assert dataset.collect() == ["1", "2\f\x1c\x85\u2028\r", "", "3", "4", "5", "6", "7"]


def test_more_shards_than_lines_and_no_lines_at_all(new_flow: Runner, tmp_path: Path) -> None:
    (tmp_path / "few").write_text("one\ntwo\n")
    (tmp_path / "none").write_text("")
    flow = new_flow()
    assert flow.text_file(tmp_path / "few", 9).collect() == ["one", "two"]
    assert flow.text_file(tmp_path / "none", 2).count() == 0


def test_encoding_and_errors_reach_the_tasks(new_flow: Runner, tmp_path: Path) -> None:
    (tmp_path / "wide").write_bytes("für\n東京\n".encode("utf-16"))
    (tmp_path / "mixed").write_bytes(b"f\xfcr\n")
    flow = new_flow()
    assert flow.text_file(tmp_path / "wide", 2, "utf-16").collect() == ["für", "東京"]
    assert flow.text_file(tmp_path / "mixed", 2, errors="replace").collect() == ["f\ufffdr"]


@ON_EVERY_RUNNER
def test_strange_file_names(
    new_flow: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["new\nline", " sp ace ", "ünï", "sur\udcffrogate", "[a]*?"]
    for name in names:
        (tmp_path / name).write_text(f"{name!a}\n")
    monkeypatch.chdir(tmp_path)  # relative names are resolved in the driver's working directory
    flow = new_flow()
    assert flow.text_file(names, 3).collect() == [ascii(name) for name in names]
    assert flow.text_file("sur*", 1).collect() == [ascii("sur\udcffrogate")]


@ON_EVERY_RUNNER
def test_bytes_that_are_no_text_fail_the_run(new_flow: Runner, tmp_path: Path) -> None:
    path = tmp_path / "sur\udcffrogate"
    path.write_bytes(b"good\nbad \xff\n")
    with pytest.raises(InputError, match=r"is not utf-8: byte 9 \(0xff\)") as failure:
        new_flow().text_file(path, 2).run()
    assert str(tmp_path) in str(failure.value)


@ON_EVERY_RUNNER
def test_a_broken_gz_file_fails_the_run(new_flow: Runner, tmp_path: Path) -> None:
    path = tmp_path / "broken.gz"
    path.write_bytes(gzip.compress(b"line\n" * 100)[:-9])
    with pytest.raises(InputError, match=f"cannot read {path} on {HOST}: .*ended before"):
        new_flow().text_file(path, 2).collect()


@ON_EVERY_RUNNER
def test_a_missing_file_fails_before_anything_runs(new_flow: Runner, tmp_path: Path) -> None:
    flow = new_flow()
    touched = flow.slice([1]).map(lambda _: (tmp_path / "touched").touch())
    flow.text_file(tmp_path / "none", 2)
    with pytest.raises(InputError, match=r"Source2 \(test_text_file.py:\d+\): cannot read"):
        flow.run()
    assert not (tmp_path / "touched").exists()
    touched.run()
    assert (tmp_path / "touched").exists()


# --- the driver's list of files ------------------------------------------------------------------


def test_the_list_holds_absolute_paths_sizes_and_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("12345")
    os.utime(path, ns=(0, 1_234_567_890_123_456_789))
    monkeypatch.chdir(tmp_path)
    assert entries("file") == (InputFile(str(path), 5, 1_234_567_890_123_456_789),)


def test_a_glob_gives_files_in_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "below" / "deep").mkdir(parents=True)
    for name in ["b.txt", "a.txt", "c.csv", ".hidden.txt", "below/d.txt", "below/deep/e.txt"]:
        (tmp_path / name).touch()
    (tmp_path / "folder.txt").mkdir()
    found = [os.path.relpath(path, tmp_path) for path in listed(tmp_path / "*.txt")]
    assert found == ["a.txt", "b.txt"]
    found = [os.path.relpath(path, tmp_path) for path in listed(tmp_path / "**" / "*.txt")]
    assert found == ["a.txt", "b.txt", "below/d.txt", "below/deep/e.txt"]


def test_a_name_that_looks_like_a_glob_means_its_file_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "[ab]").touch()
    (tmp_path / "a").touch()
    assert listed(tmp_path / "[ab]") == [str(tmp_path / "[ab]")]
    (tmp_path / "[ab]").unlink()
    assert listed(tmp_path / "[ab]") == [str(tmp_path / "a")]


def test_a_file_named_twice_is_read_twice(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert listed([tmp_path / "a", tmp_path / "*"]) == [str(tmp_path / "a")] * 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none", f"cannot read .*/none on {HOST}: No such file"),
        ("*.none", rf"no file matches .*/\*.none on {HOST}"),
        ("folder", f"/folder on {HOST} is a directory; name its files, for instance '.*/folder/"),
        ("pipe", f"/pipe on {HOST} is not a regular file"),
        ("dangling", f"cannot read .*/dangling on {HOST}: No such file"),
        ("dang*", f"cannot read .*/dangling on {HOST}: No such file"),
        ("file/below", f"cannot read .*/file/below on {HOST}: Not a directory"),
        ("nul\0byte", f"cannot read .* on {HOST}: embedded null"),
        ("\ud800", f"cannot read .* on {HOST}: .* surrogates not allowed"),
    ],
)
def test_missing_files_are_refused_with_step_path_and_host(
    tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(InputError, match=words) as failure:
        listed(str(tmp_path / name))
    assert str(failure.value).startswith("Source0 (test_text_file.py:")


def test_a_file_that_may_not_be_read_is_refused() -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        path = Path(directory, "secret")
        path.touch(mode=0)

        def listed_by_another_user() -> str:
            become_nobody()
            try:
                return str(listed(path))
            except InputError as exc:
                return str(exc)

        assert f"{path} on {HOST} may not be read" in in_fork(listed_by_another_user)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ([], "empty list of paths"),
        ("", "needs a path, a glob or a list, not ''"),
        (b"bytes", "needs a path, a glob or a list, not b'bytes'"),
        (["a", 1], "needs a path, a glob or a list, not 1"),
        (None, "needs a path, a glob or a list, not None"),
    ],
)
def test_invalid_paths_are_a_definition_error(path: Any, words: str) -> None:
    with pytest.raises(DefinitionError, match=rf"test_text_file.py:\d+: .*{words}"):
        Flow(["-glow.inline"]).text_file(path, 1)


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13", "utf-8\0"])
def test_an_encoding_that_python_does_not_have_is_a_definition_error(encoding: str) -> None:
    with pytest.raises(DefinitionError, match=r"test_text_file.py:\d+: text_file\(\)"):
        Flow(["-glow.inline"]).text_file("x", 1, encoding)
    with pytest.raises(DefinitionError, match=r"test_text_file.py:\d+: text_file\(\)"):
        Flow(["-glow.inline"]).text_file("x", 1, errors="nonsense")


test_in_one_run = in_one_run()
