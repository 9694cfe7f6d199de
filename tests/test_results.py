"""Results of terminal calls; result files are complete or absent."""

from __future__ import annotations

import os
import re
import resource
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from glowpy import Flow
from glowpy.driver import execute
from glowpy.driver.results import Nothing, Result, RowCount, Rows, TextFile, result_of
from glowpy.errors import OutputError, TaskFailed
from glowpy.flow.entry import Call, Terminal
from glowpy.planner.run_description import Sink
from tests.commands import PATIENCE_S
from tests.forked import become_nobody, in_fork
from tests.runners import ON_EVERY_RUNNER, Runner


def names_in(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def write(path: Path, *batches: list[bytes]) -> None:
    with TextFile(str(path)) as result:
        for batch in batches:
            result.add(batch)
        result.finish(0)


# --- rows and counts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terminal", "kind", "sink"),
    [
        (Terminal.RUN, Nothing, Sink.DRAIN),
        (Terminal.COUNT, RowCount, Sink.DRAIN),
        (Terminal.COLLECT, Rows, Sink.ROWS),
    ],
)
def test_each_terminal_call_has_its_result(
    terminal: Terminal, kind: type[Result], sink: Sink
) -> None:
    dataset = Flow(["-glow.inline"]).slice([1])
    result = result_of(Call(dataset._graph, (dataset._node,), terminal))
    assert type(result) is kind and result.sink is sink


def test_drained_rows_are_counted_where_they_were_made() -> None:
    assert RowCount().finish(7) == 7
    assert Nothing().finish(7) is None  # type: ignore[func-returns-value]
    with pytest.raises(AssertionError):
        Nothing().add([1])


def test_rows_are_rewound_to_the_last_mark() -> None:
    with Rows() as rows:
        rows.add([1, 2])
        rows.rewind()
        rows.add([3])
        rows.mark()
        rows.add([4])
        rows.add([5])
        rows.rewind()
        rows.rewind()
        rows.add([6])
        assert rows.finish(0) == [3, 6]


# --- a text file ---------------------------------------------------------------------------------


def test_a_file_is_rewound_to_the_last_mark(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with TextFile(str(path)) as result:
        assert result.sink is Sink.TEXT
        result.add([b"lost\n"])
        result.rewind()
        result.add([b"one\n", b"two\n"])
        result.mark()
        result.add([b"lost, too, and longer than what comes\n" * 1000])
        result.rewind()
        result.rewind()
        result.add([b"three\n"])
        result.mark()
        assert not path.exists()
        result.finish(3)
    assert path.read_bytes() == b"one\ntwo\nthree\n"
    assert names_in(tmp_path) == ["out"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_a_file_has_the_permissions_of_any_new_file(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "out"
    before = os.umask(umask)
    try:
        write(path, [b"x\n"])
        assert os.umask(umask) == umask  # unchanged
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    assert path.read_bytes() == b"x\n"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    path, link = tmp_path / "out", tmp_path / "link"
    path.write_text("older")
    path.chmod(mode)
    link.symlink_to(path)
    write(link, [b"x\n"])
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"x\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root passes files to other users")
def test_a_file_that_is_replaced_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("older")
    os.chown(path, 12345, 23456)
    path.chmod(0o640)
    write(path, [b"x\n"])
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12345, 23456, 0o640)


def test_a_file_of_another_owner_that_may_be_written_becomes_the_writers() -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o777)
        path = os.path.join(directory, "out")
        Path(path).write_text("older")
        os.chmod(path, 0o666)

        def write_as_another_user() -> str:
            become_nobody()
            write(Path(path), [b"x\n"])
            return oct(stat.S_IMODE(os.stat(path).st_mode))

        assert in_fork(write_as_another_user) == "0o666"
        assert Path(path).read_bytes() == b"x\n"


def test_readers_of_an_older_file_keep_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("older")
    with path.open() as reader:
        write(path, [b"newer\n"])
        assert reader.read() == "older"
    assert path.read_text() == "newer\n"


def test_a_symbolic_link_stays_one_and_its_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "target", tmp_path / "link"
    link.symlink_to(target)
    for content in (b"first\n", b"second\n"):
        write(link, [content])
        assert link.is_symlink() and target.read_bytes() == content
    assert names_in(tmp_path / "elsewhere") == ["target"]


@pytest.mark.parametrize("name", ["x" * 255, "ä" * 127, "new\nline", " ", "sur\udcffrogate"])
def test_any_name_that_a_file_can_have(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, [b"x\n"])
    assert names_in(tmp_path) == [name]


def test_a_relative_path_is_that_of_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "later").mkdir()
    monkeypatch.chdir(tmp_path)
    with TextFile("out") as result:
        monkeypatch.chdir(tmp_path / "later")
        result.finish(0)
    assert names_in(tmp_path) == ["later", "out"]


# --- targets that are written to, not replaced ---------------------------------------------------


def test_devices_are_written_to_and_not_replaced() -> None:
    write(Path("/dev/null"), [b"x\n"])
    with pytest.raises(OutputError, match="cannot write /dev/full: No space left on device"):
        write(Path("/dev/full"), [b"x\n"])
    for device in ("/dev/null", "/dev/full"):
        assert stat.S_ISCHR(os.stat(device).st_mode)


@ON_EVERY_RUNNER
def test_a_pipe_gets_the_rows_of_all_shards_at_the_end(new_flow: Runner, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True)
    new_flow().slice(range(5), shards=3).save_text_to_file(pipe)
    assert reader.communicate(timeout=PATIENCE_S)[0] == "0\n1\n2\n3\n4\n"
    assert names_in(tmp_path) == ["pipe"] and stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_pipe_gets_nothing_of_a_run_that_fails(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True)
    with pytest.raises(TaskFailed):
        Flow(["-glow.inline"]).slice([1, 0], 2).map(lambda n: 1 / n).save_text_to_file(pipe)
    assert reader.communicate(timeout=PATIENCE_S)[0] == ""


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
@pytest.mark.parametrize("is_file", [True, False])
def test_standard_output_gets_the_rows_in_turn_with_what_is_printed(
    tmp_path: Path, name: str, is_file: bool
) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    script = f"""\
from glowpy import Flow
print("before")
rows = Flow(["-glow.inline"]).slice("ab", 2)
rows.save_text_to_file({name!r})
print("between")
rows.map(str.encode).save_bytes_to_file({name!r})
print("after")
"""
    with (tmp_path / "out").open("w+") as out:
        done = subprocess.run(
            [sys.executable, "-c", script],
            stdout=out if is_file else subprocess.PIPE,
            cwd=tmp_path,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
        out.seek(0)
        written = out.read() if is_file else done.stdout
    assert written == "before\na\nb\nbetween\nabafter\n"
    assert names_in(tmp_path) == ["link", "out"]


# --- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("folder", "it is a directory"),
        ("none/out", "No such file or directory"),
        ("file/out", "Not a directory"),
        ("nul\0byte", "embedded null"),
        ("\ud800", "surrogates not allowed"),
        ("x" * 300, "File name too long"),
    ],
)
def test_unwritable_results_are_refused_before_the_run(
    tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    dataset = Flow(["-glow.inline"]).slice([1]).map(lambda row: (tmp_path / "ran").touch())
    with pytest.raises(OutputError, match=f"cannot write .*: .*{words}"):
        dataset.save_text_to_file(os.path.join(tmp_path, name))
    assert names_in(tmp_path) == ["file", "folder"]


def test_a_file_that_may_not_be_written_is_refused_though_its_folder_may() -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o777)
        path = Path(directory, "out")
        path.write_text("older")
        path.chmod(0o444)

        def write_as_another_user() -> str:
            become_nobody()
            with pytest.raises(OutputError) as error:
                write(path, [b"x"])
            return str(error.value)

        assert in_fork(write_as_another_user) == f"cannot write {path}: Permission denied"
        assert path.read_text() == "older"


def test_a_folder_that_may_not_be_written_is_refused() -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o555)

        def write_as_another_user() -> str:
            become_nobody()
            try:
                TextFile(os.path.join(directory, "out"))
            except OutputError as exc:
                return str(exc)
            return "written"

        assert in_fork(write_as_another_user) == (
            f"cannot write {directory}/out: Permission denied"
        )


# --- failures leave nothing ----------------------------------------------------------------------


@pytest.mark.parametrize("error", [TaskFailed("no"), KeyboardInterrupt(), SystemExit(1)])
def test_a_failure_leaves_neither_file_nor_temporary_file(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "out"
    for older in (None, "older"):
        if older:
            path.write_text(older)
        with pytest.raises(type(error)), TextFile(str(path)) as result:
            result.add([b"x\n" * 100_000])
            raise error
        assert names_in(tmp_path) == (["out"] if older else [])
    assert path.read_text() == "older"


# A limit on the size of files replaces a full disk: the same system calls fail.
LIMIT_BYTES = 100_000


def on_a_full_disk(path: Path, *steps: tuple[str, Any]) -> str:
    """Call methods of a TextFile under a limit on file sizes; return the error."""

    def call() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES))
        done = ""
        try:
            with TextFile(str(path)) as result:
                for name, *values in steps:
                    getattr(result, name)(*values)
                    done += f"{name} "
        except OutputError as exc:
            return f"{done}then {exc}"
        return done

    return in_fork(call)


@pytest.mark.parametrize(
    ("steps", "done"),
    [
        ([("add", [b"x" * (2 * LIMIT_BYTES)])], ""),
        ([("add", [b"x" * LIMIT_BYTES]), ("mark",), ("add", [b"y"]), ("rewind",)], "add mark add "),
        ([("add", [b"x" * LIMIT_BYTES]), ("add", [b"y"]), ("finish", 0)], "add add "),
    ],
    ids=["while rows come", "while a shard is rewound", "at the end"],
)
def test_a_full_disk_is_an_output_error_and_leaves_nothing(
    tmp_path: Path, steps: list[tuple[str, Any]], done: str
) -> None:
    path = tmp_path / "out"
    assert on_a_full_disk(path, *steps) == f"{done}then cannot write {path}: File too large"
    assert names_in(tmp_path) == []
    path.write_text("older")
    assert on_a_full_disk(path, *steps).endswith("File too large")
    assert names_in(tmp_path) == ["out"] and path.read_text() == "older"


@ON_EVERY_RUNNER
def test_a_failing_run_leaves_nothing(new_flow: Runner, tmp_path: Path) -> None:
    def refuse_the_last(row: int) -> int:
        return row // (row - 29_999)

    rows = new_flow().source(lambda: range(30_000), 3).map(refuse_the_last)
    with pytest.raises(TaskFailed, match="ZeroDivisionError"):
        rows.save_text_to_file(tmp_path / "out")
    assert names_in(tmp_path) == []


# --- large results -------------------------------------------------------------------------------


@ON_EVERY_RUNNER
def test_a_large_result_is_noted_by_the_bytes_received(
    new_flow: Runner, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(execute, "_MUCH_BYTES", 2_000_000)
    rows = new_flow().slice([b"x" * 1_000_000] * 2, 2)
    assert len(rows.collect()) == 2
    note = (
        r"glowpy: collect\(\) has transferred 2\.0 MB to the driver; to keep the rows out of "
        r"memory, use save_text_to_file\(\) or save_bytes_to_file\(\); count\(\) and take\(\) "
        r"transfer less\n"
    )
    assert re.search(note, capfd.readouterr().err)
    assert rows.count() == 2 and len(rows.take(1)) == 1
    assert len(new_flow("-glow.quiet").slice([b"x" * 3_000_000]).collect()) == 1
    assert "has transferred" not in capfd.readouterr().err
