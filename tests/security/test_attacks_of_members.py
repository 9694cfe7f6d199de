"""Attacks of each role on real servers, by a process that holds the keys of this role only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from glowpy.program.manifest import Manifest
from glowpy.program.program import Script
from glowpy.secret import Secret
from glowpy.wire.address import parse_address
from glowpy.wire.channel_messages import CHANNEL_MESSAGES, FindChannel, OpenChannel
from glowpy.wire.greeting import hello_of
from glowpy.wire.key_file import for_role
from glowpy.wire.key_policy import policy_from_file
from glowpy.wire.key_storage import save_keys
from glowpy.wire.messages import (
    AddressProof,
    AskExecutors,
    Goodbye,
    Grants,
    Heartbeat,
    ProveAddress,
    ReturnLeases,
    Welcome,
)
from glowpy.wire.roles import Role
from glowpy.wire.run_messages import (
    CloseRun,
    ExecutorHello,
    Launch,
    Launched,
    LaunchRefused,
    OpenRun,
    RunClosed,
    RunOpened,
)
from glowpy.wire.security import Policy
from glowpy.wire.status_messages import STATUS_MESSAGES, AgentStatus, AskStatus, Status
from glowpy.wire.transfers import Fetch, FetchEnd
from glowpy.wire.transport import Transport
from glowpy.wire.transport.curve import make_keys
from tests.echoing import TIMING, Client
from tests.processes import Served, run, server, started

pytestmark = pytest.mark.slow

ALL_MESSAGES = STATUS_MESSAGES | CHANNEL_MESSAGES
PROGRAM = Script((), "nowhere", Manifest(())).to_json()
SECRET = Secret(b"s" * 16)


class Members(NamedTuple):
    """A cluster of real processes, and the key file of each role."""

    master: Served
    agent: Served
    directory: Path

    def key_of(self, role: Role) -> str:
        return str(self.directory / f"{role.value}.key")

    def policy_of(self, role: Role) -> Policy:
        return policy_from_file(self.key_of(role), role)


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    directory = tmp_path_factory.mktemp("members")
    keys = make_keys()
    save_keys(str(directory / "server.key"), keys)
    for role in (Role.AGENT, Role.DRIVER, Role.VIEWER):
        save_keys(str(directory / f"{role.value}.key"), for_role(keys, role))
    agents_key = ["--key-file", str(directory / "agent.key")]
    place = ["--host", "127.0.0.1", "--port", "0", "--max.executors", "2"]
    with server(directory, "master", "--address", "127.0.0.1:0", *agents_key) as master:
        words = ["--master", master.address, "--dir", str(directory / "a"), *place, *agents_key]
        with server(directory, "agent", *words) as agent:
            found = Members(master, agent, directory)
            await_agents(found, 1)
            yield found


class Member:
    """A process with the keys of one role, connected to one server. A context manager."""

    def __init__(self, members: Members, role: Role, served: Served) -> None:
        self._transport = Transport(members.policy_of(role), TIMING, ALL_MESSAGES)
        self._client = Client(self._transport.connect(parse_address(served.address)))
        self.send = self._client.link.send

    def answers(self, last: Any, kind: type | tuple[type, ...]) -> list[Any]:
        """Send the last message and return all answers up to the first answer of the given kind."""
        messages = self._client.messages
        self.send(last)
        self._client.wait(lambda: any(isinstance(each[0], kind) for each in messages), "answers")
        found = [each for each, _payload in messages]
        messages.clear()
        return found

    def __enter__(self) -> Member:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._transport.close()


def status_of(members: Members) -> Status:
    with Member(members, Role.VIEWER, members.master) as viewer:
        (status,) = viewer.answers(AskStatus(100), Status)
    assert isinstance(status, Status)
    return status


def the_agent(members: Members) -> AgentStatus:
    (agent,) = status_of(members).agents
    return agent


def await_agents(members: Members, wanted: int) -> None:
    with Member(members, Role.VIEWER, members.master) as viewer:
        while viewer.answers(AskStatus(1), Status)[-1].agents_known != wanted:
            pass


def heartbeat(agent: str, address: str, **changes: Any) -> Heartbeat:
    return Heartbeat(agent, address, "dc", "r", 99, 100, 1 << 20, ())._replace(**changes)


def test_a_viewer_reads_the_status_and_nothing_else(members: Members) -> None:
    agent = the_agent(members)
    with Member(members, Role.VIEWER, members.master) as viewer:
        for attack in (
            AskExecutors("viewer", 1, 0, 1, "", "", 100.0),
            ReturnLeases(("lease",)),
            FindChannel("c"),
            heartbeat("viewer", "127.0.0.1:9"),
            heartbeat(agent.agent, agent.address, executor_limit=0),
            AddressProof(Secret.make()),
            Goodbye(agent.agent),
        ):
            viewer.send(attack)
        assert viewer.answers(hello_of("viewer", "x"), Welcome)[:-1] == [], "nothing is answered"
        members.master.log.await_match("a viewer may not send Goodbye here")
    assert the_agent(members)._replace(silent_s=0.0) == agent._replace(silent_s=0.0)
    for role in (Role.VIEWER, Role.AGENT):
        with Member(members, role, members.agent) as member:
            member.send(opening_of("r2"), b"")
            member.send(Fetch(1, "r2", 0, 0, 0, 1 << 20, "", SECRET))
            member.send(OpenChannel("channel"))
            assert len(member.answers(hello_of(role.value, "x"), Welcome)) == 1


def test_a_viewers_key_serves_no_other_command(members: Members, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import glowpy\nprint(glowpy.Flow().slice([1]).collect())")
    key = members.key_of(Role.VIEWER)
    leader = members.master.address
    flags = ["-glow", f"-glow.leader={leader}"]
    ended = run(tmp_path, "script.py", *flags, f"-key.file={key}", status=1)
    text = "is not for a driver: it has the key of the role viewer; make a file for it with"
    assert f"key file {key} {text} `glowpy keys --role driver" in ended.stderr
    words = ["-m", "glowpy", "agent", "--master", leader, "--dir", str(tmp_path / "a")]
    for role in (Role.VIEWER, Role.DRIVER):
        ended = run(tmp_path, *words, "--key-file", members.key_of(role), status=1)
        assert "is not for an agent" in ended.stderr
    status = run(tmp_path, "-m", "glowpy", "status", "--master", leader, "--key-file", key)
    assert members.agent.address in status.stdout
    ended = run(tmp_path, "script.py", *flags, f"-key.file={members.key_of(Role.DRIVER)}")
    assert ended.stdout == "[1]\n", ended.stderr


def test_a_driver_is_no_agent(members: Members) -> None:
    agent = the_agent(members)
    with Member(members, Role.DRIVER, members.master) as driver:
        driver.send(heartbeat("rogue", "127.0.0.1:9"))
        driver.send(heartbeat(agent.agent, agent.address, executor_limit=0))
        driver.send(Goodbye(agent.agent))
        (grants,) = driver.answers(AskExecutors("d", 0, 0, 1, "", "", 100.0), Grants)
        assert (grants.agents_known, grants.executors_known) == (1, 2)
    with Member(members, Role.DRIVER, members.agent) as driver:
        driver.send(ProveAddress(Secret.make()))
        driver.send(ExecutorHello(4, "", "", "r", "r-1", SECRET))
        assert len(driver.answers(hello_of("driver", "d"), Welcome)) == 1
    members.agent.log.await_match("a driver may not send ProveAddress here")
    members.agent.log.await_match("a driver may not send ExecutorHello here")


def test_an_agent_speaks_for_the_address_that_it_has_proved_only(members: Members) -> None:
    """A compromised agent forges heartbeats and the farewell of another agent, and its limits."""
    agent = the_agent(members)
    with Member(members, Role.AGENT, members.master) as rogue:
        for _ in range(3):
            rogue.send(heartbeat(agent.agent, agent.address, executor_limit=0))
            rogue.send(heartbeat("mighty", agent.address))
            rogue.send(Goodbye(agent.agent))
        rogue.answers(AskStatus(1), Status)
        members.master.log.await_match("the agent at this address is at another connection")
        rogue.send(AskExecutors("rogue", 1, 0, 1, "", "", 100.0))
        assert len(rogue.answers(hello_of("agent", "x"), Welcome)) == 1, "agents are no drivers"
    with Member(members, Role.AGENT, members.master) as rogue:
        rogue.send(heartbeat("mighty", "127.0.0.1:9"))
        rogue.answers(AskStatus(1), Status)
    assert the_agent(members)._replace(silent_s=0.0) == agent._replace(silent_s=0.0)


def opening_of(run_name: str) -> OpenRun:
    return OpenRun(
        run=run_name,
        run_number=1,
        flow=0,
        manifest=PROGRAM,
        program_server="driver@127.0.0.1:1",
        working_directory="/",
        environment={},
        hash_seed=0,
        module="",
        secret=SECRET,
    )


@pytest.fixture
def opened(members: Members) -> Iterator[Callable[[Launch], str]]:
    """Opens a run at the agent; then launches an executor under the lease of a message."""
    with Member(members, Role.DRIVER, members.agent) as driver:
        driver.send(opening_of("r1"), b"")
        driver.answers(hello_of("driver", "d"), RunOpened)

        def refusal_of(launch: Launch) -> str:
            answer = driver.answers(launch, (Launched, LaunchRefused))[-1]
            return "" if isinstance(answer, Launched) else str(answer.reason)

        yield refusal_of
        driver.answers(CloseRun("r1"), RunClosed)


def granted(members: Members, run_name: str) -> Launch:
    """Return a launch under a lease granted to a run by the master."""
    with Member(members, Role.DRIVER, members.master) as driver:
        (grants,) = driver.answers(AskExecutors(run_name, 1, 0, 1, "", "", 100.0), Grants)
        (lease,) = grants.leases
        driver.send(AskExecutors(run_name, 0, 0, 1, "", "", 100.0))
        driver.send(ReturnLeases((lease.lease,)))
        driver.answers(AskStatus(1), Status)
    proof = lease.issued_at_s, lease.duration_s, lease.signature
    return Launch("r1", "r1-1", lease.lease, lease.memory_mb, *proof)


def test_a_lease_that_the_master_has_not_granted_launches_nothing(
    members: Members, opened: Callable[[Launch], str]
) -> None:
    forged = "not signed by this agent's master for this run"
    assert forged in opened(Launch("r1", "r1-1", "made-up", 1))
    assert forged in opened(granted(members, "r1")._replace(memory_mb=2))
    assert forged in opened(granted(members, "another run"))
    used = granted(members, "r1")
    assert opened(used._replace(executor="r1-1")) == ""
    assert "has been used" in opened(used._replace(executor="r1-2"))


def test_the_name_of_a_run_opens_no_rows(members: Members, opened: Callable[[Launch], str]) -> None:
    """`glowpy status` shows names of runs to viewers."""
    del opened
    with Member(members, Role.DRIVER, members.agent) as driver:
        for secret in (Secret(), Secret(bytes(16))):
            (end,) = driver.answers(Fetch(1, "r1", 0, 0, 0, 1 << 20, "", secret), FetchEnd)
            assert "has no shards here" in end.lost


def test_an_agent_that_is_killed_and_started_again_is_known_at_once(
    members: Members, tmp_path: Path
) -> None:
    place = ["--host", "127.0.0.2", "--dir", str(tmp_path / "a")]
    words = ["--master", members.master.address, *place, "--max.executors", "7"]
    words += ["--key-file", members.key_of(Role.AGENT)]
    with started(tmp_path, "-m", "glowpy", "agent", *words, "--port", "0") as first:
        address = first.stdout.await_match(r"listening on (\S+:(\d+))")
        await_agents(members, 2)
        before = {each.agent for each in status_of(members).agents}
        first.process.kill()
        first.finish()
    with server(tmp_path, "agent", *words, "--port", address[2]) as second:
        assert second.address == address[1]
        while {each.agent for each in status_of(members).agents} == before:
            pass
        assert status_of(members).agents_known == 2, "it has taken the place of the first"
    await_agents(members, 1)
