"""`glowpy status`: queries a master and prints its agents and runs, once or repeatedly."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from textwrap import wrap

from glowpy.amounts import counted, format_duration
from glowpy.columns import Column, fitted, width_of
from glowpy.errors import ClusterError
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.contact import ClientIdentity, Contact
from glowpy.wire.security import Policy
from glowpy.wire.status_messages import STATUS_MESSAGES, AskStatus, Status
from glowpy.wire.transport import Poller, Transport

_MOST_LISTED = 1000  # agents and runs; the heading counts the rest, too
_ASK = AskStatus(_MOST_LISTED)
_CALLER = ClientIdentity(role="status", name="glowpy status", option="--master ")
_STOP = "stop"
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


class Stopped(Exception):
    """The user pressed Ctrl-C, or the process got another signal to end."""


class StatusClient:
    """Client that queries the status of a master. A context manager.

    Args:
        stop: a file descriptor that becomes readable when the user wants the end.

    Raises:
        ConfigError: the policy refuses the address.
    """

    def __init__(self, master: Address, policy: Policy, timing: Timing, stop: int) -> None:
        policy.check(master, is_server=False)
        self._timing = timing
        self._transport = Transport(policy, timing.without_linger(), STATUS_MESSAGES)
        self._poller = Poller()
        self._poller.register(stop, _STOP)
        self._contact = Contact(
            self._transport, self._poller, master, "master", _CALLER, timing, _STOP
        )

    def __enter__(self) -> StatusClient:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._transport.close()

    def ask(self) -> Status:
        """Query the master and return its status.

        Raises:
            NoMaster: the address does not answer as a master; VersionMismatch; Stopped.
        """
        contact, patience_s = self._contact, self._timing.first_contact_s
        while contact.receive() is not None:
            pass  # a late answer to an earlier query
        if not contact.is_welcome:
            contact.probe()
        if not contact.handshake(patience_s):
            raise Stopped
        contact.send(_ASK)
        deadline = time.monotonic() + patience_s
        while True:
            while (received := contact.receive()) is not None:
                if isinstance(received[0], Status):
                    return received[0]
            if not contact.is_welcome or time.monotonic() >= deadline:
                raise contact.silent(patience_s)
            self.wait(deadline)

    def wait(self, until: float) -> None:
        """Wait for messages until a monotonic time. Raises: Stopped."""
        if _STOP in self._poller.poll(max(0.0, until - time.monotonic())):
            raise Stopped


def show_once(client: StatusClient, master: Address, *, as_json: bool) -> None:
    """Query the master and print its status. Raises: GlowError."""
    try:
        status = client.ask()
    except Stopped:
        return
    lines = [to_json(status)] if as_json else to_lines(master, status, width_of(sys.stdout))
    print("\n".join(lines), flush=True)


def watch(client: StatusClient, master: Address, pause_s: float, *, as_json: bool) -> None:
    """Query repeatedly until Ctrl-C. A master may be restarted in the meantime.

    Raises:
        GlowError: the first query failed.
    """
    is_terminal = sys.stdout.isatty() and not as_json
    was_answered = False
    try:
        while True:
            next_ask = time.monotonic() + pause_s
            try:
                status = client.ask()
            except ClusterError as exc:
                if not was_answered:
                    raise
                _print_again([str(exc)], is_terminal)
            else:
                was_answered = True
                width = width_of(sys.stdout)
                if is_terminal and width is not None:
                    # full width would make clearing the rest of a line empty its last column
                    width -= 1
                lines = [to_json(status)] if as_json else to_lines(master, status, width)
                _print_again(lines, is_terminal)
            while time.monotonic() < next_ask:
                client.wait(next_ask)
    except Stopped:
        return


def _print_again(lines: Sequence[str], is_terminal: bool) -> None:
    if is_terminal:
        columns, height = os.get_terminal_size(sys.stdout.fileno())
        if len(lines) >= height:
            left_out = len(lines) - height + 2
            lines = [*lines[:-left_out], f"and {left_out} more lines: the terminal is too low"]
        body = "".join(f"{line[: columns - 1]}{_CLEAR_LINE}\n" for line in lines)
        sys.stdout.write(f"{_HOME}{body}{_CLEAR_BELOW}")
    else:
        end = "\n" if len(lines) > 1 else ""
        sys.stdout.write("\n".join(lines) + "\n" + end)
    sys.stdout.flush()


def to_json(status: Status) -> str:
    """Return the status as one line of JSON, with the field names of the messages."""
    fields = status._asdict()
    fields["agents"] = [agent._asdict() for agent in status.agents]
    fields["runs"] = [run._asdict() for run in status.runs]
    return json.dumps(fields)


_AGENT = (
    Column(title="agent", least_width=21, is_left=True),
    Column(
        title="place",
        importance=1,
        least_width=12,
        is_left=True,
        usual=("defaultDataCenter/defaultRack",),
    ),
    Column(title="cores", importance=2),
    Column(title="executors", importance=5),
    Column(title="busy"),
    Column(title="free"),
    Column(title="memory", importance=3),
    Column(title="used", importance=4, usual=("0 MB",)),
    Column(title="last heartbeat", is_left=True),
)
_RUN = (
    Column(title="run", least_width=12, is_left=True),
    Column(title="script", least_width=12, is_left=True),
    Column(title="executors", importance=5),
    Column(title="wanted"),
    Column(title="memory each", importance=1),
    Column(title="bid", importance=3),
    Column(title="last request", importance=4, is_left=True),
    Column(title="module", importance=2, least_width=8, is_left=True, usual=("",)),
)


def to_lines(master: Address, status: Status, width: int | None = None) -> list[str]:
    """Return a heading, and one table of agents and one of runs.

    Args:
        width: characters in a line; None: no limit.
    """
    free = max(0, status.executors_known - status.executors_busy)
    head = (
        f"master {master}, up {format_duration(status.up_s)}: "
        f"{counted(status.agents_known, 'agent')}, "
        f"{counted(status.executors_known, 'executor')} ({status.executors_busy} busy, "
        f"{free} free); {counted(status.runs_known, 'run')}, "
        f"{counted(status.executors_wanted, 'executor')} wanted"
    )
    agents = [
        (
            agent.address,
            f"{agent.data_center}/{agent.rack}",
            str(agent.cores or "?"),
            str(agent.executor_limit),
            str(agent.executors_busy),
            str(max(0, agent.executor_limit - agent.executors_busy)),
            f"{agent.memory_mb:,} MB",
            f"{agent.memory_used_mb:,} MB",
            f"{format_duration(agent.silent_s)} ago{', late' * agent.is_late}",
        )
        for agent in status.agents
    ]
    runs = [
        (
            run.run,
            run.script or "?",
            str(run.executors_held),
            str(run.executors_wanted),
            f"{run.memory_mb:,} MB",
            f"{run.bid:g}",
            f"{format_duration(run.silent_s)} ago" if run.silent_s >= 0 else "not yet",
            run.module,
        )
        for run in status.runs
    ]
    left_out: list[str] = []
    lines = [
        *wrap(head, width or len(head), subsequent_indent="  "),
        *_table(_AGENT, agents, status.agents_known, width, left_out),
        *_table(_RUN, runs, status.runs_known, width, left_out),
    ]
    if left_out:
        rest = f"not shown: {', '.join(left_out)}; a wider terminal or --json has them"
        lines += ["", *wrap(rest, width or len(rest), subsequent_indent="  ")]
    return lines


def _table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    known: int,
    width: int | None,
    left_out: list[str],
) -> list[str]:
    if not rows:
        return []
    lines, titles = fitted(columns, [tuple(map(_printable, row)) for row in rows], width)
    left_out += titles
    if known > len(rows):
        lines.append(f"and {known - len(rows)} more")
    return ["", *lines]


def _printable(text: str) -> str:
    """Return text of agents and drivers with unprintable characters replaced."""
    return "".join(each if each.isprintable() else "?" for each in text)
