"""Every message that crosses a socket, one named tuple each.

driver   -> master    Hello, AskExecutors, ReturnLeases
master   -> driver    Welcome, Grants, AskAgain
agent    -> master    Hello, Heartbeat, AddressProof, Goodbye
master   -> agent     ProveAddress, at the address in a heartbeat
driver   -> agent     Hello, OpenRun, Launch, Assign, Recall, Abort, Retire, CloseRun, Beat
agent    -> driver    Welcome, RunOpened, RunRefused, Launched, LaunchRefused, ExecutorExited,
                      GroupStarted, GroupEnded, Recalled, Printed, Noted, RunClosed, Beat, Progress,
                      RowReported
executor -> agent     ExecutorHello, ExecutorReady, Commit, Progress, GroupEnded, Printed, Noted
agent    -> executor  Describe, Begin, Abort, Retire
reader   -> owner     Fetch, MoreCredit, CancelFetch
owner    -> reader    Blocks, BlockFrame, FetchEnd
anybody  -> master    Hello, AskStatus; master -> anybody  Welcome, Status (status_messages)
senders and readers of channels that have a name: see channel_messages
agent    -> driver    FetchFile (at the driver's own server); driver -> agent FileFrame
"""

from __future__ import annotations

from glowpy.ranges import Bid, Count, Megabytes, Name, Seconds, Size
from glowpy.record import NamedTuple
from glowpy.secret import Secret
from glowpy.wire.run_messages import RUN_MESSAGES
from glowpy.wire.transfers import TRANSFERS

PROTOCOL_VERSION = 4


class Hello(NamedTuple):
    """The first message on every control connection, answered by Welcome."""

    protocol: Count
    glowpy: str
    python: str  # "3.11": major and minor, rows and functions travel as pickles
    role: str  # "driver", "agent"
    name: str


class Welcome(NamedTuple):
    """The answer to Hello. A non-empty `refusal` gives the reason for refusing the peer."""

    protocol: Count
    glowpy: str
    python: str
    role: str
    refusal: str
    master: str = ""  # address of an agent's master, for clients that expected a master


# --- master ---------------------------------------------------------------------------------


class LeaseInUse(NamedTuple):
    """A lease held by a present executor."""

    lease: Name
    driver: Name
    memory_mb: Megabytes


class NamedChannel(NamedTuple):
    """A named channel held by an agent."""

    channel: Name
    number: Size  # of several, the highest is the latest


class Heartbeat(NamedTuple):
    """The limits of an agent, and its leases in use, at this moment."""

    agent: Name
    address: Name
    data_center: Name
    rack: Name
    cpu_level: Count
    executor_limit: Count
    memory_mb: Megabytes
    leases: tuple[LeaseInUse, ...]
    cores: Count = 0  # available to agent and executors; 0: unknown
    channels: tuple[NamedChannel, ...] = ()
    clock_s: Seconds = 0.0  # since the start of the agent; times of issue of leases use this clock


class ProveAddress(NamedTuple):
    """Request `AddressProof` on the connection of the heartbeats from this address."""

    nonce: Secret


class AddressProof(NamedTuple):
    """The nonce of `ProveAddress`, returned on the connection of the heartbeats."""

    nonce: Secret


class Goodbye(NamedTuple):
    """Announce an agent's orderly end: no further lease is granted there."""

    agent: Name


class AskExecutors(NamedTuple):
    """A driver's whole open demand, beyond its leases; each ask replaces the previous one.

    An ask for none asks whether the driver may keep its leases. Leases granted by answers still in
    transit count as demand.
    """

    driver: Name
    executor_count: Count
    held: Count  # its leases
    memory_mb: Megabytes
    data_center: Name
    rack: Name
    bid: Bid
    script: str = ""  # script and host, for people
    module: Name = ""  # -glow.module, for people
    number: Size = 0  # of this ask, repeated in its answer
    answered: Size = 0  # the number of the last answer received


class Lease(NamedTuple):
    """The right to start one executor at one agent."""

    lease: Name
    agent: Name
    address: Name
    data_center: Name
    rack: Name
    cpu_level: Count
    memory_mb: Megabytes
    issued_at_s: Seconds = 0.0  # on the clock of the agent
    duration_s: Seconds = 0.0
    signature: bytes = b""  # see wire.lease_signature; empty on a cluster without keys


class Grants(NamedTuple):
    """The answer to AskExecutors: as many leases as available, perhaps none."""

    leases: tuple[Lease, ...]
    share: Count | None  # the most leases of this driver; None: unknown now
    agents_known: Size
    executors_known: Size
    largest_memory_mb: Megabytes  # the most memory of an executor, at any agent
    ask: Size = 0  # the number of the answered ask


class AskAgain(NamedTuple):
    """Executors became free, or the share of this driver shrank: the driver asks at once.

    Sent at most once for each ask. A driver that misses the message asks within `ask_s` anyway.
    """


class ReturnLeases(NamedTuple):
    """Give back leases that the driver will not use."""

    leases: tuple[str, ...]


MESSAGES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        Hello,
        Welcome,
        Heartbeat,
        ProveAddress,
        AddressProof,
        Goodbye,
        AskExecutors,
        Grants,
        AskAgain,
        ReturnLeases,
        *RUN_MESSAGES,
        *TRANSFERS,
    )
}
