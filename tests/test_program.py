"""Collection of a program's files in the driver, and validation of a program from the network."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowpy.errors import ProgramError, ProtocolError
from glowpy.program.discovery import pickled_program, script_program
from glowpy.program.manifest import (
    MAX_RECORDED_BYTES,
    Manifest,
    Payload,
    ShippedFile,
    path_fault,
)
from glowpy.program.program import Pickled, Script, program_from_json, with_recorded

A, B = hashlib.sha256(b"a").hexdigest(), hashlib.sha256(b"b").hexdigest()

# The file lies in a site-packages: not shipped, but importable by every script here.
PROBE = """
import json, sys
from glowpy.errors import ProgramError
from glowpy.program.discovery import script_program

def ship():
    try:
        found = script_program(sys.modules["__main__"], sys.argv[1:])
    except ProgramError as exc:
        found = exc
    if isinstance(found, tuple):
        program, sources, *_rest = found
        paths = {sha256: str(path) for sha256, path in sources.items()}
        print(json.dumps({"program": program.to_json(), "sources": paths}))
    else:
        print(json.dumps({"error": str(found) if found else None}))
"""

SHIP = "import probe; probe.ship()\n"


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in {"site-packages/probe.py": PROBE, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def shipped(
    root: Path,
    arguments: Sequence[str],
    path: Sequence[str] = (),
    cwd: str = ".",
    stdin: str | None = None,
) -> dict[str, Any]:
    """The program that a driver ships when started in `root` by these arguments of python."""
    roots = [str(root / entry) for entry in (*path, "site-packages")]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=root / cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(roots), "PYTHONDONTWRITEBYTECODE": "1"},
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def script_of(answer: Mapping[str, Any]) -> Script:
    assert "program" in answer, answer
    program = program_from_json(answer["program"])
    assert isinstance(program, Script)
    assert program.to_json() == answer["program"]
    assert set(answer["sources"]) == set(program.manifest.contents)
    return program


def names(script: Script) -> list[str]:
    return [f"r{entry.root}/{entry.path}" for entry in script.manifest.files]


PROJECT = {
    "x.py": SHIP
    + "import a\ndef f():\n    if a:\n        import lazy\n    else:\n        import no",
    "a.py": "from pkg import sub",
    "lazy.py": "class C:\n    async def f(self):\n        from pkg.deep import leaf",
    "unused.py": "",
    "pkg/__init__.py": "",
    "pkg/sub.py": "try:\n    1\nexcept Exception:\n    from . import sister\nfrom .sister import *",
    "pkg/sister.py": "def f(): import missing_everywhere, os.path, wave, numpy.linalg",
    "pkg/unused.py": "",
    "pkg/data.csv": "1",
    "pkg/deep/__init__.py": "",
    "pkg/deep/leaf.py": "from ..beside import anything\nfrom .... import beyond",
    "pkg/beside.py": "\n\n\nprint 'this is Python 2'; import",
}
PROJECT_FILES = [
    "r0/a.py",
    "r0/lazy.py",
    "r0/pkg/__init__.py",
    "r0/pkg/beside.py",
    "r0/pkg/data.csv",
    "r0/pkg/deep/__init__.py",
    "r0/pkg/deep/leaf.py",
    "r0/pkg/sister.py",
    "r0/pkg/sub.py",
    "r0/x.py",
]


def test_a_script_is_shipped_with_its_possible_imports_only(tmp_path: Path) -> None:
    script = script_of(shipped(write(tmp_path, PROJECT), ["x.py", "-glow", "--", "-n"]))
    assert (script.entry, script.is_module) == ("r0/x.py", False)
    assert script.argv == ("-glow", "--", "-n")
    assert names(script) == PROJECT_FILES


def test_the_same_sources_are_the_same_program_wherever_they_are(tmp_path: Path) -> None:
    first = script_of(shipped(write(tmp_path / "one", PROJECT), ["x.py"]))
    second = script_of(shipped(write(tmp_path / "two", PROJECT), ["../x.py"], cwd="pkg"))
    assert first.manifest.digest == second.manifest.digest
    write(tmp_path / "two", {"pkg/sister.py": "1"})
    changed = script_of(shipped(tmp_path / "two", ["x.py"]))
    assert changed.manifest.digest != first.manifest.digest


@pytest.mark.parametrize("module", ["pkg.mod", "pkg"])
def test_a_module_started_by_name(tmp_path: Path, module: str) -> None:
    files = {
        "pkg/__init__.py": "",
        "pkg/mod.py": SHIP + "from . import other",
        "pkg/__main__.py": SHIP + "from . import other",
        "pkg/other.py": "",
    }
    script = script_of(shipped(write(tmp_path, files), ["-m", module]))
    assert script.is_module
    assert script.entry == {"pkg": "pkg.__main__"}.get(module, module)
    main = script.entry.replace(".", "/") + ".py"
    assert names(script) == sorted(["r0/pkg/__init__.py", "r0/pkg/other.py", f"r0/{main}"])


def test_a_console_entry_point_brings_its_package(tmp_path: Path) -> None:
    files = {
        "bin/tool": "from tool.cli import main\nmain()",
        "src/tool/__init__.py": "",
        "src/tool/cli.py": "def main():\n    import probe\n    probe.ship()",
    }
    script = script_of(shipped(write(tmp_path, files), ["bin/tool"], path=["src"]))
    assert script.entry == "r0/tool"
    assert names(script) == ["r0/tool", "r1/tool/__init__.py", "r1/tool/cli.py"]


def test_a_link_to_a_script_is_launched_under_its_own_name(tmp_path: Path) -> None:
    write(tmp_path, {"app/real.py": SHIP + "import near", "app/near.py": ""})
    (tmp_path / "link").symlink_to("app/real.py")
    script = script_of(shipped(tmp_path, ["link"]))
    assert names(script) == ["r0/link", "r0/near.py"]
    assert script.entry == "r0/link"


def test_a_directory_is_launched_by_its_main_file(tmp_path: Path) -> None:
    write(tmp_path, {"app/__main__.py": SHIP + "import near", "app/near.py": ""})
    script = script_of(shipped(tmp_path, ["app"]))
    assert script.entry == "r0/__main__.py"
    assert names(script) == ["r0/__main__.py", "r0/near.py"]


def test_an_archive_is_refused_with_advice(tmp_path: Path) -> None:
    write(tmp_path, {"x.py": "import zipped\n" + SHIP})
    for name, content in {"app.zip": ("__main__.py", SHIP), "lib.zip": ("zipped.py", "")}.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(*content)
    for arguments, path in ((["app.zip"], []), (["x.py"], ["lib.zip"])):
        error = shipped(tmp_path, arguments, path)["error"]
        assert "unpack" in error and ".zip" in error


def test_programs_that_cannot_be_launched_again_are_no_scripts(tmp_path: Path) -> None:
    write(tmp_path, {})
    assert shipped(tmp_path, ["-c", SHIP]) == {"error": None}
    assert shipped(tmp_path, ["-"], stdin=SHIP) == {"error": None}
    assert shipped(tmp_path, ["-i", "-q"], stdin=SHIP) == {"error": None}


def test_foreign_modules_stay_even_below_the_working_directory(tmp_path: Path) -> None:
    inside = ".venv/lib/python3.11/site-packages"
    files = {
        "x.py": SHIP + "import installed, random, sysconfig, debian",
        f"{inside}/installed.py": "import random",
        "lib/dist-packages/debian.py": "",
    }
    path = [inside, "lib/dist-packages"]
    assert names(script_of(shipped(write(tmp_path, files), ["x.py"], path))) == ["r0/x.py"]


def test_local_names_hide_those_of_the_library_as_in_python(tmp_path: Path) -> None:
    files = {
        "x.py": SHIP + "import colorsys\ndef f(): import chunk_of, wave, sys, glowpy.flow.nothing",
        "colorsys.py": "",
        "sys.py": "",
        "site-packages/chunk_of.py": "",
        "late/chunk_of.py": "",
        "wave.py": "",
    }
    text = "import sys; sys.path.append('late')\n" + files["x.py"]
    script = script_of(shipped(write(tmp_path, {**files, "x.py": text}), ["x.py"]))
    assert names(script) == ["r0/colorsys.py", "r0/wave.py", "r0/x.py"]


def test_roots_keep_the_order_of_the_path(tmp_path: Path) -> None:
    head = "import sys\nsys.path.insert(0, 'first')\nsys.path.append('editable')\n"
    files = {
        "x.py": head + "import name, spaced.one, spaced.two, installed_here\n" + SHIP,
        "first/name.py": "",
        "name.py": "",
        "on_path/spaced/one.py": "",
        "editable/spaced/two.py": "",
        "editable/installed_here/__init__.py": "",
    }
    script = script_of(shipped(write(tmp_path, files), ["x.py"], path=["on_path"]))
    assert script.entry == "r1/x.py"
    assert names(script) == [
        "r0/name.py",
        "r1/x.py",
        "r2/spaced/one.py",
        "r3/installed_here/__init__.py",
        "r3/spaced/two.py",
    ]


def test_a_module_loaded_from_a_file_of_the_scripts_choice(tmp_path: Path) -> None:
    load = (
        "import importlib.util as u, sys\n"
        "spec = u.spec_from_file_location('chosen', sys.path[0] + '/plugins/p-1.py')\n"
        "sys.modules['chosen'] = m = u.module_from_spec(spec); spec.loader.exec_module(m)\n"
    )
    write(tmp_path, {"x.py": load + SHIP, "plugins/p-1.py": "import near", "near.py": ""})
    script = script_of(shipped(tmp_path, ["x.py"]))
    assert names(script) == ["r0/near.py", "r0/plugins/p-1.py", "r0/x.py", "r1/chosen.py"]


def test_a_loaded_extension_module_is_shipped(tmp_path: Path) -> None:
    import importlib.machinery
    import sysconfig

    built = Path(sysconfig.get_path("platstdlib")) / "lib-dynload"
    built = built if built.is_dir() else Path(os.__file__).parent / "lib-dynload"
    found = sorted(built.glob(f"_lsprof{importlib.machinery.EXTENSION_SUFFIXES[0]}"))
    if not found:
        pytest.skip("this Python has _lsprof built in")
    write(tmp_path, {"x.py": SHIP.replace("import", "import _lsprof,")})
    shutil.copy(found[0], tmp_path)
    assert names(script_of(shipped(tmp_path, ["x.py"]))) == [f"r0/{found[0].name}", "r0/x.py"]


def test_a_file_that_vanished_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"x.py": "import a, os\nos.unlink(a.__file__)\n" + SHIP, "a.py": ""})
    error = shipped(tmp_path, ["x.py"])["error"]
    assert str(tmp_path / "a.py") in error and "No such file" in error


def test_a_name_that_no_agent_takes_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"back\\slash.py": SHIP})
    assert "backslash" in shipped(tmp_path, ["back\\slash.py"])["error"]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    script = tmp_path / "x.py"
    script.write_text("1")
    digests = []
    for text in ("1", "22"):
        script.write_text(text)
        main = ModuleType("__main__")
        main.__file__ = str(script)
        program = script_program(main, [])
        assert program is not None
        digests += [entry.sha256 for entry in program[0].manifest.files if entry.path == "x.py"]
    assert digests == [hashlib.sha256(text).hexdigest() for text in (b"1", b"22")]


def test_a_pickled_flow_comes_with_the_local_modules() -> None:
    program, sources = pickled_program(b"flow")
    paths = [entry.path for entry in program.manifest.files]
    assert any(path.endswith("test_program.py") for path in paths)
    assert not [path for path in paths if path.startswith(("glowpy/", "pytest"))]
    assert program.manifest.payload == Payload(hashlib.sha256(b"flow").hexdigest(), 4)
    assert sources[program.manifest.payload.sha256] == b"flow"
    assert program_from_json(program.to_json()) == program


def test_recorded_results_travel_up_to_a_bound() -> None:
    script = Script((), "r0/x.py", Manifest((ShippedFile(0, "x.py", A, 1),)))
    program, contents = with_recorded(script, {2: b"b", 1: b"a"})
    assert [run.run_number for run in program.manifest.recorded] == [1, 2]
    assert contents == {A: b"a", B: b"b"}
    assert program.manifest.contents == {A: 1, B: 1}
    assert program_from_json(program.to_json()) == program
    with pytest.raises(ProgramError, match=r"are 65 MB.*bound is 64 MB.*glowpy\.ready"):
        with_recorded(script, {1: bytes(MAX_RECORDED_BYTES), 2: b"1"})


@pytest.mark.parametrize(
    "path",
    ["", "/", "/x", "../x", "x/..", "a/../x", ".", "./x", "a//x", "a/", "a\0", "a\\x", "\ud800"]
    + ["n" * 256, "a/" * 600 + "x"],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    assert path_fault(path)
    with pytest.raises(ProtocolError, match="path"):
        Manifest.from_json(f'{{"files":[[0,{json.dumps(path)},"{A}",1]],{REST}}}')


@given(st.text(alphabet="./\\\0ab~ \n", max_size=12) | st.text(max_size=12))
def test_an_accepted_path_stays_below_its_root(path: str) -> None:
    if not path_fault(path):
        assert os.path.normpath(f"/root/{path}") == f"/root/{path}"
        assert PurePosixPath("/root") in PurePosixPath(f"/root/{path}").parents


REST = '"payload":null,"recorded":[],"related":[]'
NO_CODE = '"files":[],"payload":null,"recorded":[],'
ODD = {
    "no JSON": "{",
    "deep": "[" * 100_000,
    "no object": "[]",
    "a member too many": f'{{"files":[],"more":1,{REST}}}',
    "a member too few": '{"files":[]}',
    "no list": f'{{"files":{{}},{REST}}}',
    "text for a number": f'{{"files":[["0","x","{A}",1]],{REST}}}',
    "true for a number": f'{{"files":[[true,"x","{A}",1]],{REST}}}',
    "float for a number": f'{{"files":[[0,"x","{A}",1.0]],{REST}}}',
    "root too high": f'{{"files":[[64,"x","{A}",1]],{REST}}}',
    "root too low": f'{{"files":[[-1,"x","{A}",1]],{REST}}}',
    "hash in capitals": f'{{"files":[[0,"x","{A.upper()}",1]],{REST}}}',
    "hash too short": f'{{"files":[[0,"x","{A[1:]}",1]],{REST}}}',
    "hash with a path": f'{{"files":[[0,"x","../{A[3:]}",1]],{REST}}}',
    "size below zero": f'{{"files":[[0,"x","{A}",-1]],{REST}}}',
    "two sizes": f'{{"files":[[0,"x","{A}",1],[0,"y","{A}",2]],{REST}}}',
    "huge": f'{{"files":[[0,"x","{A}",{2**31}]],{REST}}}',
    "huge in all": f'{{"files":[[0,"x","{A}",{2**29}],[0,"y","{B}",{2**29 + 1}]],{REST}}}',
    "twice": f'{{"files":[[0,"x","{A}",1],[0,"x","{A}",1]],{REST}}}',
    "not in order": f'{{"files":[[0,"y","{A}",1],[0,"x","{A}",1]],{REST}}}',
    "file and directory": (
        f'{{"files":[[0,"x","{A}",1],[0,"x-","{A}",1],[0,"x/y","{A}",1]],{REST}}}'
    ),
    "run 0": f'{{"files":[],"payload":null,"recorded":[[0,"{A}",1]],"related":[]}}',
    "recorded too much": (
        f'{{"files":[],"payload":null,"recorded":[[1,"{A}",{2**27}]],"related":[]}}'
    ),
    "payload": f'{{"files":[],"payload":["{A}"],"recorded":[],"related":[]}}',
    "related elsewhere": f'{{{NO_CODE}"related":[["../x","{A}",1,false]]}}',
    "related twice": f'{{{NO_CODE}"related":[["x","{A}",1,false],["x","{A}",1,false]]}}',
    "related in itself": f'{{{NO_CODE}"related":[["x","{A}",1,false],["x/y","{A}",1,false]]}}',
    "related, no mode": f'{{{NO_CODE}"related":[["x","{A}",1]]}}',
    "related too large": f'{{{NO_CODE}"related":[["x","{A}",{2**31},false]]}}',
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_an_odd_manifest_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        Manifest.from_json(text)


def test_odd_programs_are_refused() -> None:
    manifest = Manifest((ShippedFile(0, "x.py", A, 1),))
    script = json.loads(Script(("a",), "r0/x.py", manifest).to_json())
    odd: list[dict[str, object]] = [{"entry": entry} for entry in ODD_ENTRIES]
    odd += [{"argv": "a"}, {"argv": [1]}, {"argv": ["\0"]}, {"argv": ["\ud800"]}, {"kind": []}]
    odd += [{"kind": "pickled"}, {"kind": "other"}, {"more": 1}, {"manifest": None}]
    for change in odd:
        with pytest.raises(ProtocolError):
            program_from_json(json.dumps({**script, **change}))
    with pytest.raises(ProtocolError, match="payload"):
        program_from_json(json.dumps({"kind": "pickled", "manifest": script["manifest"]}))
    with pytest.raises(ProgramError):
        Pickled(manifest)


ODD_ENTRIES = ["", "r0/y.py", "/etc/passwd", "r0/../r0/x.py", "-c", "..x", ".x", "a\0", None]
