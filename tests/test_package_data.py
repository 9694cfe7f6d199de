"""Data files of local packages, which are sent to tasks together with the modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from glowpy.program import package_data as bounds
from glowpy.program.package_data import package_data
from tests.processes import flags_of, run


def write(directory: Path, *names: str) -> None:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def placed(root: Path, *names: str) -> list[tuple[int, str, str]]:
    return sorted((0, name, str(root / name)) for name in names)


def test_data_of_packages_without_code_caches_and_hidden_files(tmp_path: Path) -> None:
    inits = ["pkg/__init__.py", "pkg/Inner/__init__.py", "other/__init__.py"]
    data = ["pkg/x.json", "pkg/Inner/y.csv", "pkg/data/z.txt"]
    others = ["pkg/mod.py", "pkg/__pycache__/mod.pyc", "pkg/.env", "pkg/.git/x", "pkg/c.so"]
    write(tmp_path, *inits, *data, *others, "beside.json")
    found = package_data(placed(tmp_path, *inits))
    assert found.files == placed(tmp_path, *data)
    assert found.left_out == []


@pytest.mark.parametrize(("name", "most"), [("MAX_FILES", 1), ("MAX_BYTES", 15)])
def test_data_over_the_bounds_are_left_out(
    name: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, name, most)
    write(tmp_path, "pkg/__init__.py", "pkg/x.json", "pkg/y.json", "one/__init__.py", "one/x.json")
    found = package_data(placed(tmp_path, "pkg/__init__.py", "one/__init__.py"))
    assert found.files == placed(tmp_path, "one/x.json")
    assert found.left_out == [str(tmp_path / "pkg")]


@pytest.mark.slow
def test_tasks_read_the_data_of_a_package(cluster: str, tmp_path: Path) -> None:
    write(tmp_path, "pkg/x.json", "pkg/__init__.py")
    (tmp_path / "pkg" / "__init__.py").write_text("""
import importlib.resources, pathlib

def both(_row):
    beside = pathlib.Path(__file__).parent / "x.json"
    return beside.read_text(), importlib.resources.files("pkg").joinpath("x.json").read_text()
""")
    (tmp_path / "script.py").write_text(
        "import pkg\nfrom glowpy import Flow\nprint(Flow().slice([1], 1).map(pkg.both).collect())\n"
    )
    ended = run(tmp_path, "script.py", *flags_of("cluster", cluster))
    assert (ended.stdout, ended.stderr) == ("[('pkg/x.json', 'pkg/x.json')]\n", "")
