"""Sizes of the frames of each message: senders and receivers refuse larger ones."""

from __future__ import annotations

from glowpy.record import NamedTuple

_MIB = 1 << 20
CONTROL_BYTES = 1 * _MIB  # a message that is not listed here
MAX_FRAME_BYTES = 32 * _MIB  # of any message or payload

_MESSAGE_BYTES = {
    "OpenRun": 16 * _MIB,  # its manifest lists 100,000 files
    **dict.fromkeys(("Assign", "Begin"), 8 * _MIB),  # the writers of their input shards
    **dict.fromkeys(("Commit", "GroupEnded", "Blocks"), 8 * _MIB),  # a block of each shard
    **dict.fromkeys(("Grants", "Status"), 8 * _MIB),  # of a master, about 1,000 agents and runs
    **dict.fromkeys(("ExecutorReady", "LaunchRefused"), 8 * _MIB),  # the difference of two plans
}
_PAYLOAD_BYTES = {
    **dict.fromkeys(("OpenRun", "Describe"), MAX_FRAME_BYTES),  # the run description
    "ChannelRows": MAX_FRAME_BYTES,  # a block of lines
    # a part of a block or of a file; a pickled exception, whose chain is cut at 1 MiB
    **dict.fromkeys(("BlockFrame", "FileFrame"), 4 * _MIB),
    **dict.fromkeys(("GroupEnded", "ExecutorReady", "LaunchRefused"), 4 * _MIB),
}


class FrameBounds(NamedTuple):
    """The sizes that one process accepts, whatever a kind of message may have elsewhere."""

    most_bytes: int = MAX_FRAME_BYTES
    takes_payloads: bool = True

    def of_message(self, name: str) -> int:
        """The largest frame of the message of this name."""
        return min(self.most_bytes, _MESSAGE_BYTES.get(name, CONTROL_BYTES))

    def of_payload(self, name: str) -> int:
        """The largest payload of the message of this name; 0: it has none."""
        return min(self.most_bytes, _PAYLOAD_BYTES.get(name, 0)) if self.takes_payloads else 0


ALL_FRAMES = FrameBounds()
OF_MASTER = FrameBounds(CONTROL_BYTES, takes_payloads=False)
