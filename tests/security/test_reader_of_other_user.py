"""A reader of another user on the owner's host gets its rows through the socket immediately."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from glowpy.wire.transport import Poller
from tests.shard_owner import Owner, append, wait_until

UNUSED_UID = 61_234
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="a process of another user takes root")

# Imports stand before setuid: another user may not be able to read the interpreter's files.
READER = f"""
import os, sys
from glowpy.wire.transport import Poller
from tests.shard_owner import OWNERS_HOST, Reader

os.setgroups([]), os.setgid({UNUSED_UID}), os.setuid({UNUSED_UID})
with Reader(Poller(), OWNERS_HOST) as reader:
    streams = reader.streams(*[(sys.argv[1], 1, shard) for shard in (0, 1, 1)])
    first = next(streams[0])
    print("first", first, flush=True)
    print([first, *streams[0]], list(streams[1]), list(streams[2]))
"""


@AS_ROOT
@pytest.mark.parametrize("mode", [0o700, 0o755], ids=["closed folder", "readable file"])
def test_a_reader_of_another_user_is_sent_the_bytes(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    poller = Poller()
    with Owner(poller, tmp_path) as owner:
        with owner.begin(1) as writer:
            blocks = [append(writer, 0, [1, 2]), append(writer, 1, [3])]
            writer.flush()
            os.chmod(owner.path(1), 0o644)
            owner.commit(1, blocks)
            reader = subprocess.Popen(
                [sys.executable, "-c", READER, owner.address],
                cwd=Path(__file__).parents[2],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdout=subprocess.PIPE,
            )
            assert reader.stdout is not None
            output = reader.stdout.fileno()
            text = bytearray()
            poller.register(output, lambda: text.extend(os.read(output, 4096)))
            # while the shard is written
            wait_until(poller, lambda: b"\n" in text, "the first rows")
            blocks = [append(writer, 0, [4])]
            writer.flush()
            owner.commit(1, blocks)
        owner.seal(1)
        wait_until(poller, lambda: text.count(b"\n") == 2, "all rows")
        poller.unregister(output)
        assert reader.wait(60) == 0
        reader.stdout.close()
        assert text == b"first [1, 2]\n[[1, 2], [4]] [[3]] [[3]]\n"
        assert owner.sent()[0] == 4  # frames
