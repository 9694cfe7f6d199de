"""The methods of a dataset that give its rows to the driver program while the flow runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glowpy.flow.handle import D, Handle

if TYPE_CHECKING:
    from glowpy.channel import Channel


class ChannelSteps(Handle):
    """A dataset may have any number of outputs; each gets every row."""

    __slots__ = ()

    def add_output(self: D, channel: Channel) -> D:
        """Send this dataset's rows to a channel of the driver program; returns the dataset itself.

        The rows come with each `run()` or `start()` that computes the dataset; after the last one
        the channel is closed, and where the run fails, receiving raises its error. What a flow's
        input channel brings, as far as it comes through steps that look at one row after another,
        arrives while the flow runs; the rows of other datasets when they are whole, in shard order.
        Go: flow/dataset_output.go.

        >>> flow, words, lengths = Flow(), Channel(), Channel()
        >>> _ = flow.channel(words).map(len).add_output(lengths)
        >>> handle = flow.start()
        >>> words.send("glow")
        >>> lengths.receive()
        4
        >>> words.close()
        >>> handle.wait()
        """
        from glowpy.flow.ops.channels import add_output

        add_output(self._graph, self._node, channel)
        return self
