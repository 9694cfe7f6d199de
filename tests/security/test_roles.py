"""The table of roles: the messages that each role may send to each server."""

from __future__ import annotations

import itertools

import pytest

from glowpy.secret import Secret
from glowpy.wire.channel_messages import CHANNEL_MESSAGES, FindChannel
from glowpy.wire.messages import MESSAGES, Goodbye
from glowpy.wire.roles import (
    AGENT_RULES,
    CLUSTER_ROLES,
    DRIVER_RULES,
    MASTER_RULES,
    Identity,
    Role,
    Rules,
    admitted_roles,
    objection,
)
from glowpy.wire.run_messages import Abort, Beat, ExecutorHello
from glowpy.wire.status_messages import STATUS_MESSAGES, AskStatus
from glowpy.wire.transfers import CancelFetch, Fetch, FetchFile

SERVERS = {"master": MASTER_RULES, "agent": AGENT_RULES, "driver": DRIVER_RULES}
TABLE = MESSAGES | STATUS_MESSAGES | CHANNEL_MESSAGES

# Accepted messages by server and role.
TAKEN = {
    ("master", Role.AGENT): "Hello Heartbeat AddressProof Goodbye AskStatus",
    ("master", Role.DRIVER): "Hello AskExecutors ReturnLeases FindChannel AskStatus",
    ("master", Role.VIEWER): "Hello AskStatus",
    ("agent", Role.SERVER): "ProveAddress",
    ("agent", Role.AGENT): "Hello",
    ("agent", Role.VIEWER): "Hello",
    ("agent", Role.DRIVER): "Hello OpenRun Launch Assign Recall Abort Retire CloseRun Beat "
    "OpenChannel ChannelRows EndChannel Fetch MoreCredit CancelFetch",
    ("agent", Role.TASK): "ExecutorHello ExecutorReady Commit Progress GroupEnded Printed Noted "
    "Fetch MoreCredit CancelFetch",
    ("driver", Role.TASK): "FetchFile Fetch MoreCredit CancelFetch",
}


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
@pytest.mark.parametrize("server", SERVERS)
def test_a_role_may_send_these_messages_and_no_others(server: str, role: Role) -> None:
    rules = SERVERS[server]
    taken = {name for name in TABLE if role in rules.get(name, ())}
    assert taken == set(TAKEN.get((server, role), "").split())


@pytest.mark.parametrize(("server", "rules"), SERVERS.items())
def test_a_role_without_any_message_is_refused_in_the_handshake(server: str, rules: Rules) -> None:
    assert admitted_roles(rules) == {role for name, role in TAKEN if name == server}


def test_the_tables_name_messages_that_exist() -> None:
    assert set(itertools.chain(*SERVERS.values())) <= set(TABLE)


def test_an_objection_names_the_role_and_the_message() -> None:
    def refusal_of(rules: Rules, role: Role, message: object) -> str:
        return objection(rules, Identity(role, "r1"), message)

    assert refusal_of(MASTER_RULES, Role.VIEWER, AskStatus(1)) == ""
    assert (
        refusal_of(MASTER_RULES, Role.VIEWER, FindChannel("c"))
        == "a viewer may not send FindChannel here"
    )
    assert (
        refusal_of(MASTER_RULES, Role.DRIVER, Goodbye("a")) == "a driver may not send Goodbye here"
    )
    assert refusal_of(AGENT_RULES, Role.AGENT, Beat("r1")) == "an agent may not send Beat here"


@pytest.mark.parametrize("rules", [AGENT_RULES, DRIVER_RULES], ids=["agent", "driver"])
def test_a_task_names_its_own_run_only(rules: Rules) -> None:
    task = Identity(Role.TASK, "r1")
    for own, message in (
        (True, Fetch(1, "r1", 0, 0, 0, 1, "", Secret())),
        (False, Fetch(1, "r2", 0, 0, 0, 1, "", Secret())),
        (False, Fetch(1, "@channel", 0, 0, 0, 1, "", Secret())),
        (True, CancelFetch(1)),
    ):
        assert (objection(rules, task, message) == "") == own, message
    other = ExecutorHello(4, "", "", "r2", "r2-1", Secret())
    assert (
        objection(AGENT_RULES, task, other) == "a task may not send ExecutorHello about another run"
    )
    assert "another run" in objection(DRIVER_RULES, task, FetchFile("r2", "", 0, Secret()))
    assert objection(AGENT_RULES, task, Abort("r1", "e", 1)) == "a task may not send Abort here"


def test_roles_of_a_key_file_are_those_of_processes_that_have_one() -> None:
    assert set(CLUSTER_ROLES) == set(Role) - {Role.TASK}
