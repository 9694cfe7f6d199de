"""channel, named_channel, add_output: rows in and out while a flow runs.

Go: flow/dataset_source.go, flow/dataset_output.go
"""

from __future__ import annotations

from glowpy.channel import CHANNEL_NAMES, Channel, is_channel_name
from glowpy.flow.arguments import check_shards, definition_error
from glowpy.flow.graph import (
    BROADCAST,
    ONE_TO_ONE,
    DatasetNode,
    Feed,
    Graph,
    Output,
    OutputKind,
)
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import PassOp


def add_channel(graph: Graph, channel: Channel, shards: int, broadcast: bool) -> DatasetNode:
    """Add rows sent by the driver program, dealt round robin or broadcast to all shards."""
    if not isinstance(channel, Channel):
        raise definition_error(f"channel() needs a glowpy.Channel, not {channel!r:.100}")
    shards = check_shards(shards, "channel")
    _check_unused(graph, channel, "channel")
    return _add_input(graph, Feed(channel), shards, broadcast)


def add_named_channel(graph: Graph, name: str, shards: int, broadcast: bool) -> DatasetNode:
    """Add lines of a named channel at an agent."""
    if not is_channel_name(name):
        raise definition_error(
            f"named_channel() needs a name of {CHANNEL_NAMES}, not {name!r:.100}"
        )
    shards = check_shards(shards, "named_channel")
    return _add_input(graph, Feed(None, name), shards, broadcast)


def _add_input(graph: Graph, feed: Feed, shards: int, broadcast: bool) -> DatasetNode:
    kept = 1 if broadcast else shards
    stored = DatasetNode(
        id=len(graph.steps),
        shard_count=kept,
        part_count=kept,
        output_kind=OutputKind.ONE_SHARD,
        feed=feed,
    )
    edge = BROADCAST if broadcast else ONE_TO_ONE
    return graph.add_step("Input", PassOp(), ((stored, edge),), user_location(), task_count=shards)


def add_output(graph: Graph, dataset: DatasetNode, channel: Channel) -> None:
    """Send the rows of the dataset to the channel, in each run that computes the dataset."""
    if not isinstance(channel, Channel):
        raise definition_error(f"add_output() needs a glowpy.Channel, not {channel!r:.100}")
    _check_unused(graph, channel, "add_output")
    graph.outputs.append(Output(dataset, channel))


def _check_unused(graph: Graph, channel: Channel, method: str) -> None:
    inputs = (dataset.feed for step in graph.steps for dataset, _edge in step.inputs)
    is_input = any(feed is not None and feed.channel is channel for feed in inputs)
    if is_input or any(output.channel is channel for output in graph.outputs):
        kind = "input" if is_input else "output"
        raise definition_error(
            f"{method}() got a channel that is an {kind} of this flow already; "
            "each input and each output needs a Channel of its own"
        )
