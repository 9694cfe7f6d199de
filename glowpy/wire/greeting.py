"""The conditions of joining a cluster: the same protocol, the same glowpy, the same Python."""

from __future__ import annotations

import sys

from glowpy.errors import ClusterError, ConfigError, NoMaster, VersionMismatch
from glowpy.version import __version__
from glowpy.wire.address import Address, is_loopback, parse_address
from glowpy.wire.messages import PROTOCOL_VERSION, Hello, Welcome
from glowpy.wire.run_messages import ExecutorHello

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def hello_of(role: str, name: str) -> Hello:
    """Return the greeting of a process of this release."""
    return Hello(protocol=PROTOCOL_VERSION, glowpy=__version__, python=PYTHON, role=role, name=name)


def welcome(hello: Hello, role: str, master: str = "") -> Welcome:
    """Return the answer to a greeting, with a refusal as text if the versions differ."""
    return Welcome(
        protocol=PROTOCOL_VERSION,
        glowpy=__version__,
        python=PYTHON,
        role=role,
        refusal=refusal(hello, role),
        master=master,
    )


def check_welcome(answer: Welcome, role: str, address: Address, option: str) -> None:
    """Check that a server has the expected role and a compatible version.

    Args:
        role: "master" or "agent".
        option: the option for the address: "-glow.leader=" or "--master ".

    Raises:
        NoMaster, ClusterError: the server has another role; VersionMismatch: another release.
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
    """Return the address of an agent's master as seen from here; empty if unknown."""
    try:
        master = parse_address(agent.master)
    except ConfigError:
        return ""
    if is_loopback(master.host) and not is_loopback(address.host):
        master = master._replace(host=address.host)
    return "" if master == address else str(master)


def refusal(hello: Hello | ExecutorHello, role: str) -> str:
    """Return the reason why a greeting process cannot work with this `role`; empty if compatible.

    Both sides derive the plan and rows travel as pickles, so versions must match exactly.
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
    """Return the text of an untrusted peer, made safe for a line of a log."""
    return "".join(each if each.isprintable() else "?" for each in str(said)[:80])
