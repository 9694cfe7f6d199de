"""Messages about named channels: `glowpy send`, `glowpy receive`, `flow.named_channel`.

Not in `messages.MESSAGES`: needed only by masters, agents, and the users of channels.

    sender -> agent    Hello, OpenChannel, ChannelRows, EndChannel
    agent  -> sender   Welcome, ChannelState after each message
    reader -> master   Hello, FindChannel
    master -> reader   Welcome, ChannelPlace
    reader -> agent    Fetch of `run_of(channel)`, as of any shard: see `transfers`
"""

from __future__ import annotations

from glowpy.ranges import Name, Size
from glowpy.record import NamedTuple


class OpenChannel(NamedTuple):
    """Open a channel for the rows to follow; replaces any channel of this name at the agent."""

    channel: Name


class ChannelRows(NamedTuple):
    """Append rows, as a block of lines in the payload; no rows: the sender is alive."""

    channel: Name
    row_count: Size


class EndChannel(NamedTuple):
    """Mark the end of a channel."""

    channel: Name


class ChannelState(NamedTuple):
    """The rows of a channel held by the agent. A refusal gives the reason for taking no more."""

    channel: Name
    row_count: Size
    is_whole: bool
    refusal: str


class FindChannel(NamedTuple):
    """Ask for the agent of a channel."""

    channel: Name


class ChannelPlace(NamedTuple):
    """The agent of a channel, and its number there; an empty address: no agent has the channel."""

    channel: Name
    address: Name
    number: Size


CHANNEL_MESSAGES: dict[str, type] = {
    cls.__name__: cls
    for cls in (OpenChannel, ChannelRows, EndChannel, ChannelState, FindChannel, ChannelPlace)
}


def run_of(channel: str) -> str:
    """Return the run id used in fetches of a channel's shard; no real run has such an id."""
    return f"@{channel}"
