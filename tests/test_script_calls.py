"""take, top and for_each in scripts that a cluster runs again: values are recorded."""

from __future__ import annotations

from pathlib import Path

from tests.processes import IN_EVERY_MODE, flags_of, run
from tests.test_script_modes import assert_announced, without_agents

SCRIPT = """
from itertools import count
import glowpy
from glowpy import Flow

flow = Flow()
numbers = flow.source(count, 2).map(lambda number: number * 10)
first = numbers.take(3)
largest = flow.slice(first, 2).top(1)
flow.slice(largest).for_each(lambda number: print("for each", number))
rest = flow.slice(range(100), 4).filter(lambda number: number > largest[0])
later = Flow().slice(range(largest[0]), 2).map(str)

glowpy.ready()

print(first, largest, rest.take(2), later.take(1), later.count())
"""


@IN_EVERY_MODE
def test_a_later_flow_may_depend_on_what_was_taken(mode: str, cluster: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster))
    assert_announced(mode, ended)
    printed, last = ended.stdout.splitlines()
    assert without_agents([printed], mode) == ["for each 40"]
    assert last == "[0, 20, 40] [40] [41, 42] ['0'] 40"


def test_explain_shows_the_plan_of_a_take(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    ended = run(tmp_path, "script.py", "-glow.flow.explain")
    assert "2 steps in 1 step group, 1 task group in all" in ended.stdout
    assert "few rows are wanted: its tasks run Source0, too, as far as that takes" in ended.stdout
    drawn = run(tmp_path, "script.py", "-glow.flow.plot")
    assert "Map1_1_2" in drawn.stdout, "drawn as the flow is"
