"""The run loop: carries actions from the scheduler to a fleet, and events from the fleet back."""

from __future__ import annotations

import sys
from collections import deque
from math import inf
from typing import Any

from glowpy.driver.channels.run_channels import channels_of
from glowpy.driver.clock import ListeningClock
from glowpy.driver.delivery import Delivery
from glowpy.driver.fleets.fleet import AgentSaid, Fleet, FleetFailed
from glowpy.driver.job import Job
from glowpy.driver.scheduling import events as do
from glowpy.driver.scheduling.events import AgentLost, Event, ExecutorJoined, ShareChanged
from glowpy.driver.scheduling.scheduler import Scheduler
from glowpy.driver.stopping import check_stopped
from glowpy.driver.view.report import Report
from glowpy.driver.view.run_monitor import RunMonitor
from glowpy.errors import ClusterError, GlowError, ProgramError
from glowpy.planner.plan import may_capture
from glowpy.task.failure import refused, unpacked
from glowpy.wire.run_messages import (
    Abort,
    Assign,
    ExecutorExited,
    GroupEnded,
    GroupStarted,
    LaunchRefused,
    Noted,
    Outcome,
    Printed,
    Progress,
    Recall,
    Recalled,
    Refusal,
    Retire,
    RowReported,
    RunRefused,
)


class Run:
    """One run of a plan on a fleet."""

    def __init__(
        self,
        job: Job,
        fleet: Fleet,
        report: Report,
        monitor: RunMonitor,
        clock: ListeningClock,
    ) -> None:
        plan, description, result, timing = job.plan, job.description, job.result, job.timing
        self._job = job
        self._plan = plan
        self._description = description
        self._result = result
        self._fleet = fleet
        self._report = report
        self._monitor = monitor
        self._clock = clock
        self._scheduler = Scheduler(
            plan,
            lost_attempts=timing.lost_attempts,
            lost_agents=timing.lost_agents,
            store_owner=fleet.store_owner,
            bid=job.options.flow_bid,
            speculates=job.options.speculate,
        )
        self._delivery = Delivery(plan, description, result, fleet, timing, clock)
        self._channels = channels_of(job, fleet.store, self._delivery.pulls)
        # A slow executor causes no event: the scheduler compares run times at each tick.
        self._tick_s = timing.beat_s if job.options.speculate else inf
        self._until = clock()  # the latest time of the next step
        self._next_tick = self._until + self._tick_s
        self._agents: dict[str, str] = {}  # executor -> its agent
        self._reported_rows: dict[int, str] = {}  # by number of a last attempt
        self._row_counts = [0] * plan.group_count  # of sealed target groups
        self._is_finished = False
        # failures, deferred until their shard is needed
        self._held_back: dict[int, do.GroupFailed] = {}

    def execute(self) -> Any:
        """Run to the end and return the value of the terminal call.

        Raises:
            GlowError: the run has failed; the message gives the cause.
        """
        control, poller = self._job.control, self._fleet.poller
        wake_up = control.open()
        poller.register(wake_up, control.clear)
        try:
            with self._monitor, self._channels:
                control.begin()
                return self._execute()
        finally:
            poller.unregister(wake_up)
            control.close()

    def _execute(self) -> Any:
        if may_capture(self._plan) and not self._fleet.shares_memory:
            from glowpy.driver.shared_values import check_shared_values  # slow to load

            check_shared_values(self._plan, self._report)
        self._obey(self._scheduler.start())
        while not self.step():
            pass
        return self._result.finish(sum(self._row_counts))

    def step(self) -> bool:
        """Wait for events and handle them; True once the run is over.

        Raises:
            GlowError: the run has failed.
        """
        for handle in self._fleet.poller.poll(max(0.0, self._until - self._clock())):
            handle()
        while events := self._fleet.events():  # handling an event may cause others
            for event in events:
                self._take(event)
        if self._scheduler.wants_streaming_hosts and self._fleet.is_settled:
            self._decide(do.FleetSettled())
        check_stopped()
        self._job.control.check()
        self._job.control.answer(self._monitor.tell_states)
        now = self._clock()
        self._until = min(
            self._fleet.advance(now),
            self._delivery.advance(now),
            self._monitor.advance(now),
            self._next_tick,
        )
        if now >= self._next_tick:
            self._next_tick = now + self._tick_s
            self._decide(do.TimePassed())
        self._fail_in_turn()
        self._channels.advance()
        self._channels.note_waits(self._report, now)
        for attempt, reason in (*self._delivery.lost_attempts(), *self._channels.lost_attempts()):
            self._until = now  # the fleet may have to ask for an executor
            self._decide(do.ShardLost(attempt, reason))
        for group in (*self._delivery.collected(), *self._channels.done_groups()):
            self._decide(do.GroupCollected(group))
        is_finished = self._is_finished and self._channels.is_done
        if self._delivery.is_done and (is_finished or self._result.is_complete):
            return True
        self._report.waiting(now, self._fleet.waiting_for())
        return False

    def _take(self, event: object) -> None:
        if isinstance(event, AgentSaid):
            self._hear(*event)
        elif isinstance(event, FleetFailed):
            raise event.error
        elif isinstance(event, ExecutorJoined):
            self._agents[event.executor] = event.agent
            self._decide(event)
        elif isinstance(event, ShareChanged):
            self._decide(event)
        elif isinstance(event, AgentLost):
            event = event._replace(last_rows=tuple(self._reported_rows.items()))
            self._report.note(f"agent {event.agent} is lost: {event.cause}")
            self._delivery.agent_lost(event.agent, event.cause)
            self._decide(event)

    def _hear(
        self, agent: str, message: object, payload: bytes, cause: BaseException | None = None
    ) -> None:
        if isinstance(message, Printed):
            self._report.printed(
                agent if self._fleet.shows_hosts else "",
                sys.stdout if message.stream.value == "stdout" else sys.stderr,
                message.text,
            )
        elif isinstance(message, Noted):
            self._report.note_once(message.subject, message.text)
        elif isinstance(message, Progress):
            self._monitor.heard(message)
        elif isinstance(message, RowReported):
            self._reported_rows[message.attempt] = message.row
        elif isinstance(message, GroupStarted):
            self._channels.group_begun(message.group, message.attempt, agent)
            self._decide(do.GroupStarted(message.attempt))
        elif isinstance(message, GroupEnded):
            self._ended(message, payload, cause)
            if message.began is not None:
                self._hear(agent, message.began, b"")
        elif isinstance(message, Recalled):
            event = do.Recalled(message.executor, message.attempt)
            self._decide(event)
        elif isinstance(message, ExecutorExited):
            self._exited(agent, message)
        elif isinstance(message, LaunchRefused):
            if message.refusal is Refusal.FATAL:
                raise refused(f"agent {agent}: {message.reason}", payload)
            self._decide(do.ExecutorLeft(message.executor, message.reason))
        elif isinstance(message, RunRefused):
            self._take(AgentLost(agent, message.reason))

    def _ended(self, message: GroupEnded, payload: bytes, cause: BaseException | None) -> None:
        self._monitor.heard(message)
        event: Any
        is_target = self._plan.step_group_of(message.group).output in self._plan.targets
        if message.outcome is Outcome.SEALED:
            if is_target:
                self._row_counts[message.group] = message.work.rows_out
            event = do.GroupSealed(message.attempt)
        elif message.outcome is Outcome.FAILED:
            error = unpacked(message.reason, payload)
            if error.__cause__ is not None and cause is not None:
                error.__cause__ = cause  # with its frames, for a debugger
            event = do.GroupFailed(message.attempt, error)
            if is_target and self._job.description.limit:
                self._held_back[message.group] = event
                return
        elif message.outcome is Outcome.INPUT_LOST:
            event = do.InputLost(message.attempt, message.lost_attempt, message.reason)
        else:
            event = do.GroupAborted(message.attempt)
        self._decide(event)

    def _fail_in_turn(self) -> None:
        """Let a failure count once its shard is needed: earlier shards may have enough rows."""
        event = self._held_back.pop(self._delivery.next_group, None)
        if event is not None:
            self._decide(event)

    def _exited(self, agent: str, message: ExecutorExited) -> None:
        if not message.greeted and message.cause.startswith("exit status"):
            said = f"; it had written:\n{message.log_tail}" if message.log_tail.strip() else ""
            if "ModuleNotFoundError" in said:
                said += (
                    "Modules beside the script are sent to the agents, installed ones are not: "
                    "install it there, too."
                )
            raise ProgramError(
                f"agent {agent}: the program ended ({message.cause}) in the task before its flow "
                f"was run{said}"
            )
        if not message.expected:
            where = f" at {agent}" if self._fleet.shows_hosts else ""
            wrote = f", it wrote:\n{message.log_tail}" if message.log_tail.strip() else ""
            self._report.note(f"an executor{where} died: {message.cause}{wrote}")
        self._decide(do.ExecutorLeft(message.executor, message.cause, message.last_row))

    def _decide(self, event: Event) -> None:
        self._monitor.heard(event)
        self._obey(self._scheduler.handle(event, self._clock()))

    def _obey(self, actions: list[Any]) -> None:
        pending = deque(actions)
        while pending:
            self._perform(pending.popleft())

    def _perform(self, action: Any) -> None:
        self._monitor.heard(action)
        run = self._description.run
        if isinstance(action, do.Assign):
            self._channels.group_assigned(action.group, action.attempt)
            assign = Assign(
                run=run,
                executor=action.executor,
                group=action.group,
                attempt=action.attempt,
                inputs=action.inputs,
                is_streaming=action.is_streaming,
                notes_rows=action.is_last_attempt,
            )
            self._tell(action.executor, assign)
        elif isinstance(action, do.Demand):
            self._fleet.demand(action.executor_count)
        elif isinstance(action, do.GroupDone):
            self._delivery.group_done(action.group, action.attempt, action.owner)
            self._channels.group_done(action.group, action.attempt, action.owner)
        elif isinstance(action, do.GroupUndone):
            self._row_counts[action.group] = 0
            self._is_finished = False
            self._delivery.group_undone(action.group)
            self._channels.group_undone(action.group)
        elif isinstance(action, do.Finished):
            self._is_finished = True
        elif isinstance(action, do.Failed):
            if isinstance(action.error, GlowError):
                raise action.error
            raise ClusterError(str(action.error))
        elif isinstance(action, do.Recall):
            self._tell(action.executor, Recall(run, action.executor, action.attempt))
        elif isinstance(action, do.Abort):
            self._tell(action.executor, Abort(run, action.executor, action.attempt))
        elif isinstance(action, do.Retire):
            self._tell(action.executor, Retire(run, action.executor))

    def _tell(self, executor: str, message: object) -> None:
        self._fleet.send(self._agents[executor], message)
