"""Largest frames of each message: senders and receivers refuse larger frames."""

from __future__ import annotations

from glowpy.record import NamedTuple

_MIB = 1 << 20
CONTROL_BYTES = 1 * _MIB  # of a message without an entry below
MAX_FRAME_BYTES = 32 * _MIB  # of any message or payload

_MESSAGE_BYTES = {
    "OpenRun": 16 * _MIB,  # with a manifest of 100,000 files
    **dict.fromkeys(("Assign", "Begin"), 8 * _MIB),  # the writers of their input shards
    **dict.fromkeys(("Commit", "GroupEnded", "Blocks"), 8 * _MIB),  # a block of each shard
    **dict.fromkeys(("Grants", "Status"), 8 * _MIB),  # of a master, about 1,000 agents and runs
    **dict.fromkeys(("ExecutorReady", "LaunchRefused"), 8 * _MIB),  # the difference of two plans
}
_PAYLOAD_BYTES = {
    **dict.fromkeys(("OpenRun", "Describe"), MAX_FRAME_BYTES),  # the run description
    "ChannelRows": MAX_FRAME_BYTES,  # a block of lines
    # parts of blocks and files; pickled exceptions, with the chain cut at 1 MiB
    **dict.fromkeys(("BlockFrame", "FileFrame"), 4 * _MIB),
    **dict.fromkeys(("GroupEnded", "ExecutorReady", "LaunchRefused"), 4 * _MIB),
}


class FrameBounds(NamedTuple):
    """The largest frames that one process accepts, of all kinds of messages."""

    most_bytes: int = MAX_FRAME_BYTES
    takes_payloads: bool = True

    def of_message(self, name: str) -> int:
        """The largest frame of a message."""
        return min(self.most_bytes, _MESSAGE_BYTES.get(name, CONTROL_BYTES))

    def of_payload(self, name: str) -> int:
        """The largest payload of a message; 0: no payload."""
        return min(self.most_bytes, _PAYLOAD_BYTES.get(name, 0)) if self.takes_payloads else 0


ALL_FRAMES = FrameBounds()
OF_MASTER = FrameBounds(CONTROL_BYTES, takes_payloads=False)
