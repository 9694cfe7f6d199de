"""Side effects of a script above its run, when the tasks of a cluster run the script again."""

from __future__ import annotations

from pathlib import Path

import pytest

from glowpy.errors import ProgramError
from tests.failing_scripts import error_text, failure
from tests.processes import IN_MOST_MODES, ON_EVERY_CLUSTER, ON_THE_CLUSTER, flags_of, run

pytestmark = pytest.mark.slow

RESULTS = """
import os, shutil
from glowpy import Flow

try:
    shutil.rmtree("parts", ignore_errors=True)
except BaseException:
    pass
os.makedirs("parts", exist_ok=True)

def write(rows, shard):
    with open(f"parts/{shard}.txt", "w") as file:
        file.writelines(f"{row}\\n" for row in rows)
    yield shard

shards = Flow().slice(range(8), 4).map_partitions(write).collect()
print(shards, sorted(os.listdir("parts")))
"""


@ON_EVERY_CLUSTER
def test_a_script_that_removes_results_ends_the_run(
    mode: str, cluster: str, tmp_path: Path
) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "kept.txt").write_text("removed by the driver, above its run")
    text = error_text(failure(tmp_path, mode, cluster, RESULTS), ProgramError)
    assert "script.py:6 removes parts" in text and str(tmp_path) not in text
    assert 'shutil.rmtree("parts", ignore_errors=True)' in text
    assert "if not glowpy.is_task():" in text and "-glow.rerun.effects=allow" in text


@IN_MOST_MODES
def test_the_remedy_keeps_all_results(mode: str, cluster: str, tmp_path: Path) -> None:
    script = RESULTS.replace("try:", "import glowpy\nif not glowpy.is_task():")
    script = script.replace("except BaseException:\n    pass\n", "")
    (tmp_path / "script.py").write_text(script)
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster), "-glow.quiet")
    assert ended.stdout == "[0, 1, 2, 3] ['0.txt', '1.txt', '2.txt', '3.txt']\n"
    assert ended.stderr == ""


EFFECTS = """
import os, sqlite3, subprocess, tempfile
from glowpy import Flow
import lib

with tempfile.TemporaryDirectory() as folder:
    with open(f"{folder}/scratch", "w") as file:
        file.write("x")
with open(os.devnull, "w") as file:
    file.write("x")
with open("log.txt", "a") as file:
    file.write("started\\n")
subprocess.run(["true"])
sqlite3.connect("table.db").close()
for _ in range(2):
    print(Flow().slice(range(8), 4).map(lambda x: x + 1).collect())
"""
LIB = """
import os
os.mkdir(f"of {os.getpid()}")
"""


@ON_THE_CLUSTER
def test_effects_that_are_repeated_are_noted_once(mode: str, cluster: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(EFFECTS)
    (tmp_path / "lib.py").write_text(LIB)
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster))
    assert ended.stdout == "[1, 2, 3, 4, 5, 6, 7, 8]\n" * 2
    noted = [line for line in ended.stderr.splitlines() if "runs the script again" in line]
    places = sorted(line.removeprefix("glowpy: ").split(" ", 1)[0] for line in noted)
    assert places == ["lib.py:3"] + [f"script.py:{n}" for n in (11, 13, 14)]
    assert any("appends to log.txt" in line and "glowpy.is_task()" in line for line in noted)


def test_effects_can_be_allowed(cluster: str, tmp_path: Path) -> None:
    script = 'import glowpy\nopen("mark", "w").close()\n' + (
        "print(glowpy.Flow().slice(range(4), 2).count())\n"
    )
    (tmp_path / "script.py").write_text(script)
    ended = run(tmp_path, "script.py", *flags_of("cluster", cluster), "-glow.rerun.effects=allow")
    assert (ended.stdout, ended.stderr) == ("4\n", "")


def test_main_in_a_task_is_the_script(cluster: str, tmp_path: Path) -> None:
    """`__main__`, argv and sys.path are equal to those of `python script.py`."""
    script = """
import pickle, sys
from glowpy import Flow

class Row:
    pass

def seen(number):
    main = sys.modules["__main__"]
    assert pickle.loads(pickle.dumps(Row)) is Row is main.Row
    names = (main.__name__, main.__package__, main.__spec__, main.__cached__, main.__annotations__)
    return names, main.__file__ == sys.argv[0], sys.path[0] == main.__file__[:-10], sys.argv[-2:]

print(Flow().slice([1], 1).map(seen).collect())
"""
    (tmp_path / "script.py").write_text(script)
    ended = run(tmp_path, "script.py", *flags_of("cluster", cluster), "a b", "--", "-glow")
    names: tuple[object, ...] = ("__main__", None, None, None, {})
    assert ended.stdout == f"{[(names, True, True, ['--', '-glow'])]}\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("raise KeyError('x')", ["script.py", "line 3, in <module>", "KeyError: 'x'"]),
        ("1 +", ["script.py", "line 3", "SyntaxError"]),
    ],
)
def test_a_traceback_of_a_script_begins_in_it(
    line: str, said: list[str], cluster: str, tmp_path: Path
) -> None:
    body = f"exec(compile({line!r}, 'script.py', 'exec'))" if "+" in line else line
    script = f"import glowpy\nif glowpy.is_task():\n  {body}\nglowpy.Flow().slice([1], 1).run()\n"
    text = error_text(failure(tmp_path, "cluster", cluster, script), ProgramError)
    assert all(part in text for part in said)
    assert "script_start" not in text and "<string>" not in text
