"""Hints for errors of tasks on hosts without the driver's modules or files."""

from __future__ import annotations

from pathlib import Path

import pytest

from glowpy.driver.fleets.hints import with_hints
from glowpy.errors import ProgramError, TaskFailed
from tests.failing_scripts import error_text, failure


def same(path: str) -> str:
    return path


def test_a_variable_that_a_task_has_read() -> None:
    text = "KeyError: 'HOME'"
    assert with_hints(text, {"HOME"}, same).endswith("-glow.env=HOME sends it to tasks")
    assert with_hints(text, set(), same) == text, "a key of some dictionary"


def test_a_file_that_the_driver_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "FileNotFoundError: [Errno 2] No such file or directory: '/code/1/r0/x.json'"
    assert with_hints(text, (), lambda _path: "x.json") == text, "neither has the driver"
    (tmp_path / "x.json").touch()
    hint = with_hints(text, (), lambda _path: "x.json").splitlines()[1]
    assert hint == (
        f"hint: the driver has {tmp_path}/x.json; tasks have files beside a script only by "
        "-glow.related.files=x.json, as glowpy.related_file('x.json')"
    )


def test_a_module_that_the_driver_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "ModuleNotFoundError: No module named 'plugin_of_test.inner'"
    assert with_hints(text, (), same) == text
    (tmp_path / "plugin_of_test.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert f"the module plugin_of_test at {tmp_path}/plugin_of_test.py" in with_hints(
        text, (), same
    )
    text = "ModuleNotFoundError: No module named 'pytest'"
    assert with_hints(text, (), same).endswith("install it at the agents, too")


@pytest.mark.slow
@pytest.mark.parametrize("place", ["above", "in a function"])
def test_a_file_beside_the_script(place: str, cluster: str, tmp_path: Path) -> None:
    read = "pathlib.Path(__file__).with_name('x.json').read_text()"
    above, function = (read, "str") if place == "above" else ("", f"lambda _: {read}")
    script = f"import pathlib, glowpy\n{above}\nglowpy.Flow().slice([1], 1).map({function}).run()\n"
    (tmp_path / "x.json").write_text("{}")
    ended = failure(tmp_path, "cluster", cluster, script)
    text = error_text(ended, ProgramError if place == "above" else TaskFailed)
    assert f"hint: the driver has {tmp_path}/x.json; " in text
    assert "-glow.related.files=x.json" in text
