"""The program of a run as shipped by the driver, and the server from which agents fetch it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from glowpy.driver.recording import Recorded
from glowpy.errors import ProgramError
from glowpy.flow.graph import Graph
from glowpy.flow.ops.source import without_rows
from glowpy.program.discovery import pickled_program, script_program
from glowpy.program.pickling import pickled
from glowpy.program.program import Program, Sources, with_recorded, with_related
from glowpy.program.related import find_related
from glowpy.secret import Secret
from glowpy.wire.transfers import FetchFile, FileFrame
from glowpy.wire.transport import Server

_FRAME_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Shipment:
    """A program and the locations of its contents, by SHA-256.

    Attributes:
        roots: of a script, the local directories of its modules, by number.
        data_left_out: packages whose data files exceed the limits.
    """

    program: Program
    contents: Sources
    roots: tuple[str, ...] = ()
    data_left_out: tuple[str, ...] = ()


def make_program(
    graph: Graph,
    targets: Sequence[int],
    words: Sequence[str],
    recorded: Recorded,
    related_files: str,
) -> Shipment:
    """Return the program that runs tasks of a flow: the script, or the pickled flow without one.

    Tasks that run the script end at glowpy.ready(), so a run of steps below it is pickled.

    Args:
        targets: ids of the datasets computed by the run.
        words: the script's own arguments.
        recorded: results of earlier runs, by run number, for the re-run script.
        related_files: files to be sent, in the syntax of the flag.

    Raises:
        ProgramError: a file or function cannot be shipped; the message names it.
    """
    related, sources_of_related = find_related(related_files)
    found = None
    is_shared = graph.is_shared(targets)
    if graph.arguments is None and is_shared:  # flags of the command line: tasks read them there
        found = script_program(sys.modules["__main__"], words)
    if found is None:
        program, sources = pickled_program(_pickled_below_ready(graph, is_shared))
        program = with_related(program, related)
        return Shipment(program=program, contents={**sources, **sources_of_related})
    script, sources, roots, left_out = found
    script, contents = with_recorded(script, dict(recorded))
    script = with_related(script, related)
    return Shipment(
        program=script,
        contents={**sources, **sources_of_related, **contents},
        roots=roots,
        data_left_out=left_out,
    )


def _pickled_below_ready(graph: Graph, is_shared: bool) -> bytes:
    if is_shared:
        return pickled_flow(graph)
    try:
        return pickled_flow(graph)
    except ProgramError as exc:
        raise ProgramError(
            f"{exc}; or define the step above glowpy.ready(): a run that needs steps below it is "
            "sent to tasks as a pickle"
        ) from exc.__cause__


def pickled_flow(graph: Graph) -> bytes:
    """Return the pickled flow for processes without the script; rows of slices are left out.

    Raises:
        ProgramError: a function cannot be pickled; the message names it.
    """
    steps = map(without_rows, graph.steps)
    bare = Graph(graph.flow_id, graph.location, graph.arguments, steps)
    try:
        return pickled(bare)
    except Exception as exc:
        for step in bare.steps:
            try:
                pickled(step.op)
            except Exception as reason:
                raise ProgramError(
                    f"{step.describe()}: its function cannot be pickled: {reason}; make inside of "
                    "it what cannot travel, as open files, locks and connections"
                ) from reason
        raise ProgramError(f"the flow cannot be pickled: {exc}") from exc


class PathRewriter:
    """Replaces, in texts of tasks, paths at an agent by the paths of the script's files here.

    At an agent, the files lie in a copy of the program, where no editor would look for them.
    """

    def __init__(self, shipment: Shipment) -> None:
        self._shipment = shipment

    def __call__(self, text: str) -> str:
        return text if self._mark not in text else self._pattern.sub(self._own, text)

    def of_file(self, path: str) -> str:
        """Return the path here of a file beside the program's copy at an agent, shipped or not."""
        _directory, mark, below = path.partition(self._mark)
        root, _slash, name = below.removeprefix("r").partition("/")
        if not (mark and root.isdecimal() and int(root) < len(self._shipment.roots)):
            return path
        return os.path.join(self._shipment.roots[int(root)], name)

    @cached_property
    def _mark(self) -> str:
        return f"/code/{self._shipment.program.manifest.code_digest}/"

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(rf'[^"\s]*{self._mark}(r\d+/[^":\n]+)')

    @cached_property
    def _files(self) -> dict[str, str]:
        contents = self._shipment.contents
        return {
            f"r{file.root}/{file.path}": str(contents[file.sha256])
            for file in self._shipment.program.manifest.files
            if isinstance(contents.get(file.sha256), Path)
        }

    def _own(self, found: re.Match[str]) -> str:
        return self._files.get(found[1], found[0])


class ProgramServer:
    """Answers FetchFile at the driver's own server, to agents that know the run's secret."""

    def __init__(self, contents: Sources, server: Server, secret: Secret) -> None:
        self._contents = contents
        self._server = server
        self._secret = secret

    def receive(self, peer: bytes, message: FetchFile) -> None:
        """Send one frame of a content, read once the agent takes it; size -1: unknown content."""
        # An agent asks for more frames at a time than a queue of made frames would hold.
        self._server.send_made(peer, partial(self._frame, message))

    def _frame(self, message: FetchFile) -> tuple[FileFrame, bytes]:
        is_known = self._secret.matches(message.secret)
        source = self._contents.get(message.sha256) if is_known else None
        data, size = b"", -1
        if source is not None and message.offset_bytes >= 0:
            data, size = _read(source, message.offset_bytes)
        answer = FileFrame(
            run=message.run,
            sha256=message.sha256,
            offset_bytes=message.offset_bytes,
            size_bytes=size,
        )
        return answer, data


def _read(source: Path | bytes, offset: int) -> tuple[bytes, int]:
    """Return a frame of a content, and the total size; -1: the file cannot be read."""
    if isinstance(source, bytes):
        return source[offset : offset + _FRAME_BYTES], len(source)
    try:
        with source.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(offset)
            return file.read(_FRAME_BYTES), size
    except OSError:
        return b"", -1
