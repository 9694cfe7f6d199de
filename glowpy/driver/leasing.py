"""The driver's dealings with the master: its whole open demand, asked again while it is high."""

from __future__ import annotations

import time

from glowpy.errors import ClusterError, NoAgents, NoMaster, VersionMismatch
from glowpy.flags import Options
from glowpy.timing import Timing
from glowpy.version import __version__
from glowpy.wire.address import Address
from glowpy.wire.greeting import PYTHON
from glowpy.wire.messages import (
    PROTOCOL_VERSION,
    AskExecutors,
    Grants,
    Hello,
    Lease,
    ReturnLeases,
    Welcome,
)
from glowpy.wire.transport import LinkEvent, Poller, Transport

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
        self._link = transport.connect(leader)
        self._link.send(Hello(PROTOCOL_VERSION, __version__, PYTHON, "driver", run))
        poller.register(self._link, self._hear)
        self._granted: list[Lease] = []
        self._errors: list[ClusterError] = []
        self._demand = 0
        self._pause_s = timing.ask_s
        self.next_ask = 0.0
        self._began_at: float | None = None
        self._answered_at: float | None = None
        self._granted_at: float | None = None
        self._last: Grants | None = None
        self._refusals: dict[str, str] = {}  # by agent's address

    @property
    def demand(self) -> int:
        """Executors wanted beyond those held."""
        return self._demand

    @demand.setter
    def demand(self, count: int) -> None:
        if count != self._demand:
            self._demand = count
            self._pause_s = self._timing.ask_s * _FIRST_ASK_FRACTION
            self.next_ask = 0.0

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
        self._link.send(ReturnLeases((lease.lease,)))

    def agent_refused(self, address: str, cause: str) -> None:
        """An agent whose executors were granted cannot be used."""
        self._refusals[address] = cause

    def give_back_all(self) -> None:
        """The run is over: nothing is wanted, nothing is kept."""
        self._link.send(self._ask(0))
        for lease in self.granted():
            self.give_back(lease)

    def advance(self, now: float, launching: int) -> None:
        """Ask if it is time to; `launching` executors are on their way already."""
        if self._began_at is None:
            self._began_at = now
        wanted = max(0, self._demand - launching)
        if now >= self.next_ask:
            if wanted or self._last is None:
                self._link.send(self._ask(wanted))
            self.next_ask = now + self._pause_s
            self._pause_s = min(self._pause_s * 2, self._timing.ask_s)
        self._check(now, wanted)

    def waiting_for(self) -> str:
        """In words, what is missing."""
        if self._answered_at is None:
            return f"the master at {self._leader}"
        if not self._demand or self._last is None:
            return ""
        if self._last.agents_known == 0:
            return f"an agent: the master at {self._leader} knows none yet"
        return (
            f"free executors: all {self._last.executors_known} known to {self._leader} are taken"
            if self._granted_at is None
            else ""
        )

    def _ask(self, count: int) -> AskExecutors:
        options = self._options
        return AskExecutors(
            self._run, count, options.task_memory_mb, options.data_center, options.rack
        )

    def _check(self, now: float, wanted: int) -> None:
        assert self._began_at is not None
        first_s, later_s = self._timing.first_contact_s, self._timing.patience_s
        if self._answered_at is None:
            if now - self._began_at >= first_s:
                self._errors.append(
                    NoMaster(
                        f"no master answers at {self._leader} (waited {first_s:g} s); start one "
                        "with `glowpy master`, or name another with -glow.leader=host:port"
                    )
                )
            return
        if not wanted:
            return
        if self._last is not None and self._last.agents_known == 0:
            patience_s = first_s if self._granted_at is None else later_s
            if now - max(self._began_at, self._granted_at or 0.0) >= patience_s:
                self._errors.append(
                    NoAgents(
                        f"the master at {self._leader} knows no agents (waited {patience_s:g} s); "
                        f"start one with `glowpy agent --master {self._leader}`"
                    )
                )
        elif self._refusals and self._granted_at is not None:
            known = 0 if self._last is None else self._last.agents_known
            if len(self._refusals) >= known > 0:
                said = "; ".join(f"{address}: {why}" for address, why in self._refusals.items())
                self._errors.append(NoAgents(f"no agent can be used: {said}"))

    def _hear(self) -> None:
        for event in self._link.events():
            if event is LinkEvent.REFUSED:
                self._errors.append(
                    NoMaster(
                        f"the master at {self._leader} refuses this driver's key; "
                        "name the cluster's key file with -key.file"
                    )
                )
        while (received := self._link.receive()) is not None:
            message, _payload = received
            if isinstance(message, Welcome):
                if message.refusal:
                    self._errors.append(VersionMismatch(message.refusal))
            elif isinstance(message, Grants):
                self._take(message)

    def _take(self, grants: Grants) -> None:
        now = time.monotonic()
        self._answered_at = now
        self._last = grants
        self._granted += grants.leases
        if grants.leases:
            self._granted_at = now
            self._pause_s = self._timing.ask_s * _FIRST_ASK_FRACTION
        memory = self._options.task_memory_mb
        if grants.agents_known and 0 < grants.largest_memory_mb < memory:
            self._errors.append(
                NoAgents(
                    f"a task asks for {memory} MB (-glow.task.memoryMB), but no agent has more "
                    f"than {grants.largest_memory_mb} MB"
                )
            )
