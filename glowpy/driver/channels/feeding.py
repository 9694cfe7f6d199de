"""Stores the rows of a run's input channels in the driver's shard store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from glowpy.channel import Channel
from glowpy.driver.job import Job
from glowpy.driver.rows_store import Journal, RowsStore
from glowpy.errors import RowError
from glowpy.flow.graph import DatasetNode, Feed
from glowpy.planner.plan import Plan

if TYPE_CHECKING:
    from glowpy.driver.channels.named_feed import NamedFeed


class _OpenInput:
    """An input channel and its journal."""

    __slots__ = ("channel", "journal", "row_count", "step", "waits_for")

    def __init__(self, channel: Channel, journal: Journal, step: str, waits_for: str) -> None:
        self.channel = channel
        self.journal = journal
        self.step = step
        self.waits_for = waits_for
        self.row_count = 0  # stored so far


class Feeding:
    """The input channels of a run, named channels included. `advance` never blocks."""

    def __init__(self, job: Job, store: RowsStore) -> None:
        self._store = store
        self._notice_s = job.timing.channel_notice_s
        self._open: list[_OpenInput] = []
        self._journals: list[Journal] = []
        self._named: list[NamedFeed] = []
        self.inputs = [
            (dataset, self._channel_of(feed, job), feed.name, step)
            for dataset, feed, step in _fed_datasets(job.plan)
        ]

    def _channel_of(self, feed: Feed, job: Job) -> Channel:
        if not feed.name:
            channel: Channel = feed.channel
            return channel
        from glowpy.driver.channels.named_feed import NamedFeed
        from glowpy.driver.view.report import Report

        note = Report(job.timing, is_quiet=job.options.quiet).note
        named = NamedFeed(feed.name, job.options, job.timing, note)
        self._named.append(named)
        return named.channel

    def begin(self) -> None:
        """Open a journal for each channel, and start the readers of named channels."""
        for dataset, channel, name, step in self.inputs:
            journal = self._store.open_journal(dataset)
            self._journals.append(journal)
            waits_for = _awaited_text(name, step, self._notice_s)
            self._open.append(_OpenInput(channel, journal, step, waits_for))
        for named in self._named:
            named.begin()

    def advance(self) -> None:
        """Store the rows sent so far; seal the journals of closed channels.

        Raises:
            RowError: a row cannot be pickled.
            OutputError: the disk is full.
            RunCancelled: a `with channel:` block of the script raised.
            GlowError: a named channel cannot be read.
        """
        for each in list(self._open):
            channel = each.channel
            if rows := channel.take():
                each.row_count += len(rows)
                try:
                    each.journal.deal(rows)
                except RowError as exc:
                    raise RowError(f"{each.step}, which reads a channel: {exc}") from exc
            if channel.error is not None:
                raise channel.error
            if channel.is_drained:
                each.journal.seal()
                self._open.remove(each)

    def waits(self) -> Iterator[tuple[str, int, str]]:
        """Yield the step that reads each open channel, its row count, and the awaited event."""
        for each in self._open:
            yield each.step, each.row_count, each.waits_for

    def close(self) -> None:
        """Stop the readers of named channels and close the journals."""
        for named in self._named:
            named.close()
        for journal in self._journals:
            journal.close()


def _awaited_text(name: str, step: str, notice_s: float) -> str:
    if name:
        return (
            f"the next line of channel {name}, the input of {step}: no line for {notice_s:g} s, "
            f"and no sender has ended the channel (`glowpy send --to {name}`)"
        )
    return (
        f"the next row of the channel that is the input of {step}: no row for {notice_s:g} s, and "
        "the channel is still open; close it after its last row, by close() or `with channel:`"
    )


def _fed_datasets(plan: Plan) -> Iterator[tuple[DatasetNode, Feed, str]]:
    """Yield each dataset fed by a channel, its feed, and the step that reads it."""
    for step_group in plan.step_groups:
        for edge in step_group.inputs:
            if edge.source < 0 and edge.dataset.feed is not None:
                yield edge.dataset, edge.dataset.feed, step_group.steps[0].describe()
