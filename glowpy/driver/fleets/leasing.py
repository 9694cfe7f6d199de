"""The driver's dealings with the master: its whole open demand, asked again while it is high."""

from __future__ import annotations

import os
import sys
from typing import TypeAlias

from glowpy.errors import ClusterError, NoAgents, NoMaster
from glowpy.flags import Options
from glowpy.resources import host_name
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.greeting import check_welcome, hello_of
from glowpy.wire.messages import (
    AskAgain,
    AskExecutors,
    Grants,
    Lease,
    ReturnLeases,
    Welcome,
)
from glowpy.wire.transport import Link, LinkEvent, Poller, Transport

_Causes: TypeAlias = dict[str, tuple[str, float]]  # by agent's address: why, and when that was last
_FIRST_ASK_FRACTION = 1 / 32  # of the interval between asks; it doubles while nothing is granted


class Leasing:
    """Asks a master for executors; never waits. What goes wrong is found in `errors`."""

    def __init__(
        self,
        transport: Transport,
        poller: Poller,
        leader: Address,
        run: str,
        options: Options,
        timing: Timing,
    ) -> None:
        self._leader = leader
        self._run = run
        self._options = options
        self._timing = timing
        self._transport = transport
        self._poller = poller
        self._script = f"{os.path.basename(sys.argv[0]) or 'python'} at {host_name()}"
        self._link = self._reach()
        self._granted: list[Lease] = []
        self._errors: list[ClusterError] = []
        self._demand = 0
        self._ask_number = 0  # of the last ask
        self._demand_ask = 0  # of the first ask that tells, or will tell, the whole demand
        self._answered_ask = 0  # of the last ask that was answered
        self._pause_s = timing.ask_s
        self.next_ask = 0.0
        self._last_ask = 0.0
        self.share: int | None = None  # executors that the master lets this run hold
        self._asked_at: float | None = None  # the first ask that has no answer yet
        self._agentless_since: float | None = None
        self._was_granted = False
        self._last: Grants | None = None
        self._refusals: _Causes = {}  # agents that could not be used from the beginning
        self._unusable: _Causes = {}  # agents whose leases were given back
        self._unusable_since: float | None = None
        self._now = 0.0

    @property
    def demand(self) -> int:
        """Executors wanted beyond those held."""
        return self._demand

    @demand.setter
    def demand(self, count: int) -> None:
        if count > self._demand:  # less is told with the next ask: it changes with every group
            self.ask_anew()
            self._pause_s = self._timing.ask_s * _FIRST_ASK_FRACTION
            self.next_ask = min(self.next_ask, self._last_ask + self._pause_s)
        self._demand = count

    @property
    def is_answered(self) -> bool:
        """The master has granted what it could of the demand, or says nothing for long."""
        if (
            self._asked_at is not None
            and self._now - self._asked_at >= self._timing.first_contact_s
        ):
            return True
        return self._answered_ask >= self._demand_ask and not self._granted

    def ask_anew(self) -> None:
        """What was answered so far does not count: more is wanted, or less will come of it."""
        self._demand_ask = self._ask_number + 1

    def granted(self) -> list[Lease]:
        """Leases granted since the last call."""
        granted, self._granted = self._granted, []
        return granted

    def errors(self) -> list[ClusterError]:
        """Why there will be no executors, found since the last call."""
        errors, self._errors = self._errors, []
        return errors

    def give_back(self, lease: Lease) -> None:
        """This lease will not be used."""
        self._send(ReturnLeases((lease.lease,)))

    def cannot_use(self, lease: Lease, cause: str, now: float) -> None:
        """This lease is given back, because its agent is lost; the next ask may take a while."""
        self.give_back(lease)
        self._unusable[lease.address] = cause, now
        if self._unusable_since is None:
            self._unusable_since = now
        self._pause_s = self._timing.ask_s
        self.next_ask = now + self._pause_s

    def can_use(self, address: str) -> None:
        """An agent takes executors of this run."""
        self._refusals.pop(address, None)
        self._unusable.clear()
        self._unusable_since = None

    def agent_refused(self, address: str, cause: str) -> None:
        """An agent whose executors were granted cannot be used."""
        self._refusals[address] = cause, self._now

    def give_back_all(self) -> None:
        """The run is over: nothing is wanted, nothing is kept."""
        self._send(self._ask(0, 0))
        for lease in self.granted():
            self.give_back(lease)
        if self._link is not None and not self._link.is_connected:
            self._poller.unregister(self._link)
            self._link.close(is_lost=True)
            self._link = None

    def advance(self, now: float, launching: int, held: int) -> None:
        """Ask if it is time to; `launching` executors are on their way, `held` are there."""
        self._now = now
        wanted = max(0, self._demand - launching)
        if now >= self.next_ask:
            if self._link is None and self._last is not None:
                self._link = self._reach()
            if wanted or held or launching or self._last is None:
                # of nothing: whether to keep what is held
                self._send(self._ask(wanted, held + launching))
                if self._asked_at is None:
                    self._asked_at = now
            self._last_ask = now
            self.next_ask = now + self._pause_s
            self._pause_s = min(self._pause_s * 2, self._timing.ask_s)
        if not held and not launching:  # with one the run continues without a master
            self._check(now, wanted)

    def waiting_for(self, held: int) -> str:
        """In words, what is missing; `held` executors are there."""
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
            self._run,
            count,
            held,
            options.task_memory_mb,
            options.data_center,
            options.rack,
            options.flow_bid,
            self._script,
            options.module,
            self._ask_number,
            self._answered_ask,
        )

    def _reach(self) -> Link | None:
        link = self._transport.connect(self._leader)
        link.send(hello_of("driver", self._run))
        self._poller.register(link, self._hear)
        return link

    def _send(self, message: AskExecutors | ReturnLeases) -> None:
        if self._link is not None:
            self._link.send(message)

    def _check(self, now: float, wanted: int) -> None:
        first_s, later_s = self._timing.first_contact_s, self._timing.patience_s
        patience_s = first_s if self._last is None else later_s
        if self._asked_at is not None and now - self._asked_at >= patience_s:
            self._errors.append(
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
            self._agentless_since = None  # what the master knew is old
        elif self._last.agents_known == 0:
            if self._agentless_since is None:
                self._agentless_since = now
            patience_s = later_s if self._was_granted else first_s
            if now - self._agentless_since >= patience_s:
                self._errors.append(
                    NoAgents(
                        f"the master at {self._leader} knows no agents (waited {patience_s:g} s); "
                        f"start one with `glowpy agent --master {self._leader}`"
                    )
                )
        else:
            self._agentless_since = None
            if self._was_granted and len(self._refusals) >= self._last.agents_known:
                self._errors.append(NoAgents(f"no agent can be used: {_said(self._refusals)}"))
            elif self._none_is_usable(now, self._last.agents_known):
                text = f"no agent can be used (waited {later_s:g} s): {_said(self._unusable)}"
                self._errors.append(NoAgents(text))

    def _none_is_usable(self, now: float, agents_known: int) -> bool:
        """Every agent that the master knows has been of no use for the whole patience.

        Others may be full, and will have room. The master offers what is idle again and again; what
        it has not offered for long is no agent of its any more.
        """
        patience_s = self._timing.patience_s
        if self._unusable_since is None or now - self._unusable_since < patience_s:
            return False
        offered = sum(now - at < patience_s / 2 for _, at in self._unusable.values())
        return offered >= agents_known

    def _hear(self) -> None:
        if self._link is None:
            return
        if LinkEvent.REFUSED in self._link.events():
            self._refused(self._link)
            return
        while (received := self._link.receive()) is not None:
            message, _payload = received
            if isinstance(message, Welcome):
                try:
                    check_welcome(message, "master", self._leader, "-glow.leader=")
                except ClusterError as exc:
                    self._errors.append(exc)
            elif isinstance(message, Grants):
                self._take(message)
            elif isinstance(message, AskAgain):
                self._ask_soon()

    def _ask_soon(self) -> None:
        """The next ask would be granted more, or told a smaller share.

        Not sooner than a fraction of the interval: an agent may refuse, and be free, for ever.
        """
        if self._unusable_since is None:
            soon = self._last_ask + self._timing.ask_s * _FIRST_ASK_FRACTION
            self.next_ask = min(self.next_ask, soon)

    def _refused(self, link: Link) -> None:
        """No handshake came about. ZeroMQ may not try again, and would let us wait to send."""
        self._poller.unregister(link)
        link.close()
        self._link = None
        if self._last is None:  # else it is being restarted, perhaps: the patience decides
            self._errors.append(
                NoMaster(
                    f"the master at {self._leader} {self._key_words()}, or the listener is no "
                    "glowpy master"
                )
            )

    def _key_words(self) -> str:
        if self._options.key_file:
            return f"holds another key than {self._options.key_file} (-key.file)"
        if self._options.insecure:
            return "needs a key (name it with -key.file instead of -glow.insecure)"
        return (
            "does not hold your key; name its with -key.file, or use -glow.insecure if it has none"
        )

    def _take(self, grants: Grants) -> None:
        if self._last is not None and grants.agents_known < self._last.agents_known:
            self._refusals.clear()  # of those that are gone, perhaps: they say nothing of others
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
            self._errors.append(
                NoAgents(
                    f"a task asks for {memory} MB (-glow.task.memoryMB), but no agent has more "
                    f"than {grants.largest_memory_mb} MB"
                )
            )


def _said(causes: _Causes) -> str:
    return "; ".join(f"{address}: {cause}" for address, (cause, _) in causes.items())
