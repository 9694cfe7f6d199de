"""Plays a script of events to a `ClusterCore` and compares the actions with the script.

`>` is an event, the lines below it are the actions. `a1` is an agent, `L1` a lease, `r-1` the first
executor. `> 60 s pass` is a step a second, up to an error; the transcript omits the requests and
heartbeats of these steps. A master can answer each request, and an agent can refuse to launch:

    > 60 s pass, of 2 agents          no lease is granted
    > 60 s pass, a1 starts nothing    each request is granted a lease at a1, the only agent
"""

from __future__ import annotations

from textwrap import dedent
from typing import Any

from glowpy.driver.fleets.cluster_actions import (
    ClusterAction,
    LeaveAgent,
    ReachAgent,
    Report,
    ToAgent,
    ToMaster,
)
from glowpy.driver.fleets.cluster_core import ClusterCore
from glowpy.driver.fleets.fleet import AgentSaid, FleetFailed
from glowpy.driver.scheduling.events import AgentLost, ExecutorJoined, ShareChanged
from glowpy.flags import Options
from glowpy.secret import Secret
from glowpy.timing import Timing
from glowpy.version import __version__
from glowpy.wire.address import Address
from glowpy.wire.greeting import PYTHON
from glowpy.wire.messages import (
    PROTOCOL_VERSION,
    AskAgain,
    AskExecutors,
    Grants,
    Lease,
    Welcome,
)
from glowpy.wire.run_messages import (
    ExecutorExited,
    Launch,
    Launched,
    LaunchRefused,
    OpenRun,
    Refusal,
    RunClosed,
    RunOpened,
    RunRefused,
)

LEADER = Address("10.0.0.1", 8930)
TIMING = Timing()
_OPENING = OpenRun("r", 1, 1, "", "", "", {}, 0, "", Secret(bytes(16)))


def transcript(script: str, options: Options | None = None) -> None:
    """Play the events of a script and compare the actions with it."""
    core = ClusterCore(LEADER, _OPENING, b"", "script.py at host", options or Options(), TIMING)
    player = _Player(core)
    said: list[str] = []
    expected = "\n".join(line for line in dedent(script).splitlines() if line.strip())
    for line in expected.splitlines():
        if line.startswith(">"):
            said.append(line)
            said += player.play(line[1:].split())
    assert "\n".join(said) == expected


class _Player:
    def __init__(self, core: ClusterCore) -> None:
        self._core = core
        self._now = 0.0
        self._ask = 0  # number of the last request

    def play(self, words: list[str]) -> list[str]:
        core, now = self._core, self._now
        match words:
            case ["demand", count]:
                return self._lines_of([*core.demand(int(count)), *core.advance(now)])
            case [seconds, "s", "pass"]:
                return self._pass(int(seconds))
            case [seconds, "s", "pass,", "of", agents, "agents"]:
                return self._pass(int(seconds), agents=int(agents))
            case [seconds, "s", "pass,", agent, "starts", "nothing"]:
                return self._pass(int(seconds), agents=1, useless=agent)
            case ["the", "master", "grants", *leases, "of", agents]:
                granted = tuple(map(_lease, leases))
                grants = Grants(granted, None, int(agents), 4, 1024, self._ask)
                return self._lines_of([*core.master_said(grants), *core.advance(now)])
            case ["the", "master", "grants", "share", share]:
                grants = Grants((), int(share), 1, 4, 1024, self._ask)
                return self._lines_of([*core.master_said(grants), *core.advance(now)])
            case ["the", "master", "has", megabytes, "MB"]:
                grants = Grants((), None, 1, 4, int(megabytes), self._ask)
                return self._lines_of(core.master_said(grants))
            case ["the", "master", "calls"]:
                return self._lines_of(core.master_said(AskAgain()))
            case ["the", "master", "refuses"]:
                return self._lines_of(core.master_refused())
            case ["what", "is", "missing"]:
                return [core.waiting_for() or "nothing"]
            case ["is", "settled"]:
                return [str(core.is_settled)]
            case ["close"]:
                return [*self._lines_of(core.close()), f"closed: {core.is_closed}"]
            case ["return", "all"]:
                return self._lines_of(core.give_back_all())
            case [agent, "connects"]:
                core.agent_connected(agent + ":1")
                return []
            case [agent, "is", "gone:", *cause]:
                return self._lines_of(core.agent_lost(agent + ":1", " ".join(cause), now))
            case [agent, *what]:
                return self._lines_of(core.agent_said(agent + ":1", _message(what), b"", now))
        raise AssertionError(words)

    def _pass(self, seconds: int, agents: int | None = None, useless: str = "") -> list[str]:
        lines: list[str] = []
        for _ in range(seconds):
            self._now += 1.0
            before, found = self._ask, self._lines_of(self._core.advance(self._now))
            if agents is not None and self._ask > before:
                granted = (_lease(f"L{self._ask}@{useless}"),) if useless else ()
                grants = Grants(granted, None, agents, 4, 1024, self._ask)
                found += self._lines_of(self._core.master_said(grants))
                launches = self._core.advance(self._now) if granted else []
                for action in launches:
                    if isinstance(action, ToAgent) and isinstance(action.message, Launch):
                        refused = _message(["starts", "no", action.message.executor])
                        self._core.agent_said(action.address, refused, b"", self._now)
            lines += [each for each in found if each.startswith("failed") or "lost" in each]
            lines += [each for each in found if each.startswith(("leave", "return", "reach"))]
            if any(each.startswith("failed") for each in found):
                return [*lines, f"({self._now:g} s)"]
        return lines

    def _lines_of(self, actions: list[ClusterAction]) -> list[str]:
        return [self._line(action) for action in actions]

    def _line(self, action: Any) -> str:
        match action:
            case ToMaster(AskExecutors() as ask):
                self._ask = ask.number
                return f"ask for {ask.executor_count} beside {ask.held}"
            case ToMaster(message):
                return f"return {' '.join(message.leases)}"
            case ReachAgent(address):
                return f"reach {_name(address)}"
            case LeaveAgent(address):
                return f"leave {_name(address)}"
            case ToAgent(address, Launch() as launch):
                return f"{_name(address)}: launch {launch.executor} under {launch.lease}"
            case ToAgent(address, message):
                return f"{_name(address)}: {_KINDS.get(type(message).__name__, str(message))}"
            case Report(ExecutorJoined() as joined):
                return f"{joined.executor} joins {_name(joined.agent)}"
            case Report(ShareChanged() as changed):
                return f"the share is {changed.executor_count}"
            case Report(AgentLost() as lost):
                return f"{_name(lost.agent)} is lost: {lost.cause}"
            case Report(AgentSaid() as said):
                return f"{_name(said.agent)} says {type(said.message).__name__}"
            case Report(FleetFailed(error)):
                return f"failed: {type(error).__name__}: {error}"
        return {"ReachMaster": "reach the master", "LeaveMaster": "leave the master"}[
            type(action).__name__
        ]


_KINDS = {"OpenRun": "open", "Beat": "beat", "CloseRun": "close"}


def _name(address: str) -> str:
    return address.removesuffix(":1")


def _lease(text: str) -> Lease:
    """`L1@a1`"""
    lease, _, agent = text.partition("@")
    return Lease(lease, agent, agent + ":1", "", "", 1, 64)


def _message(words: list[str]) -> Any:
    match words:
        case ["welcomes"]:
            return Welcome(PROTOCOL_VERSION, __version__, PYTHON, "agent", "", "")
        case ["refuses:", *reason]:
            return Welcome(PROTOCOL_VERSION, __version__, PYTHON, "agent", " ".join(reason), "")
        case ["opens"]:
            return RunOpened("r", 0, 0)
        case ["refuses", "the", "run:", *reason]:
            return RunRefused("r", " ".join(reason))
        case ["closes"]:
            return RunClosed("r")
        case ["starts", executor]:
            return Launched("r", executor, 1)
        case ["is", "full", "for", executor]:
            return LaunchRefused("r", executor, Refusal.FULL, "full")
        case ["starts", "no", executor]:
            return LaunchRefused("r", executor, Refusal.NO_PROCESS, "cannot start a process")
        case ["ends", executor]:
            return ExecutorExited("r", executor, "exit status 0", True, "", True)
    raise AssertionError(words)
