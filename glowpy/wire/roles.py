"""Roles of the processes of a cluster, and the messages that a server accepts from each role.

A CURVE client key has one role (`wire.key_file`). A server finds the role of each message by the
key of the connection, and accepts the message if `Rules` lists the role.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeAlias

from glowpy.record import NamedTuple


class Role(Enum):
    """The role of the holder of a client key."""

    SERVER = "server"  # master and agents listen with this key; the master probes agents with it
    AGENT = "agent"  # registers with the master
    DRIVER = "driver"  # asks for executors and opens runs; sends and receives named channels
    VIEWER = "viewer"  # reads the status
    TASK = "task"  # an executor of one run, by the key of the run


CLUSTER_ROLES = (Role.SERVER, Role.AGENT, Role.DRIVER, Role.VIEWER)  # with keys in a key file


class Identity(NamedTuple):
    """The authenticated peer of a connection."""

    role: Role
    run: str = ""  # of a task: messages may name this run only


Rules: TypeAlias = Mapping[str, frozenset[Role]]  # roles by message; other messages are dropped

_AGENTS = frozenset({Role.AGENT})
_DRIVERS = frozenset({Role.DRIVER})
_SERVERS = frozenset({Role.SERVER})
_TASKS = frozenset({Role.TASK})
_MEMBERS = frozenset({Role.AGENT, Role.DRIVER, Role.VIEWER})
_READERS = frozenset({Role.DRIVER, Role.TASK})

MASTER_RULES: Rules = {
    "Hello": _MEMBERS,
    "Heartbeat": _AGENTS,
    "AddressProof": _AGENTS,
    "Goodbye": _AGENTS,
    "AskExecutors": _DRIVERS,
    "ReturnLeases": _DRIVERS,
    "FindChannel": _DRIVERS,
    "AskStatus": _MEMBERS,
}

AGENT_RULES: Rules = {
    "Hello": _MEMBERS,  # the answer names the master, for a client that expected a master
    "ProveAddress": _SERVERS,
    **dict.fromkeys(
        ("OpenRun", "Launch", "Assign", "Recall", "Abort", "Retire", "CloseRun", "Beat"), _DRIVERS
    ),
    **dict.fromkeys(("OpenChannel", "ChannelRows", "EndChannel"), _DRIVERS),
    **dict.fromkeys(
        ("ExecutorHello", "ExecutorReady", "Commit", "Progress", "GroupEnded", "Printed", "Noted"),
        _TASKS,
    ),
    **dict.fromkeys(("Fetch", "MoreCredit", "CancelFetch"), _READERS),
}

# At a driver's own server: agents and tasks of a run connect with the key of the run.
DRIVER_RULES: Rules = dict.fromkeys(("FetchFile", "Fetch", "MoreCredit", "CancelFetch"), _TASKS)


def objection(rules: Rules, identity: Identity, message: Any) -> str:
    """The reason not to take a message of a peer; empty if the peer may send it.

    >>> from glowpy.wire.messages import Goodbye
    >>> objection(MASTER_RULES, Identity(Role.VIEWER), Goodbye("a"))
    'a viewer may not send Goodbye here'
    """
    name = type(message).__name__
    if identity.role not in rules.get(name, ()):
        article = "an" if identity.role is Role.AGENT else "a"
        return f"{article} {identity.role.value} may not send {name} here"
    if identity.role is Role.TASK and getattr(message, "run", identity.run) != identity.run:
        return f"a task may not send {name} about another run"
    return ""


def admitted_roles(rules: Rules) -> frozenset[Role]:
    """The roles that may send any message; other peers are refused in the handshake."""
    return frozenset().union(*rules.values())
