"""The driver's side of the protocol with the master, as a pure machine.

The client asks for all executors beyond those held, and repeats the ask while the demand is open.
Grants become leases; a silence, a refusal or a cluster without usable agents becomes the error of
the run.
"""

from __future__ import annotations

from typing import TypeAlias

from glowpy.driver.fleets.cluster_actions import (
    ClusterAction,
    LeaveMaster,
    ReachMaster,
    Report,
    ToMaster,
)
from glowpy.driver.fleets.fleet import FleetFailed
from glowpy.errors import ClusterError, NoAgents, NoMaster
from glowpy.flags import Options
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.greeting import check_welcome
from glowpy.wire.messages import (
    AskAgain,
    AskExecutors,
    Grants,
    Lease,
    ReturnLeases,
    Welcome,
)

_Causes: TypeAlias = dict[
    str, tuple[str, float]
]  # by address of the agent: the last cause, and its time
_FIRST_ASK_FRACTION = 1 / 32  # of the interval between asks; it doubles while nothing is granted


class MasterClient:
    """Asks a master for executors.

    Args:
        script: the name of this driver in the status of the master.
        actions: each action is appended here.
    """

    def __init__(
        self,
        leader: Address,
        run: str,
        script: str,
        options: Options,
        timing: Timing,
        actions: list[ClusterAction],
    ) -> None:
        self._leader = leader
        self._run = run
        self._options = options
        self._timing = timing
        self._script = script
        self._actions = actions
        self._has_link = True
        self._granted: list[Lease] = []
        self._demand = 0
        self._ask_number = 0  # of the last ask
        self._demand_ask = 0  # the first ask with the whole demand
        self._answered_ask = 0  # the last answered ask
        self._pause_s = timing.ask_s
        self.next_ask = 0.0
        self._last_ask = 0.0
        self.share: int | None = None  # the most executors of this run, by the master
        self._asked_at: float | None = None  # the first ask without an answer
        self._agentless_since: float | None = None
        self._was_granted = False
        self._last: Grants | None = None
        self._refusals: _Causes = {}  # agents without any executor so far
        self._unusable: _Causes = {}  # agents with returned leases
        self._unusable_since: float | None = None
        self._now = 0.0
        actions.append(ReachMaster())

    @property
    def demand(self) -> int:
        """Executors wanted beyond those held."""
        return self._demand

    @demand.setter
    def demand(self, count: int) -> None:
        if count > self._demand:  # a smaller demand waits for the next ask
            self.ask_again()
            self._pause_s = self._timing.ask_s * _FIRST_ASK_FRACTION
            self.next_ask = min(self.next_ask, self._last_ask + self._pause_s)
        self._demand = count

    @property
    def is_answered(self) -> bool:
        """True if the master has answered the whole demand, or has been silent for long."""
        if (
            self._asked_at is not None
            and self._now - self._asked_at >= self._timing.first_contact_s
        ):
            return True
        return self._answered_ask >= self._demand_ask and not self._granted

    def ask_again(self) -> None:
        """Ignore earlier answers: the demand has risen, or a lease was returned."""
        self._demand_ask = self._ask_number + 1

    def granted(self) -> list[Lease]:
        """Leases granted since the last call."""
        granted, self._granted = self._granted, []
        return granted

    def give_back(self, lease: Lease) -> None:
        """Return a lease."""
        self._send(ReturnLeases((lease.lease,)))

    def cannot_use(self, lease: Lease, cause: str, now: float) -> None:
        """Return a lease of an agent that is lost or starts no process; ask again later."""
        self.give_back(lease)
        self._unusable[lease.address] = cause, now
        if self._unusable_since is None:
            self._unusable_since = now
        self._pause_s = self._timing.ask_s
        self.next_ask = now + self._pause_s

    def can_use(self, address: str) -> None:
        """Record that an agent has opened the run, or started an executor."""
        self._refusals.pop(address, None)
        self._unusable.clear()
        self._unusable_since = None

    def agent_refused(self, address: str, cause: str) -> None:
        """Record that an agent refused the run before starting any executor."""
        self._refusals[address] = cause, self._now

    def give_back_all(self) -> None:
        """End of the run: withdraw the demand and return every lease."""
        self._send(self._ask(0, 0))
        for lease in self.granted():
            self.give_back(lease)

    def advance(self, now: float, launching: int, held: int) -> None:
        """Ask if an ask is due; `launching` executors start, `held` are running."""
        self._now = now
        wanted = max(0, self._demand - launching)
        if now >= self.next_ask:
            if not self._has_link and self._last is not None:
                self._has_link = True
                self._actions.append(ReachMaster())
            if wanted or held or launching or self._last is None:
                # an ask for none keeps the share up to date
                self._send(self._ask(wanted, held + launching))
                if self._asked_at is None:
                    self._asked_at = now
            self._last_ask = now
            self.next_ask = now + self._pause_s
            self._pause_s = min(self._pause_s * 2, self._timing.ask_s)
        if not held and not launching:  # a run with one executor continues without a master
            self._check(now, wanted)

    def waiting_for(self, held: int) -> str:
        """Return the missing part of the cluster, as text; `held` is the number of executors."""
        if self._last is None:
            return f"the master at {self._leader}"
        if not self._demand or held:
            return ""
        silent_s = 0.0 if self._asked_at is None else self._now - self._asked_at
        if silent_s >= self._timing.notice_s:
            return f"the master at {self._leader}, which no longer answers"
        if self._last.agents_known == 0:
            return f"an agent: the master at {self._leader} knows none"
        if self._unusable:
            return f"an agent that can be used: {_said(self._unusable)}"
        return f"free executors: all {self._last.executors_known} known to {self._leader} are taken"

    def _ask(self, count: int, held: int) -> AskExecutors:
        options = self._options
        self._ask_number += 1
        return AskExecutors(
            driver=self._run,
            executor_count=count,
            held=held,
            memory_mb=options.task_memory_mb,
            data_center=options.data_center,
            rack=options.rack,
            bid=options.flow_bid,
            script=self._script,
            module=options.module,
            number=self._ask_number,
            answered=self._answered_ask,
        )

    def _send(self, message: AskExecutors | ReturnLeases) -> None:
        self._actions.append(ToMaster(message))

    def _fail(self, error: ClusterError) -> None:
        self._actions.append(Report(FleetFailed(error)))

    def _check(self, now: float, wanted: int) -> None:
        first_s, later_s = self._timing.first_contact_s, self._timing.patience_s
        patience_s = first_s if self._last is None else later_s
        if self._asked_at is not None and now - self._asked_at >= patience_s:
            self._fail(
                NoMaster(
                    f"no master answers at {self._leader} (waited {patience_s:g} s); start one "
                    f"with `glowpy master --address {self._leader}`, or name another with "
                    "-glow.leader=HOST:PORT"
                )
            )
            return
        if self._last is None or not wanted:
            self._agentless_since = None
        elif self._asked_at is not None and now - self._asked_at >= self._timing.notice_s:
            self._agentless_since = None  # the last answer of the master is old
        elif self._last.agents_known == 0:
            if self._agentless_since is None:
                self._agentless_since = now
            patience_s = later_s if self._was_granted else first_s
            if now - self._agentless_since >= patience_s:
                self._fail(
                    NoAgents(
                        f"the master at {self._leader} knows no agents (waited {patience_s:g} s); "
                        f"start one with `glowpy agent --master {self._leader}`"
                    )
                )
        else:
            self._agentless_since = None
            if self._was_granted and len(self._refusals) >= self._last.agents_known:
                self._fail(NoAgents(f"no agent can be used: {_said(self._refusals)}"))
            elif self._none_is_usable(now, self._last.agents_known):
                text = f"no agent can be used (waited {later_s:g} s): {_said(self._unusable)}"
                self._fail(NoAgents(text))

    def _none_is_usable(self, now: float, agents_known: int) -> bool:
        """Return True if no known agent has launched an executor during the whole patience.

        Agents with running executors may be full, and will have room. The master offers idle agents
        repeatedly; an agent without an offer for half the patience is gone.
        """
        patience_s = self._timing.patience_s
        if self._unusable_since is None or now - self._unusable_since < patience_s:
            return False
        offered = sum(now - at < patience_s / 2 for _, at in self._unusable.values())
        return offered >= agents_known

    def take(self, message: object) -> None:
        """Handle a message of the master."""
        if isinstance(message, Welcome):
            try:
                check_welcome(message, "master", self._leader, "-glow.leader=")
            except ClusterError as exc:
                self._fail(exc)
        elif isinstance(message, Grants):
            self._take_grants(message)
        elif isinstance(message, AskAgain):
            self._ask_soon()

    def refused(self) -> None:
        """Record a failed handshake with the master; ZeroMQ may not try again."""
        self._has_link = False
        self._actions.append(LeaveMaster())
        if self._last is None:  # later, the master may be restarting: wait
            self._fail(
                NoMaster(
                    f"the listener at {self._leader} {self._key_words()}; it may also be no "
                    "glowpy master"
                )
            )

    def _ask_soon(self) -> None:
        """Ask early, on the master's request: more executors are free, or the share is smaller.

        The wait is at least a fraction of the interval: an agent may refuse, and be free, for ever.
        """
        if self._unusable_since is None:
            soon = self._last_ask + self._timing.ask_s * _FIRST_ASK_FRACTION
            self.next_ask = min(self.next_ask, soon)

    def _key_words(self) -> str:
        if self._options.key_file:
            return (
                f"refuses the key in {self._options.key_file} (-key.file): name the key file of "
                "this cluster"
            )
        if self._options.insecure:
            return "needs a key: give -key.file=FILE instead of -glow.insecure"
        return (
            "refuses the key of your user: name the cluster's key with -key.file=FILE, or give "
            "-glow.insecure if the master has no key"
        )

    def _take_grants(self, grants: Grants) -> None:
        if self._last is not None and grants.agents_known < self._last.agents_known:
            self._refusals.clear()  # the agents may be gone
        self._asked_at = None
        self._answered_ask = grants.ask
        self._last = grants
        self.share = grants.share
        self._granted += grants.leases
        if grants.leases:
            self._was_granted = True
            self._pause_s = self._timing.ask_s * _FIRST_ASK_FRACTION
        memory = self._options.task_memory_mb
        if grants.agents_known and 0 < grants.largest_memory_mb < memory:
            self._fail(
                NoAgents(
                    f"a task asks for {memory} MB (-glow.task.memoryMB), but no agent has more "
                    f"than {grants.largest_memory_mb} MB"
                )
            )


def _said(causes: _Causes) -> str:
    return "; ".join(f"{address}: {cause}" for address, (cause, _) in causes.items())
