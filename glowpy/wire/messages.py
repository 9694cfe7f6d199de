"""Every message that crosses a socket, one named tuple each.

driver   -> master    Hello, AskExecutors, ReturnLeases
master   -> driver    Welcome, Grants, AskAgain
agent    -> master    Hello, Heartbeat, Goodbye
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

from glowpy.ranges import Bid, Count, Megabytes, Name, Size
from glowpy.record import NamedTuple
from glowpy.wire.run_messages import RUN_MESSAGES
from glowpy.wire.transfers import TRANSFERS

PROTOCOL_VERSION = 3


class Hello(NamedTuple):
    """The first message on every control connection, answered by Welcome."""

    protocol: Count
    glowpy: str
    python: str  # "3.11": major and minor, rows and functions travel as pickles
    role: str  # "driver", "agent"
    name: str


class Welcome(NamedTuple):
    """The answer to Hello. A non-empty `refusal` says why the peer may not go on."""

    protocol: Count
    glowpy: str
    python: str
    role: str
    refusal: str
    master: str = ""  # address of an agent's master, for clients that expected a master


# --- master ---------------------------------------------------------------------------------


class LeaseInUse(NamedTuple):
    """A lease under which an executor is there."""

    lease: Name
    driver: Name
    memory_mb: Megabytes


class NamedChannel(NamedTuple):
    """A channel that an agent has for whoever asks for its name."""

    channel: Name
    number: Size  # of several, the highest was sent last


class Heartbeat(NamedTuple):
    """What an agent has, and which leases it is using, at this moment."""

    agent: Name
    address: Name
    data_center: Name
    rack: Name
    cpu_level: Count
    executor_limit: Count
    memory_mb: Megabytes
    leases: tuple[LeaseInUse, ...]
    cores: Count = 0  # that agent and executors may run on; 0: not told
    channels: tuple[NamedChannel, ...] = ()


class Goodbye(NamedTuple):
    """An agent ends in order: nothing more is to be granted at it."""

    agent: Name


class AskExecutors(NamedTuple):
    """A driver's whole open demand, beyond what it holds; each repetition replaces the one before.

    One of nothing asks whether it may keep what it holds. What answers have granted that were still
    on their way is part of the demand.
    """

    driver: Name
    executor_count: Count
    held: Count  # leases that it has
    memory_mb: Megabytes
    data_center: Name
    rack: Name
    bid: Bid
    script: str = ""  # what runs and where, for people
    module: Name = ""  # -glow.module, for people
    number: Size = 0  # of this ask: its answer carries it
    answered: Size = 0  # the number of the last answer that has come


class Lease(NamedTuple):
    """The right to start one executor at one agent."""

    lease: Name
    agent: Name
    address: Name
    data_center: Name
    rack: Name
    cpu_level: Count
    memory_mb: Megabytes


class Grants(NamedTuple):
    """The answer to AskExecutors: perhaps fewer leases than asked for, perhaps none."""

    leases: tuple[Lease, ...]
    share: Count | None  # leases that the driver may hold in all; None: the master cannot tell now
    agents_known: Size
    executors_known: Size
    largest_memory_mb: Megabytes  # the most memory an executor could get at any agent
    ask: Size = 0  # the number of the ask that is answered


class AskAgain(NamedTuple):
    """Executors became free, or the share of this driver is less: the driver asks at once.

    Sent at most once for each ask. A driver that misses it asks within `ask_s` anyway.
    """


class ReturnLeases(NamedTuple):
    """The driver will not use these leases."""

    leases: tuple[str, ...]


MESSAGES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        Hello,
        Welcome,
        Heartbeat,
        Goodbye,
        AskExecutors,
        Grants,
        AskAgain,
        ReturnLeases,
        *RUN_MESSAGES,
        *TRANSFERS,
    )
}
