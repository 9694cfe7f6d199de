"""What a running task offers its kernels: its place, its budget, its temporary files."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass

from glowpy.flow.ops.kernel import Stream
from glowpy.shards.codec import decode, encode
from glowpy.shards.segment import NONCE_BYTES, SegmentReader, SegmentWriter


@dataclass(frozen=True, slots=True)
class Context:
    """Implements `flow.ops.kernel.TaskContext` for one attempt of one task group."""

    task: int
    task_count: int
    budget_bytes: int
    directory: str  # temporary files of this attempt go here

    def spill(self, batches: Stream) -> Stream:
        """Write rows to a temporary file at once; the result reads them back, once.

        Raises:
            OutputError: the file cannot be written.
        """
        nonce = os.urandom(NONCE_BYTES)
        descriptor, path = tempfile.mkstemp(prefix="spill-", dir=self.directory)
        os.close(descriptor)
        os.unlink(path)
        try:
            with SegmentWriter(path, nonce) as writer:
                blocks = [writer.append(0, encode(batch), len(batch)) for batch in batches]
                writer.flush()
            if not blocks:
                return iter(())
            reader = SegmentReader(path, nonce)
        finally:
            with suppress(FileNotFoundError):  # made at the first batch only
                os.unlink(path)  # an open file lives on; nothing can be left behind

        def read_back() -> Stream:
            with reader:
                for block in blocks:
                    yield decode(reader.read(block))

        return read_back()
