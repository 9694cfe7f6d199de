"""Messages about channels that have a name: `glowpy send`, `glowpy receive`, `flow.named_channel`.

Not in `messages.MESSAGES`: only masters, agents and those who send or look for a channel need them.

sender -> agent    Hello, OpenChannel, ChannelRows, EndChannel
agent  -> sender   Welcome, ChannelState after each of these
reader -> master   Hello, FindChannel
master -> reader   Welcome, ChannelPlace
reader -> agent    Fetch of `run_of(channel)`, as of any shard: see `transfers`
"""

from __future__ import annotations

from glowpy.ranges import Name, Size
from glowpy.record import NamedTuple


class OpenChannel(NamedTuple):
    """Its rows will follow, in place of whatever the agent has under this name."""

    channel: Name


class ChannelRows(NamedTuple):
    """More rows of a channel, as a block of lines in the payload; none: the sender still runs."""

    channel: Name
    row_count: Size


class EndChannel(NamedTuple):
    """That was all."""

    channel: Name


class ChannelState(NamedTuple):
    """How much of a channel the agent has. A refusal says why it takes no more."""

    channel: Name
    row_count: Size
    is_whole: bool
    refusal: str


class FindChannel(NamedTuple):
    """Where is the channel of this name?"""

    channel: Name


class ChannelPlace(NamedTuple):
    """The agent that has it, and its number there; no address: nobody has."""

    channel: Name
    address: Name
    number: Size


CHANNEL_MESSAGES: dict[str, type] = {
    cls.__name__: cls
    for cls in (OpenChannel, ChannelRows, EndChannel, ChannelState, FindChannel, ChannelPlace)
}


def run_of(channel: str) -> str:
    """What stands for a run where a shard belongs to a channel; no run can be called so."""
    return f"@{channel}"
