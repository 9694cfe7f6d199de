"""Tasks start like their script: files, modules, entry points, local modules, arguments.

A program that cannot be started again is shipped as a pickled flow.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import glowpy
from tests.processes import IN_EVERY_MODE, IN_MOST_MODES, flags_of, run

pytestmark = pytest.mark.slow


def write(directory: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


# The values that a row gets from its process: is_task(), and the names of the program.
TALLY = """
import os, sys
from glowpy import Flow
from .numbers import double

def seen(number):
    main = sys.modules["__main__"]
    return double(number), main.__name__, main.__package__, "GLOWPY_PROGRAM" in os.environ

def main():
    for row in Flow().slice(range(4), 2).map(seen).collect():
        print(*row)
    return 3

if __name__ == "__main__":
    sys.exit(main())
"""
PACKAGE = {
    "tally/__init__.py": "",
    "tally/numbers.py": "def double(number):\n    return number * 2\n",
    "tally/app.py": TALLY,
}


def tallied(mode: str, package: str) -> list[str]:
    is_relaunched = mode in ("own cluster", "cluster")
    return [f"{2 * number} __main__ {package} {is_relaunched}" for number in range(4)]


@IN_EVERY_MODE
def test_a_module_by_name(mode: str, cluster: str, tmp_path: Path) -> None:
    write(tmp_path, PACKAGE)
    words = ["-m", "tally.app", *flags_of(mode, cluster), "-glow.quiet"]
    ended = run(tmp_path, *words, status=3)
    assert ended.stdout.splitlines() == tallied(mode, "tally")
    assert ended.stderr == ""


@IN_MOST_MODES
def test_a_console_entry_point(mode: str, cluster: str, tmp_path: Path) -> None:
    """A stub like those that pip writes: no suffix, the same name as the package, executable."""
    stub = f"""#!{sys.executable}
import sys
from tally.app import main
if __name__ == "__main__":
    sys.exit(main())
"""
    write(tmp_path, {"bin/tally": stub, **{f"src/{name}": PACKAGE[name] for name in PACKAGE}})
    (tmp_path / "bin" / "tally").chmod(0o700)
    ended = run(
        tmp_path,
        *flags_of(mode, cluster),
        "-glow.quiet",
        program=tmp_path / "bin" / "tally",
        environment={"PYTHONPATH": str(tmp_path / "src")},
        status=3,
    )
    assert ended.stdout.splitlines() == tallied(mode, "None")
    assert ended.stderr == ""


@IN_MOST_MODES
def test_local_modules_beside_the_script(mode: str, cluster: str, tmp_path: Path) -> None:
    """One module is imported by a mapped function only, at its call."""
    script = """
import sys
from glowpy import Flow
import shapes

def area(side):
    from shapes.squares import area
    return area(side), sys.modules["shapes.squares"].__file__

rows = Flow().slice([2, 3], 2).map(area)
assert "shapes.squares" not in sys.modules
for row in rows.collect():
    print(*row)
"""
    files = {
        "project/script.py": script,
        "project/shapes/__init__.py": "",
        "project/shapes/squares.py": (
            "from .deep.power import power\n\ndef area(side):\n    return power(side, 2)\n"
        ),
        "project/shapes/deep/power.py": "def power(x, y):\n    return x ** y\n",
    }
    write(tmp_path, files)
    ended = run(tmp_path, "project/script.py", *flags_of(mode, cluster), "-glow.quiet")
    rows = [line.split(" ", 1) for line in ended.stdout.splitlines()]
    assert [area for area, _file in rows] == ["4", "9"]
    is_relaunched = mode in ("own cluster", "cluster")
    for _area, file in rows:
        assert file.endswith("/shapes/squares.py")
        assert Path(file).is_relative_to(tmp_path) is not is_relaunched, file


@IN_MOST_MODES
def test_arguments_of_the_script(mode: str, cluster: str, tmp_path: Path) -> None:
    """Driver and tasks get the same arguments, without glowpy's flags at any position."""
    script = """
import argparse, json, sys
import glowpy

parser = argparse.ArgumentParser()
parser.add_argument("-n", type=int)
parser.add_argument("files", nargs="*")
args = parser.parse_args(glowpy.argv())
rows = glowpy.Flow().slice([0]).map(lambda _: (args.n, args.files, glowpy.argv()))
print(json.dumps([sys.argv, glowpy.argv(), rows.collect()]))
"""
    write(tmp_path, {"script.py": script})
    own = ["-n", "3", "a b.txt", "", "--", "-x", "-glow.inline"]
    flags = [*flags_of(mode, cluster), "-glow.quiet"]
    given = [*own[:2], *flags, *own[2:]]
    ended = run(tmp_path, "script.py", *given)
    files = ["a b.txt", "", "-x", "-glow.inline"]
    assert json.loads(ended.stdout) == [["script.py", *given], own, [[3, files, own]]]


@IN_MOST_MODES
def test_sys_argv_is_left_alone(mode: str, cluster: str, tmp_path: Path) -> None:
    script = """
import sys
before = list(sys.argv)
import glowpy
flow = glowpy.Flow()
flow.slice([1]).run()
assert sys.argv == before, sys.argv
"""
    write(tmp_path, {"script.py": script})
    run(tmp_path, "script.py", "one", *flags_of(mode, cluster), "-glow.quiet", "two")


@IN_MOST_MODES
def test_the_folder_that_the_user_is_in(mode: str, cluster: str, tmp_path: Path) -> None:
    """Tasks on the driver's host run in the driver's working directory."""
    script = """
import os
from glowpy import Flow

def seen(line):
    with open("beside.txt") as file:
        return line, os.getcwd(), file.read()

print(*Flow().text_file("*.txt", 1).map(seen).collect()[0], sep="|")
"""
    write(tmp_path, {"project/script.py": script, "work/beside.txt": "words"})
    flags = [*flags_of(mode, cluster), "-glow.quiet"]
    ended = run(tmp_path / "work", "../project/script.py", *flags)
    assert ended.stdout == f"words|{tmp_path / 'work'}|words\n"


# The program cannot be started again, so it runs once and the flow is pickled.
UNNAMED = """
import os
from glowpy import Flow

with open("starts", "a") as file:
    print("once", file=file)
factor = 3
def scaled(number):
    return number * factor

rows = Flow().slice(range(8), 4).map(scaled).map(lambda n: (n % 2, n))
print(rows.reduce_by_key(lambda x, y: x + y).collect())
"""
UNNAMED_PRINTED = "[(0, 36), (1, 48)]\n"


@IN_MOST_MODES
def test_a_program_on_the_command_line(mode: str, cluster: str, tmp_path: Path) -> None:
    ended = run(tmp_path, "-c", UNNAMED, *flags_of(mode, cluster), "-glow.quiet")
    assert (ended.stdout, ended.stderr) == (UNNAMED_PRINTED, "")
    assert (tmp_path / "starts").read_text(encoding="utf-8") == "once\n"


@IN_MOST_MODES
def test_a_program_on_standard_input(mode: str, cluster: str, tmp_path: Path) -> None:
    ended = run(tmp_path, "-", *flags_of(mode, cluster), "-glow.quiet", stdin=UNNAMED)
    assert (ended.stdout, ended.stderr) == (UNNAMED_PRINTED, "")
    assert (tmp_path / "starts").read_text(encoding="utf-8") == "once\n"


@IN_MOST_MODES
def test_an_interactive_session(mode: str, cluster: str, tmp_path: Path) -> None:
    """Lines typed one by one, also after a script, as in `python -i script.py`."""
    write(
        tmp_path, {"script.py": "from glowpy import Flow\n\ndef one_more(x):\n    return x + 1\n"}
    )
    typed = "flow = Flow()\nflow.slice([1, 2], 2).map(one_more).collect()\n"
    flags = [*flags_of(mode, cluster), "-glow.quiet"]
    ended = run(tmp_path, "-i", "script.py", *flags, stdin=typed)
    assert ended.stdout == "[2, 3]\n"
    assert "Error" not in ended.stderr, ended.stderr


def test_a_pickled_flow_takes_local_modules_along(cluster: str, tmp_path: Path) -> None:
    write(tmp_path, {"shapes.py": "def area(side):\n    return side * side, __file__\n"})
    program = """
from glowpy import Flow
import shapes
print(*Flow().slice([3]).map(shapes.area).collect()[0], sep="|")
"""
    ended = run(tmp_path, "-c", program, *flags_of("cluster", cluster))
    area, file = ended.stdout.removesuffix("\n").split("|")
    assert area == "9"
    assert not Path(file).is_relative_to(tmp_path)


@pytest.mark.parametrize("program", ["script.py", "-c"])
def test_glowpy_that_is_not_installed(program: str, cluster: str, tmp_path: Path) -> None:
    """glowpy is on the driver's PYTHONPATH only; all child processes import it from there."""
    package = Path(glowpy.__file__).parent
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, tmp_path / "lib" / "glowpy", ignore=without)
    script = """
import glowpy
print(glowpy.__file__, *glowpy.Flow().slice([1]).map(lambda _: glowpy.__file__).collect())
"""
    write(tmp_path, {"script.py": script})
    words = [program, script] if program == "-c" else [program]
    flags = [*flags_of("own cluster", cluster), "-glow.quiet"]
    environment = {"PYTHONPATH": str(tmp_path / "lib")}
    ended = run(tmp_path, *words, *flags, environment=environment)
    assert ended.stdout == f"{tmp_path}/lib/glowpy/__init__.py {tmp_path}/lib/glowpy/__init__.py\n"


PROFILED = """
import sys
import glowpy
from numbers_of_mine import double

class Row:
    def __init__(self, number):
        self.number = number

if __name__ == "__main__":
    rows = glowpy.Flow().slice(range(3), 2).map(double).map(Row).collect()
    print([row.number for row in rows], {type(row) for row in rows} == {Row}, glowpy.argv())
"""


@pytest.mark.parametrize("mode", ["plain", "inline", "cluster"])
@pytest.mark.parametrize(
    "words",
    ["cProfile -o out script.py", "cProfile -o out -m script", "trace --count -C out script.py"]
    + ["profile -o out script.py", "pdb -c continue -c quit script.py", "runpy script"],
)
def test_a_script_under_a_profiler_or_debugger(
    mode: str, words: str, cluster: str, tmp_path: Path
) -> None:
    """Tasks run the script without the profiler; rows keep the classes of the script."""
    if words.startswith("pdb") and sys.version_info[:3] == (3, 13, 0):
        pytest.skip("pdb of Python 3.13.0 takes no arguments of a script (fixed in 3.13.1)")
    write(tmp_path, {"script.py": PROFILED})
    write(tmp_path, {"numbers_of_mine.py": "def double(number):\n    return 2 * number\n"})
    ended = run(tmp_path, "-m", *words.split(), *flags_of(mode, cluster), "-glow.quiet", "own")
    assert "[0, 2, 4] True ['own']\n" in ended.stdout
    assert "Error" not in ended.stdout
