"""The names of executors' processes: run, task and step, or idle."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from glowpy import Flow
from glowpy.planner.fusion import make_plan
from glowpy.planner.plan import Plan
from glowpy.task import title
from glowpy.task.title import ProcessTitle, short_label
from tests.forked import in_fork
from tests.runners import ON_EVERY_RUNNER, Runner


def own_name() -> str:
    return Path("/proc/self/comm").read_text(encoding="utf-8").rstrip("\n")


def plan_of_two() -> Plan:
    keys = Flow(["-glow.inline"]).slice(range(8), 8).map(lambda row: (row % 3, row))
    return make_plan(keys._graph, [keys.reduce_by_key(max)._node], stored=True)


@ON_EVERY_RUNNER
def test_an_executor_is_named_after_its_run_and_task(new_flow: Runner) -> None:
    if new_flow.is_inline:
        before = own_name()
        assert new_flow().slice([1]).map(lambda _: own_name()).collect() == [before]
        return
    names = new_flow().slice(range(3), 3).map(lambda _: own_name()).collect()
    (run,) = {name.split()[0] for name in names}
    assert re.fullmatch(r"r\d+", run)
    assert names == [f"{run} {task}/3 Map1" for task in range(3)]


def titles() -> str:
    """The names of this process while the title changes, one in each line."""
    names = []
    with ProcessTitle(12, plan_of_two()) as process_title:
        process_title.idle()
        names.append(own_name())
        thread = threading.Thread(target=process_title.group, args=(3,))
        thread.start()
        thread.join()
        names.append(own_name())
        process_title.group(8)
        names.append(own_name())
        process_title.idle()
        names.append(own_name())
    process_title.group(1)  # closed: a streaming group may start too late
    return "\n".join([*names, own_name()])


def test_a_group_a_thread_and_no_group() -> None:
    names = ["r12 idle", "r12 3/8 Map1", "r12 0/1 MergeSo", "r12 idle", "r12 idle"]
    assert in_fork(titles).splitlines() == names


def test_the_label_is_that_of_the_first_step_with_work() -> None:
    alone = Flow(["-glow.inline"]).slice([1])
    assert short_label(make_plan(alone._graph, [alone._node], stored=True), 0) == "0/1 Input0"
    assert short_label(plan_of_two(), 2) == "2/8 Map1"


def test_without_proc_the_name_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(title, "_PATH", str(tmp_path / "none" / "comm"))
    before = own_name()
    with ProcessTitle(1, plan_of_two()) as process_title:
        process_title.group(0)
        process_title.idle()
    assert own_name() == before
