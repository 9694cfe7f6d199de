"""The methods of a dataset that send its rows to the driver program while the flow runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glowpy.flow.handle import D, Handle

if TYPE_CHECKING:
    from glowpy.channel import Channel


class ChannelSteps(Handle):
    """Outputs of a dataset, any number of them; each gets every row."""

    __slots__ = ()

    def add_output(self: D, channel: Channel) -> D:
        """Send this dataset's rows to a channel of the driver program; return the dataset itself.

        The rows are sent in each `run()` or `start()` that computes the dataset. After the last row
        the channel is closed; if the run fails, receiving raises the run's error. Rows of an input
        channel are sent while the flow runs, provided that all steps on their way work row by row;
        other datasets are sent once complete, in shard order. Go: flow/dataset_output.go.

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
