"""Paths of a task, shown as the driver's paths."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from glowpy.program.own_text import files_of_task, text_of_driver, text_of_task

CODE = "/agent/programs/code/abc"
ROOTS = ("/home/u/app", "/home/u/lib")


@pytest.mark.parametrize(
    ("of_task", "of_driver"),
    [
        (f"'{CODE}/r0/data/x.txt'", "'/home/u/app/data/x.txt'"),
        (f"['{CODE}/r1', '{CODE}/r0']", "['/home/u/lib', '/home/u/app']"),
        (f"'{CODE}/r10/x.py'", f"'{CODE}/r10/x.py'"),
        ("'{here}/out.txt'", "'/home/u/out.txt'"),
        ("'{here}work/out.txt'", "'{here}work/out.txt'"),
        ("'/var/tmp/job-k3_x9abz/part.txt'", "'<temporary>/job-*/part.txt'"),
        ("'/var/tmp/part.txt'", "'/var/tmp/part.txt'"),
        (f"['{sys.executable}', '-c']", "['<python>', '-c']"),
        ("'no path'", "'no path'"),
    ],
)
def test_a_text_of_a_task_is_that_of_the_driver(
    of_task: str, of_driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = text_of_task(CODE, ROOTS, "/home/u", "/scratch")
    assert own(of_task.format(here=tmp_path)) == of_driver.format(here=tmp_path)


def test_a_link_to_the_script_counts_as_the_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, link = tmp_path / "real" / "x.py", tmp_path / "links" / "x.py"
    for path in (real, link):
        path.parent.mkdir()
    real.touch()
    link.symlink_to(real)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(link), raising=False)
    own = text_of_driver([str(real.parent)])
    assert own(f"'{link.parent}/data.txt'") == f"'{real.parent}/data.txt'"


def test_a_file_of_the_driver_is_the_programs_if_the_task_has_a_copy(tmp_path: Path) -> None:
    code, lib = tmp_path / "code", tmp_path / "lib"
    (code / "r1" / "package").mkdir(parents=True)
    (code / "r1" / "package" / "module.py").touch()
    is_programs = files_of_task(str(code), (str(tmp_path / "app"), str(lib)))
    assert is_programs(str(code / "r0" / "script.py"))
    assert is_programs(str(lib / "package" / "module.py"))
    assert not is_programs(str(lib / "package" / "other.py"))
    assert not is_programs(str(tmp_path / "lib2" / "package" / "module.py"))
