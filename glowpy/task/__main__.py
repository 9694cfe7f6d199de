"""Starts an executor of a pickled flow: `python -m glowpy.task PAYLOAD -glow.flow.id=… …`."""

from __future__ import annotations

import sys
from pathlib import Path

from glowpy.command_line import parse
from glowpy.flow.graph import Graph
from glowpy.planner.run_description import RunDescription
from glowpy.program.pickling import unpickled
from glowpy.task.no_input import refuse_input
from glowpy.task.own_secret import receive_secrets
from glowpy.task.process import serve_and_exit
from glowpy.task.watched_environment import watch_environment


def main() -> None:
    """Serve the flow in the payload file."""
    receive_secrets()
    payload = Path(sys.argv[1])
    refuse_input()
    watch_environment()
    options, _rest, _notes = parse(sys.argv[2:])

    def find_graph(_description: RunDescription) -> Graph:
        graph: Graph = unpickled(payload.read_bytes())
        return graph

    serve_and_exit(options.agent_address, options.executor_id, find_graph)


if __name__ == "__main__":
    main()
