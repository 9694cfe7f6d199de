"""Steps that are defined below glowpy.ready(), where tasks that run the script end."""

from __future__ import annotations

from pathlib import Path

import pytest

from glowpy.errors import ProgramError
from glowpy.flow.graph import Graph
from tests.failing_scripts import error_text, failure
from tests.processes import IN_EVERY_MODE, flags_of, run

SCRIPT = """
import dataclasses
import glowpy
from glowpy import Flow

flow = Flow()
numbers = flow.slice(range(10), 4).map(lambda x: x * 7 % 10)
glowpy.ready()

@dataclasses.dataclass
class Number:
    value: int

offset = numbers.reduce(lambda x, y: x + y).collect()[0]  # defined below, too
print(numbers.top(3), numbers.count())
numbers.filter(lambda x: x < 2).for_each(lambda x: print("seen", x))
print(numbers.map(lambda x: Number(x + offset)).take(2))
print(Flow().slice([1, 2], 2).map(lambda x: x + offset).collect())
"""


@pytest.mark.slow
@IN_EVERY_MODE
def test_steps_below_ready(mode: str, cluster: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster), "-glow.quiet")
    lines = [line.rpartition("> ")[2] for line in ended.stdout.splitlines()]
    assert lines[0] == "[9, 8, 7] 10"
    assert sorted(lines[1:3]) == ["seen 0", "seen 1"]
    assert lines[3:] == ["[Number(value=45), Number(value=52)]", "[46, 47]"]


@pytest.mark.slow
def test_a_function_below_ready_that_cannot_be_pickled(cluster: str, tmp_path: Path) -> None:
    script = """
import threading, glowpy
numbers = glowpy.Flow().slice([1], 1)
lock = threading.Lock()
glowpy.ready()
numbers.map(lambda x: lock.locked()).run()
"""
    text = error_text(failure(tmp_path, "cluster", cluster, script), ProgramError)
    assert "Map1 (script.py:6): its function cannot be pickled" in text
    assert "or define the step above glowpy.ready()" in text


def test_a_run_of_steps_above_ready_is_the_script() -> None:
    graph = Graph(0, "x.py:1")
    assert graph.is_shared([5]), "ready() has not been called"
    graph.shared_step_count = 3
    assert graph.is_shared([0, 2]) and not graph.is_shared([1, 3])
