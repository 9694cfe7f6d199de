"""Moves rows sent by the driver program into the driver's own store."""

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


class _Entry:
    """An input channel and its journal."""

    __slots__ = ("channel", "journal", "row_count", "step", "waits_for")

    def __init__(self, channel: Channel, journal: Journal, step: str, waits_for: str) -> None:
        self.channel = channel
        self.journal = journal
        self.step = step
        self.waits_for = waits_for
        self.row_count = 0  # taken so far


class Feeding:
    """All input channels of a run. Never blocks."""

    def __init__(self, job: Job, store: RowsStore) -> None:
        self._store = store
        self._notice_s = job.timing.channel_notice_s
        self._open: list[_Entry] = []
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
        """Open a journal for each channel."""
        for dataset, channel, name, step in self.inputs:
            journal = self._store.open_journal(dataset)
            self._journals.append(journal)
            waits_for = _waits_for(name, step, self._notice_s)
            self._open.append(_Entry(channel, journal, step, waits_for))
        for named in self._named:
            named.begin()

    def advance(self) -> None:
        """Store the rows sent so far; seal the journals of closed channels.

        Raises:
            RowError: a row cannot be pickled; OutputError: the disk is full.
            RunCancelled: the sending block has raised.
        """
        for entry in list(self._open):
            channel = entry.channel
            if rows := channel.take():
                entry.row_count += len(rows)
                try:
                    entry.journal.deal(rows)
                except RowError as exc:
                    raise RowError(f"{entry.step}, which reads a channel: {exc}") from exc
            if channel.error is not None:
                raise channel.error
            if channel.is_drained:
                entry.journal.seal()
                self._open.remove(entry)

    def waits(self) -> Iterator[tuple[str, int, str]]:
        """Yield each open channel, its number of rows so far, and the awaited event, as text."""
        for entry in self._open:
            yield entry.step, entry.row_count, entry.waits_for

    def close(self) -> None:
        """End the feeds and close the journals."""
        for named in self._named:
            named.close()
        for journal in self._journals:
            journal.close()


def _waits_for(name: str, step: str, notice_s: float) -> str:
    if name:
        return (
            f"the next line of channel {name}, the input of {step}: none has come for {notice_s:g} "
            f"s, and no sender has ended the channel (`glowpy send --to {name}`)"
        )
    return (
        f"the next row of the channel that is the input of {step}: none has come for {notice_s:g} "
        "s, and the channel is open; close it after its last row, by close() or `with channel:`"
    )


def _fed_datasets(plan: Plan) -> Iterator[tuple[DatasetNode, Feed, str]]:
    """Yield each dataset fed by a channel, its feed, and the step that reads it."""
    for step_group in plan.step_groups:
        for edge in step_group.inputs:
            if edge.source < 0 and edge.dataset.feed is not None:
                yield edge.dataset, edge.dataset.feed, step_group.steps[0].describe()
