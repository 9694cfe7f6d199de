"""Side effects of a script, detected by audit events, and the line that caused them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

import glowpy
from glowpy.task import notes
from glowpy.task.effects import READINGS, Effect, effect_of
from glowpy.task.rerun_guard import RerunGuard

_seen: list[tuple[str, tuple[Any, ...]]] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _seen is not None and event in READINGS:
        _seen.append((event, arguments))


sys.addaudithook(_hook)  # once: Python cannot remove an audit hook


def effects_of(statement: str, folder: Path) -> list[Effect]:
    """The effects that Python reports while a statement runs in a folder."""
    global _seen
    code = compile(statement, "script.py", "exec")
    before = Path.cwd()
    os.chdir(folder)
    names = {name: __import__(name) for name in ("os", "shutil", "socket", "sqlite3", "subprocess")}
    _seen = []
    try:
        exec(code, {**names, "Path": Path})
    finally:
        seen, _seen = _seen, None
        os.chdir(before)
    found = (effect_of(event, arguments) for event, arguments in seen)
    return [effect for effect in found if effect is not None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "b.txt").write_text("b")
    return tmp_path


@pytest.mark.parametrize(
    ("statement", "doing"),
    [
        ("open('a.txt', 'w').close()", "opens a.txt for writing, which empties it"),
        ("open(b'a.txt', 'wb+').close()", "opens a.txt for writing, which empties it"),
        ("Path('a.txt').write_text('x')", "opens a.txt for writing, which empties it"),
        ("os.close(os.open('a.txt', os.O_RDWR | os.O_TRUNC))", "opens a.txt for writing, which"),
        ("os.remove('a.txt')", "removes a.txt"),
        ("Path('a.txt').unlink()", "removes a.txt"),
        ("os.rename('a.txt', 'c.txt')", "renames a.txt to c.txt"),
        ("os.replace('a.txt', 'full/b.txt')", "renames a.txt to full/b.txt"),
        ("os.truncate('a.txt', 0)", "truncates a.txt"),
        ("shutil.rmtree('full')", "removes full"),
        ("shutil.rmtree('missing', ignore_errors=True)", "removes missing"),
        ("shutil.move('a.txt', 'c.txt')", "renames a.txt to c.txt"),
        ("shutil.copy('a.txt', 'full/b.txt')", "opens full/b.txt for writing, which empties it"),
    ],
)
def test_calls_that_destroy_files(statement: str, doing: str, folder: Path) -> None:
    effects = [effect for effect in effects_of(statement, folder) if effect.destroys]
    assert effects and effects[0].doing.startswith(doing)
    assert effects[0].targets


@pytest.mark.parametrize(
    ("statement", "doing"),
    [
        ("open('a.txt', 'a').close()", "appends to a.txt"),
        ("open('a.txt', 'r+').close()", "opens a.txt for writing"),
        ("open('new.txt', 'x').close()", "creates new.txt"),
        ("os.makedirs('new/er')", "creates the folder new"),
        ("subprocess.run(['true'])", "starts the process true"),
        ("os.system('true')", "runs the command true"),
        (
            "os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)",
            "starts the process /bin/true",
        ),
        ("sqlite3.connect('x.db').close()", "opens the database x.db"),
        ("socket.create_server(('127.0.0.1', 0)).close()", "binds a socket to 127.0.0.1:0"),
        ("with socket.socket() as s: s.connect_ex(('127.0.0.1', 1))", "connects to 127.0.0.1:1"),
    ],
)
def test_calls_that_would_be_repeated(statement: str, doing: str, folder: Path) -> None:
    effects = effects_of(statement, folder)
    assert effects[0].doing == doing
    assert not any(effect.destroys for effect in effects)


@pytest.mark.parametrize(
    "statement",
    [
        "open('a.txt').close()",
        "os.listdir()",
        "os.stat('a.txt')",
        "sqlite3.connect(':memory:').close()",
    ],
)
def test_reading_is_no_effect(statement: str, folder: Path) -> None:
    assert effects_of(statement, folder) == []


# --- the guard ---


class Refused(Exception):
    """Raised in place of the end of the process."""


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RerunGuard:
    def refuse(reason: str) -> NoReturn:
        raise Refused(reason)

    monkeypatch.setattr(notes, "_waiting", [])
    monkeypatch.setattr(notes, "_subjects", set())
    (tmp_path / "run").mkdir()
    return RerunGuard(str(tmp_path / "code"), str(tmp_path / "run"), refuse)


def called_through(files: Sequence[str], call: Callable[[], object]) -> None:
    """Call a function below frames of these files, the outermost first."""
    for file in reversed(files):
        names: dict[str, Any] = {"call": call}
        exec(compile("\n\ndef through(): call()", file, "exec"), names)
        call = names["through"]
    call()


def judged(guard: RerunGuard, event: str, *arguments: object, files: Sequence[str]) -> list[str]:
    """The notes about an event below frames of these files."""
    called_through(files, lambda: guard.judge(event, arguments, sys._getframe()))
    return [note.text for note in notes.take_notes()]


def test_the_innermost_line_of_the_program_is_named(guard: RerunGuard, tmp_path: Path) -> None:
    files = [f"{tmp_path}/code/r0/main.py", f"{tmp_path}/code/r0/lib.py", "/usr/lib/json.py"]
    (note,) = judged(guard, "os.system", "true", files=files)
    assert note.startswith("lib.py:3 runs the command true, and each executor")
    with pytest.raises(Refused, match=r"lib\.py:3 removes out\.txt, while a task"):
        judged(guard, "os.remove", "out.txt", -1, files=files)


def test_one_note_for_each_line(guard: RerunGuard, tmp_path: Path) -> None:
    script = [f"{tmp_path}/code/r0/main.py"]
    assert judged(guard, "os.system", "true", files=script)
    assert not judged(guard, "os.system", "false", files=script)


@pytest.mark.parametrize(
    "files",
    [
        ["{code}/r0/main.py", "<frozen importlib._bootstrap>", "/lib/site-packages/font.py"],
        ["{code}/r0/main.py", "<frozen importlib._bootstrap_external>"],
        ["/usr/lib/threading.py", "/lib/site-packages/pool.py"],
        ["{code}/r0/main.py", glowpy.__file__],
    ],
    ids=["import of a library", "compiled module", "thread of a library", "glowpy"],
)
def test_imports_libraries_and_glowpy_are_left_alone(
    files: list[str], guard: RerunGuard, tmp_path: Path
) -> None:
    files = [file.format(code=tmp_path / "code") for file in files]
    assert judged(guard, "open", "cache.json", "w", os.O_WRONLY | os.O_TRUNC, files=files) == []


def test_a_module_of_the_program_counts_while_it_is_imported(
    guard: RerunGuard, tmp_path: Path
) -> None:
    code = f"{tmp_path}/code/r0"
    with pytest.raises(Refused, match=r"lib\.py:3 removes x"):
        files = [f"{code}/main.py", "<frozen importlib._bootstrap>", f"{code}/lib.py"]
        judged(guard, "os.remove", "x", -1, files=files)


def test_temporary_files_and_the_runs_folder_are_free(guard: RerunGuard, tmp_path: Path) -> None:
    script = [f"{tmp_path}/code/r0/main.py"]
    made = str(tmp_path / "tmpmade")
    judged(guard, "tempfile.mkdtemp", made, files=script)
    for path in (f"{made}/x", made, f"{tmp_path}/run/work/x", "/dev/null", "/proc/self/comm"):
        assert not judged(guard, "open", path, "w", os.O_WRONLY | os.O_TRUNC, files=script)
    with pytest.raises(Refused, match="renames"):  # out of the temporary folder, over a result
        judged(guard, "os.rename", f"{made}/x", f"{tmp_path}/out.csv", -1, -1, files=script)


def test_other_files_below_the_temporary_folder_are_results(
    guard: RerunGuard, tmp_path: Path
) -> None:
    path = os.path.join(tempfile.gettempdir(), "result.csv")
    with pytest.raises(Refused, match=r"removes .*result\.csv"):
        judged(guard, "os.remove", path, -1, files=[f"{tmp_path}/code/r0/main.py"])


def test_links_and_folder_descriptors_are_followed(guard: RerunGuard, tmp_path: Path) -> None:
    script = [f"{tmp_path}/code/r0/main.py"]
    (tmp_path / "result").write_text("rows")
    link = tmp_path / "run" / "link"
    link.symlink_to(tmp_path / "result")
    assert not judged(guard, "os.remove", str(link), -1, files=script)  # removes the link alone
    with pytest.raises(Refused, match="which empties it"):
        judged(guard, "open", str(link), "w", os.O_WRONLY | os.O_TRUNC, files=script)


def test_a_descriptor_of_a_folder_leads_to_its_files(guard: RerunGuard, tmp_path: Path) -> None:
    script = [f"{tmp_path}/code/r0/main.py"]
    for folder, is_free in (("run", True), (".", False)):
        descriptor = os.open(tmp_path / folder, os.O_RDONLY)
        try:
            if is_free:
                assert not judged(guard, "os.remove", "x", descriptor, files=script)
            else:
                with pytest.raises(Refused):
                    judged(guard, "os.remove", "x", descriptor, files=script)
        finally:
            os.close(descriptor)


def test_a_folder_that_exists_is_not_made_again(guard: RerunGuard, tmp_path: Path) -> None:
    script = [f"{tmp_path}/code/r0/main.py"]
    assert not judged(guard, "os.mkdir", str(tmp_path), 0o777, -1, files=script)
    assert judged(guard, "os.mkdir", str(tmp_path / "new"), 0o777, -1, files=script)


def test_other_threads_stop_while_the_task_ends(guard: RerunGuard, tmp_path: Path) -> None:
    script = [f"{tmp_path}/code/r0/main.py"]
    with pytest.raises(Refused):
        judged(guard, "os.remove", "x", -1, files=script)
    with pytest.raises(PermissionError, match="this task is ending"):
        judged(guard, "os.remove", "y", -1, files=script)


def test_the_hook_does_nothing_once_the_run_is_reached(tmp_path: Path) -> None:
    """In a separate process: Python cannot remove an audit hook."""
    script = tmp_path / "code" / "x.py"
    script.parent.mkdir()
    script.write_text(
        "import os, sys\n"
        "from glowpy.task.rerun_guard import RerunGuard, stop_watching, watch\n"
        "folder = os.path.dirname(__file__)\n"
        "watch(RerunGuard(folder, folder + '/run', sys.exit))\n"
        "if sys.argv[1:]: stop_watching()\n"
        "open('out.txt', 'w').close()\n"
    )
    watched = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert watched.returncode == 1 and "x.py:6 opens out.txt" in watched.stderr
    assert not (tmp_path / "out.txt").exists()
    subprocess.run([sys.executable, script, "stop"], cwd=tmp_path, check=True)
    assert (tmp_path / "out.txt").exists()
