"""Executors on a cluster: the sockets and files around `ClusterCore`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from functools import partial
from typing import Any

from glowpy.driver.clock import ListeningClock
from glowpy.driver.fleets.cluster_actions import (
    ClusterAction,
    LeaveAgent,
    LeaveMaster,
    ReachAgent,
    ReachMaster,
    Report,
    ToAgent,
    ToMaster,
)
from glowpy.driver.fleets.cluster_core import ClusterCore
from glowpy.driver.fleets.driver_server import DriverServer
from glowpy.driver.fleets.fleet import AgentSaid, FleetEvent
from glowpy.driver.fleets.hints import with_hints
from glowpy.driver.fleets.sent_environment import SentEnvironment
from glowpy.driver.fleets.shipping import PathRewriter, Shipment
from glowpy.environment import UNSENT_SUBJECT
from glowpy.errors import GlowError
from glowpy.flags import Options
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import RunDescription
from glowpy.resources import host_name
from glowpy.secret import Secret
from glowpy.timing import Timing
from glowpy.wire.address import Address, parse_address
from glowpy.wire.greeting import hello_of
from glowpy.wire.run_messages import (
    ExecutorExited,
    GroupEnded,
    LaunchRefused,
    Noted,
    OpenRun,
    Printed,
)
from glowpy.wire.transport import Link, LinkEvent, Poller, Transport


class ClusterFleet:
    """Executors for one run on a cluster. A context manager: leaving it ends the run everywhere."""

    shows_hosts = True
    shares_memory = False

    def __init__(
        self,
        transport: Transport,
        leader: Address,
        own_address: Address,
        shipment: Shipment,
        plan: Plan,
        description: RunDescription,
        directory: str,
        options: Options,
        timing: Timing,
        clock: ListeningClock,
        environment: SentEnvironment,
    ) -> None:
        self.transport = transport
        self.poller = Poller()
        self.secret = Secret.make()
        self._leader = leader
        self._run = description.run
        self._timing = timing
        self._clock = clock
        self._rewrite_paths = PathRewriter(shipment)
        self._unsent_read: set[str] = set()  # variables read by tasks and not sent
        self._events: list[FleetEvent] = []
        self._master: Link | None = None
        self._agents: dict[str, Link] = {}
        self._own = DriverServer(
            transport,
            self.poller,
            own_address,
            shipment,
            plan,
            description,
            self.secret,
            directory,
        )
        self.store, self.store_owner = self._own.store, self._own.address
        self.reader_host = own_address.host
        opening = OpenRun(
            run=description.run,
            run_number=description.run_number,
            flow=description.flow,
            manifest=shipment.program.to_json(),
            program_server=self.store_owner,
            working_directory=_working_directory(),
            environment=environment.variables,
            hash_seed=environment.hash_seed,
            module=options.module,
            secret=self.secret,
            watches_effects=options.rerun_effects != "allow",
            unsent_variables=environment.unsent,
            python_options=environment.python_options,
        )
        script = f"{os.path.basename(sys.argv[0]) or 'python'} at {host_name()}"
        self._core = ClusterCore(leader, opening, description.to_bytes(), script, options, timing)

    def __enter__(self) -> ClusterFleet:
        return self

    def __exit__(self, *_exception: object) -> None:
        try:
            self._close_runs()
        finally:
            self._carry_out(self._core.give_back_all())
            if self._master is not None and not self._master.is_connected:
                self._leave_master(is_lost=True)
            self._own.close()

    def demand(self, count: int) -> None:
        self._carry_out(self._core.demand(count))

    def send(self, agent: str, message: Any) -> None:
        self._carry_out(self._core.send(agent, message))

    def advance(self, now: float) -> float:
        self._carry_out(self._core.advance(now))
        return self._core.due_at

    @property
    def is_settled(self) -> bool:
        return not self._events and self._core.is_settled

    def events(self) -> list[FleetEvent]:
        events, self._events = self._events, []
        return events

    def waiting_for(self) -> str:
        return self._core.waiting_for()

    def _carry_out(self, actions: Iterable[ClusterAction]) -> None:
        for action in actions:
            if isinstance(action, ToAgent):
                self._agents[action.address].send(action.message, action.payload or None)
            elif isinstance(action, Report):
                event = action.event
                self._events.append(self._as_here(event) if isinstance(event, AgentSaid) else event)
            elif isinstance(action, ReachAgent):
                self._reach_agent(action.address)
            elif isinstance(action, LeaveAgent):
                link = self._agents.pop(action.address)
                self.poller.unregister(link)
                link.close(is_lost=True)
            elif isinstance(action, ToMaster):
                if self._master is not None:
                    self._master.send(action.message)
            elif isinstance(action, ReachMaster):
                self._master = self._greeted(self._leader)
                self.poller.register(self._master, self._hear_master)
            elif isinstance(action, LeaveMaster):
                self._leave_master()

    # --- connections ---

    def _greeted(self, address: Address) -> Link:
        link = self.transport.connect(address)
        link.send(hello_of("driver", self._run))
        return link

    def _hear_master(self) -> None:
        link = self._master
        if link is None:
            return
        if LinkEvent.REFUSED in link.events():
            self._carry_out(self._core.master_refused())
            return
        while (received := link.receive()) is not None:
            self._carry_out(self._core.master_said(received[0]))

    def _leave_master(self, *, is_lost: bool = False) -> None:
        if self._master is not None:
            self.poller.unregister(self._master)
            self._master.close(is_lost=is_lost)
            self._master = None

    def _reach_agent(self, address: str) -> None:
        link = self._agents[address] = self._greeted(parse_address(address))
        self.poller.register(link, partial(self._hear_agent, address, link))

    def _hear_agent(self, address: str, link: Link) -> None:
        core, now = self._core, self._clock()
        events = link.events()
        if LinkEvent.CONNECTED in events:
            core.agent_connected(address)
        try:
            while self._agents.get(address) is link and (received := link.receive()) is not None:
                self._carry_out(core.agent_said(address, *received, now))
        except GlowError as exc:
            self._carry_out(core.agent_lost(address, str(exc), now))
        if self._agents.get(address) is not link:
            return
        if LinkEvent.DISCONNECTED in events:
            self._carry_out(core.agent_lost(address, "the connection was closed", now))
        elif LinkEvent.REFUSED in events:
            self._carry_out(core.agent_lost(address, "it holds another key", now))

    def _close_runs(self) -> None:
        """Close the run at each agent, and wait until its executors and files are gone."""
        deadline = time.monotonic() + self._timing.shutdown_s
        self._carry_out(self._core.close())
        while not self._core.is_closed:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return
            for handle in self.poller.poll(left_s):
                handle()

    # --- texts of tasks ---

    def _as_here(self, said: AgentSaid) -> AgentSaid:
        """The message of an agent with the paths of this host, and with hints."""
        message: Any = said.message
        if isinstance(message, ExecutorExited):
            message = message._replace(
                log_tail=self._explained(message.log_tail), cause=self._rewrite_paths(message.cause)
            )
        elif isinstance(message, GroupEnded):
            message = message._replace(reason=self._explained(message.reason))
        elif isinstance(message, Printed):
            message = message._replace(text=self._rewrite_paths(message.text))
        elif isinstance(message, Noted):
            subject, text = self._rewrite_paths(message.subject), self._rewrite_paths(message.text)
            if subject.startswith(UNSENT_SUBJECT):
                self._unsent_read.add(subject.removeprefix(UNSENT_SUBJECT))
            message = message._replace(subject=subject, text=text)
        elif isinstance(message, LaunchRefused):
            message = message._replace(reason=self._rewrite_paths(message.reason))
        return said._replace(message=message)

    def _explained(self, error: str) -> str:
        """The text of a task's error, with the paths of this host, and hints."""
        if not error:
            return ""
        return with_hints(
            self._rewrite_paths(error), self._unsent_read, self._rewrite_paths.of_file
        )


def _working_directory() -> str:
    """The directory of this script; empty if the directory was removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""
