"""A flow that only serves channels shows no progress, because it has no end."""

from __future__ import annotations

import pytest

from glowpy import Channel, Dataset, Flow
from glowpy.driver.scheduling import events as do
from glowpy.driver.view.report import Report
from glowpy.driver.view.run_monitor import RunMonitor
from glowpy.flags import Options
from glowpy.planner.fusion import make_plan
from glowpy.planner.run_description import RunDescription, Sink
from glowpy.timing import Timing


@pytest.mark.parametrize("is_alone", [True, False])
def test_only_ending_groups_are_shown(is_alone: bool, capsys: pytest.CaptureFixture[str]) -> None:
    flow = Flow(["-glow.inline"])
    live, static = flow.channel(Channel()).map(abs), flow.slice([1]).map(abs)
    datasets: list[Dataset] = [live, static]
    plan = make_plan(flow._graph, [each._node for each in datasets], stored=True)
    timing = Timing()._replace(view_after_s=0.0, progress_s=0.0)
    description = RunDescription("r", 1, 0, (), Sink.ROWS, 1, {}, "", "here")
    with RunMonitor(
        plan, description, Options(), timing, Report(timing, is_quiet=False)
    ) as monitor:
        monitor.heard(do.ExecutorJoined("e1", "a1"))
        monitor.heard(do.Assign("e1", 0, 10, (), is_streaming=True))
        monitor.heard(do.GroupStarted(10))
        if not is_alone:
            monitor.heard(do.Assign("e1", 1, 11, ()))
            monitor.heard(do.GroupStarted(11))
        monitor.advance(0.0)
    said = capsys.readouterr().err
    assert said == "" if is_alone else "2 running on 1 executor" in said
