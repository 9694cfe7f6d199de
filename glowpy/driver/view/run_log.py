"""The log of a run (`-glow.log.level`): the scheduler's events and actions, one line each."""

from __future__ import annotations

import logging
from typing import Any

from glowpy.driver.scheduling import events as do
from glowpy.logger import get_logger
from glowpy.planner.plan import Plan
from glowpy.wire.address import is_place
from glowpy.wire.run_messages import GroupEnded, Outcome

log = get_logger(__name__)


class RunLog:
    """Logs the events and actions of one run, with the ids of run, group, attempt and executor."""

    def __init__(self, run: str, run_number: int, plan: Plan) -> None:
        self._run = run
        self._agents: dict[str, str] = {}  # by executor
        self._attempts: dict[int, tuple[int, str]] = {}  # group and executor, by number
        log.info(
            "run %d begins: %d step groups, %d tasks",
            run_number,
            len(plan.step_groups),
            plan.group_count,
            extra={"run": run},
        )

    def take(self, event: Any) -> None:
        """Log an event or action, most of them at debug level."""
        if isinstance(event, do.ExecutorJoined):
            self._agents[event.executor] = event.agent
            self._say(logging.INFO, "an executor has joined", executor=event.executor)
        elif isinstance(event, do.ExecutorLeft):
            is_expected = event.executor not in self._agents
            level = logging.DEBUG if is_expected else logging.WARNING
            self._say(level, f"the executor is gone: {event.cause}", executor=event.executor)
            self._agents.pop(event.executor, None)
            for attempt, (_group, executor) in list(self._attempts.items()):
                if executor == event.executor:
                    del self._attempts[attempt]
        elif isinstance(event, do.Retire):
            self._say(
                logging.INFO,
                "the executor is retired: nothing is left for it",
                executor=event.executor,
            )
            self._agents.pop(event.executor, None)
        elif isinstance(event, do.AgentLost):
            self._say(logging.WARNING, f"the agent is lost: {event.cause}", agent=event.agent)
        elif isinstance(event, do.GroupUndone):
            text = "it runs again: what it had written is lost"
            self._say(logging.WARNING, text, group=event.group)
        elif isinstance(event, do.GroupDone):
            self._say(logging.DEBUG, "it is done", group=event.group, attempt=event.attempt)
        elif isinstance(event, do.Assign):
            self._attempts[event.attempt] = event.group, event.executor
            self._of_attempt(logging.DEBUG, "it is assigned", event.attempt)
        elif isinstance(event, do.GroupStarted):
            self._of_attempt(logging.DEBUG, "it begins", event.attempt)
        elif isinstance(event, do.Abort):
            self._of_attempt(logging.INFO, f"it is stopped: {event.reason}", event.attempt)
        elif isinstance(event, do.Recall):
            self._of_attempt(logging.DEBUG, "it is asked back", event.attempt)
        elif isinstance(event, do.Recalled):
            self._of_attempt(logging.DEBUG, "it is given back", event.attempt)
            self._attempts.pop(event.attempt, None)
        elif isinstance(event, GroupEnded):
            self._ended(event)

    def ended(self, outcome: str, took_s: float) -> None:
        """Log the end of the run."""
        self._say(logging.INFO, f"the run is {outcome}, after {took_s:.3f} s")

    def _ended(self, event: GroupEnded) -> None:
        level = logging.DEBUG
        text = f"it has ended: {event.outcome.value}"
        if event.outcome is Outcome.SEALED:
            text += f", {event.work.rows_in} rows in, {event.work.rows_out} out"
        elif event.outcome is not Outcome.ABORTED:
            level = logging.ERROR if event.outcome is Outcome.FAILED else logging.WARNING
            text += f", {event.reason}"
        self._of_attempt(level, text, event.attempt)
        self._attempts.pop(event.attempt, None)

    def _of_attempt(self, level: int, text: str, attempt: int) -> None:
        group, executor = self._attempts.get(attempt, (None, None))
        self._say(level, text, executor=executor, group=group, attempt=attempt)

    def _say(self, level: int, text: str, **ids: str | int | None) -> None:
        if not log.isEnabledFor(level):
            return
        executor = ids.get("executor")
        agent = self._agents.get(str(executor))
        if agent is not None and is_place(agent):
            ids["agent"] = agent
        log.log(level, "%s", text, extra={"run": self._run, **ids})
