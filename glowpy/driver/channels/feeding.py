"""Rows that the driver program sends, on their way into the driver's own store."""

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


class Feeding:
    """All input channels of a run. Never waits."""

    def __init__(self, job: Job, store: RowsStore) -> None:
        self._store = store
        self._open: list[tuple[Channel, Journal, str]] = []
        self._journals: list[Journal] = []
        self._named: list[NamedFeed] = []
        self.inputs = [
            (dataset, self._channel_of(feed, job), step)
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
        """The channels are this run's now."""
        for dataset, channel, step in self.inputs:
            journal = self._store.open_journal(dataset)
            self._journals.append(journal)
            self._open.append((channel, journal, step))
        for named in self._named:
            named.begin()

    def advance(self) -> None:
        """Keep what was sent; seal what was closed.

        Raises:
            RowError: a row cannot be pickled; OutputError: the disk takes no more.
            RunCancelled: the block that sends has raised.
        """
        for entry in list(self._open):
            channel, journal, step = entry
            if rows := channel.take():
                try:
                    journal.deal(rows)
                except RowError as exc:
                    raise RowError(f"{step}, which reads a channel: {exc}") from exc
            if channel.error is not None:
                raise channel.error
            if channel.is_drained:
                journal.seal()
                self._open.remove(entry)

    def close(self) -> None:
        """The run is over."""
        for named in self._named:
            named.close()
        for journal in self._journals:
            journal.close()


def _fed_datasets(plan: Plan) -> Iterator[tuple[DatasetNode, Feed, str]]:
    """Each dataset that a channel feeds, its feed, and the step that reads it."""
    for step_group in plan.step_groups:
        for edge in step_group.inputs:
            if edge.source < 0 and edge.dataset.feed is not None:
                yield edge.dataset, edge.dataset.feed, step_group.steps[0].describe()
