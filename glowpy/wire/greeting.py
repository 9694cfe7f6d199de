"""Who may join: the same protocol, the same release of glowpy, the same Python."""

from __future__ import annotations

import sys

from glowpy.errors import ClusterError, ConfigError, NoMaster, VersionMismatch
from glowpy.version import __version__
from glowpy.wire.address import Address, is_loopback, parse_address
from glowpy.wire.messages import PROTOCOL_VERSION, Hello, Welcome
from glowpy.wire.run_messages import ExecutorHello

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def hello_of(role: str, name: str) -> Hello:
    """How a process of this release greets another."""
    return Hello(PROTOCOL_VERSION, __version__, PYTHON, role, name)


def welcome(hello: Hello, role: str, master: str = "") -> Welcome:
    """The answer to a greeting; with a refusal in words if the two cannot work together."""
    return Welcome(PROTOCOL_VERSION, __version__, PYTHON, role, refusal(hello, role), master)


def check_welcome(answer: Welcome, role: str, address: Address, option: str) -> None:
    """Is whoever answers what we want to talk to, and can we?

    Args:
        role: "master" or "agent".
        option: how the user names the address: "-glow.leader=" or "--master ".

    Raises:
        NoMaster, ClusterError: it is of another kind; VersionMismatch: of another release.
    """
    if answer.role == role:
        if answer.refusal:
            raise VersionMismatch(f"{role} at {address}: {answer.refusal}")
    elif role == "master":
        master = _master_of(answer, address)
        whose = f" of the master at {master}" if master else ""
        raise NoMaster(
            f"at {address} listens no master, but an agent{whose}; name its master by "
            f"{option}{master or 'HOST:PORT'}"
        )
    else:
        raise ClusterError(
            f"at {address} listens no agent, but a master; name one of its agents by "
            f"{option}HOST:PORT (`glowpy status --master {address}` lists them)"
        )


def _master_of(agent: Welcome, address: Address) -> str:
    """The master of the agent at an address as it is reached from here; empty if it has none."""
    try:
        master = parse_address(agent.master)
    except ConfigError:
        return ""
    if is_loopback(master.host) and not is_loopback(address.host):
        master = master._replace(host=address.host)
    return "" if master == address else str(master)


def refusal(hello: Hello | ExecutorHello, role: str) -> str:
    """Why whoever greets cannot work with this `role`, in words; empty if it can.

    Both sides derive the plan and rows travel as pickles: nearly the same is not enough.
    """
    their_role = printable(hello.role) if isinstance(hello, Hello) else "executor"
    differences = [
        f"{what} {printable(theirs)} at the {their_role} and {ours} at the {role}"
        for what, theirs, ours in (
            ("protocol", hello.protocol, PROTOCOL_VERSION),
            ("glowpy", hello.glowpy, __version__),
            ("Python", hello.python, PYTHON),
        )
        if theirs != ours
    ]
    if not differences:
        return ""
    name = printable(hello.name if isinstance(hello, Hello) else hello.executor)
    return (
        f"{their_role} {name} and the {role} cannot work together: "
        f"{'; '.join(differences)}. Install the same release everywhere."
    )


def printable(said: object) -> str:
    """What a stranger says, fit for a line of a log."""
    return "".join(each if each.isprintable() else "?" for each in str(said)[:80])
