"""Results of earlier runs in scripts that tasks run again: classes, changes, missing results."""

from __future__ import annotations

from pathlib import Path

from tests.processes import IN_EVERY_MODE, flags_of, run
from tests.test_script_modes import assert_announced

SCRIPT = """
import collections, dataclasses
from glowpy import Flow


def main():
    @dataclasses.dataclass(frozen=True)
    class Point:
        x: int

    def counted(n):
        counts = collections.defaultdict(lambda: 7)
        counts[Point(n)] += 1
        return counts

    points = Flow().slice([1, 2], 2).map(Point).collect()
    counts = Flow().slice([1, 2], 2).map(counted).collect()
    print(points, [each[Point(0)] for each in counts])
    points.append(Point(3))  # made again in each task
    counts[0][Point(1)] += 10
    known = Flow().slice(points, 2).map(lambda point: (point in points, counts[0][Point(1)]))
    print(known.collect())
    totals = Flow().slice(points * 2, 3).map(lambda point: (point, 1))
    print(sorted((p.x, n) for p, n in totals.reduce_by_key(lambda a, b: a + b).collect()))


main()
"""
PRINTED = """\
[main.<locals>.Point(x=1), main.<locals>.Point(x=2)] [7, 7]
[(True, 18), (True, 18), (True, 18)]
[(1, 2), (2, 2), (3, 2)]
"""


@IN_EVERY_MODE
def test_later_runs_get_rows_of_local_classes_as_the_script_has_changed_them(
    mode: str, cluster: str, tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster))
    assert_announced(mode, ended)
    assert ended.stdout == PRINTED


USING = """
import glowpy
from glowpy import Flow


class Held:
    def __init__(self, x):
        self.x = x

    def __reduce__(self):
        if not glowpy.is_task():
            raise TypeError("not here")
        return Held, (self.x,)


held = Flow().slice([1, 2], 2).map(Held).collect()
print(Flow().slice([1, 2]).map(lambda n: n + 1).collect())
if len(held) == 2:
    print(Flow().slice([1, 2]).map(lambda n: n + 2).collect())
"""


def test_the_use_of_a_result_that_cannot_be_sent_names_its_run(
    cluster: str, tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(USING, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of("cluster", cluster), status=1)
    assert ended.stdout == "[2, 3]\n"
    assert "if len(held) == 2:" in ended.stderr
    assert "the result of run 1 (script.py:16) was not sent to this task: its row " in ended.stderr
    assert "of class __main__.Held cannot be pickled (TypeError: not here)" in ended.stderr
