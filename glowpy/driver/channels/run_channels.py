"""All channels of one run, as used by the run loop."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from glowpy.driver.job import Job
from glowpy.driver.rows_store import RowsStore
from glowpy.errors import GlowError, RunCancelled

if TYPE_CHECKING:
    from glowpy.channel import Channel
    from glowpy.driver.view.report import Report
    from glowpy.task.pulling import Pulls


class NoChannels:
    """Channels of a run without any; the base of RunChannels. A context manager."""

    is_done = True

    def advance(self) -> None:
        """Take rows sent by the program, deliver rows to it."""

    def note_waits(self, report: Report, now: float) -> None:
        """Report channels without progress for long."""

    def group_assigned(self, group: int, attempt: int) -> None:
        """Record a group's attempt; messages of its earlier attempts are dropped."""

    def group_begun(self, group: int, attempt: int, owner: str) -> None:
        """Record that an attempt runs."""

    def group_done(self, group: int, attempt: int, owner: str) -> None:
        """Record that a group's shards are sealed."""

    def group_undone(self, group: int) -> None:
        """Forget a sealed group's shards: lost with their agent, to be computed again."""

    def lost_attempts(self) -> list[tuple[int, str]]:
        """Return attempts with unreadable shards found since the last call, and why."""
        return []

    def done_groups(self) -> list[int]:
        """Return groups whose rows have all reached every channel since the last call."""
        return []

    def __enter__(self) -> NoChannels:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Detach the channels."""


class RunChannels(NoChannels):
    """Rows in from the driver program, and rows out to it. Never blocks.

    Entry attaches the channels to the run; exit closes the channels, or fails them with the run's
    error.
    """

    def __init__(self, job: Job, store: RowsStore, pulls: Pulls) -> None:
        from glowpy.driver.channels.feeding import Feeding
        from glowpy.driver.channels.outlet import Outlet

        self._job = job
        self._feeding = Feeding(job, store)
        self._attached: list[Channel] = []
        self._assigned: dict[int, int] = {}  # group -> its attempt
        self._moved: dict[str, int] = {}  # channel -> rows so far
        step_groups = {step_group.output: step_group for step_group in job.plan.step_groups}
        self._outlets = [
            Outlet(job.plan, step_groups[output.dataset], output.channel, pulls, job.timing.beat_s)
            for output in job.outputs
        ]
        self._undelivered = {  # group -> outlets that still lack rows of it
            group: sum(group in outlet.step_group.groups for outlet in self._outlets)
            for outlet in self._outlets
            for group in outlet.step_group.groups
        }

    @property
    def is_done(self) -> bool:  # type: ignore[override]
        return all(outlet.is_done for outlet in self._outlets)

    def advance(self) -> None:
        self._feeding.advance()
        for outlet in self._outlets:
            if not outlet.is_done:
                outlet.advance()
                if outlet.is_done:
                    outlet.channel.detach()

    def note_waits(self, report: Report, now: float) -> None:
        """Report inputs only while the program waits for this run: otherwise it may still send."""
        notice_s = self._job.timing.channel_notice_s
        is_awaited = self._job.control.is_awaited or any(
            outlet.channel.has_reader for outlet in self._outlets
        )
        waits = [
            (step, count, what if is_awaited else "") for step, count, what in self._feeding.waits()
        ]
        for number, outlet in enumerate(self._outlets):
            waits.append((str(number), *outlet.waits(notice_s)))
        for channel, row_count, what in waits:
            has_moved = self._moved.get(channel) != row_count
            self._moved[channel] = row_count
            report.waiting(now, "" if has_moved else what, part=channel, after_s=notice_s)

    def group_assigned(self, group: int, attempt: int) -> None:
        self._assigned[group] = attempt

    def group_begun(self, group: int, attempt: int, owner: str) -> None:
        if self._assigned.get(group) == attempt:
            for outlet in self._outlets:
                outlet.group_begun(group, attempt, owner)

    def group_done(self, group: int, attempt: int, owner: str) -> None:
        for outlet in self._outlets:
            outlet.group_done(group, attempt, owner)

    def group_undone(self, group: int) -> None:
        for outlet in self._outlets:
            outlet.group_undone(group)

    def lost_attempts(self) -> list[tuple[int, str]]:
        return [lost for outlet in self._outlets for lost in outlet.lost_attempts()]

    def done_groups(self) -> list[int]:
        return list(self._done_groups())

    def _done_groups(self) -> Iterator[int]:
        for outlet in self._outlets:
            for group in outlet.done_groups():
                self._undelivered[group] -= 1
                if not self._undelivered[group]:
                    yield group

    def __enter__(self) -> RunChannels:
        try:
            for _dataset, channel, _name, step in self._feeding.inputs:
                self._attach(channel, f"the input of {step}")
            for outlet in self._outlets:
                step = outlet.step_group.steps[-1].describe()
                self._attach(outlet.channel, f"an output of {step}")
            self._feeding.begin()
        except BaseException as exc:
            self._close(exc)
            raise
        return self

    def _attach(self, channel: Channel, user: str) -> None:
        job = self._job
        channel.attach(user, job.options.channel_buffer_size, job.control.wake)
        self._attached.append(channel)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close(error)

    def _close(self, error: BaseException | None) -> None:
        self._feeding.close()
        for channel in self._attached:
            if error is not None:
                channel.fail(as_told(error))
            channel.detach()


def as_told(error: BaseException) -> GlowError:
    """Return the error for `send` and `receive`, given the error that ended a run."""
    if isinstance(error, GlowError):
        return error
    return RunCancelled(f"the run was ended by {type(error).__name__}")


def channels_of(job: Job, store: RowsStore, pulls: Pulls) -> NoChannels:
    """Return the channels of a job."""
    return RunChannels(job, store, pulls) if job.has_channels else NoChannels()
