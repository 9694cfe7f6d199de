"""Sizes of the frames of each message: senders and receivers refuse larger ones."""

from __future__ import annotations

from glowpy.record import NamedTuple

_MIB = 1 << 20
CONTROL_BYTES = 1 * _MIB  # for messages not listed here
MAX_FRAME_BYTES = 64 * _MIB  # for any message or payload

_MESSAGE_BYTES = {
    "OpenRun": 16 * _MIB,  # its manifest lists 100,000 files
    **dict.fromkeys(("Assign", "Begin"), 8 * _MIB),  # the writers of their input shards
    **dict.fromkeys(("Commit", "GroupEnded", "Blocks"), 8 * _MIB),  # a block of each shard
    **dict.fromkeys(("Grants", "Status"), 8 * _MIB),  # of a master, about 1,000 agents and runs
    **dict.fromkeys(("ExecutorReady", "LaunchRefused"), 8 * _MIB),  # the difference of two plans
}
_PAYLOAD_BYTES = {
    **dict.fromkeys(("OpenRun", "Describe"), MAX_FRAME_BYTES),  # the run description
    **dict.fromkeys(("BlockFrame", "FileFrame"), 4 * _MIB),
    "ChannelRows": 32 * _MIB,  # a block of lines
    # a pickled exception, with the rows in it
    **dict.fromkeys(("GroupEnded", "ExecutorReady", "LaunchRefused"), MAX_FRAME_BYTES),
}


class FrameBounds(NamedTuple):
    """The frame sizes accepted by one process, on top of the bounds by message."""

    most_bytes: int = MAX_FRAME_BYTES
    takes_payloads: bool = True

    def of_message(self, name: str) -> int:
        """Return the largest frame of a message, given its name."""
        return min(self.most_bytes, _MESSAGE_BYTES.get(name, CONTROL_BYTES))

    def of_payload(self, name: str) -> int:
        """Return the largest payload of a message, given its name; 0: no payload."""
        return min(self.most_bytes, _PAYLOAD_BYTES.get(name, 0)) if self.takes_payloads else 0


ALL_FRAMES = FrameBounds()
OF_MASTER = FrameBounds(CONTROL_BYTES, takes_payloads=False)
