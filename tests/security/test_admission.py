"""Admission: heartbeats count only on a connection that has proved the address of its agent."""

from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from glowpy.master.admission import MOST_PROBES, Admission, Admitted, Decision, Dropped, Probe
from glowpy.secret import Secret
from glowpy.wire.messages import Heartbeat, LeaseInUse

RETRY_S, FORGET_S = 5.0, 15.0


def beat(agent: str = "a", address: str = "h:1", memory_mb: int = 64) -> Heartbeat:
    return Heartbeat(agent, address, "", "", 1, 1, memory_mb, ())


def admission() -> Admission:
    numbers = count(1)
    return Admission(RETRY_S, FORGET_S, lambda: Secret(next(numbers).to_bytes(16, "big")))


def probe_of(decisions: list[Decision]) -> Probe:
    (probe,) = decisions
    assert isinstance(probe, Probe)
    return probe


def admit(machine: Admission, peer: bytes, heartbeat: Heartbeat, now: float = 0.0) -> None:
    probe = probe_of(machine.heartbeat(peer, heartbeat, now))
    assert isinstance(probe, Probe) and probe.address == heartbeat.address
    assert machine.proof(peer, probe.nonce, now) == [Admitted(heartbeat)]


def test_the_first_heartbeat_waits_for_the_proof_and_later_ones_do_not() -> None:
    machine = admission()
    probe = probe_of(machine.heartbeat(b"p", beat(), 0.0))
    assert machine.heartbeat(b"p", beat(memory_mb=32), 1.0) == [], "its probe is on the way"
    assert not machine.speaks_for(b"p", "a")
    assert machine.proof(b"p", probe.nonce, 2.0) == [Admitted(beat(memory_mb=32))], "the latest"
    assert machine.heartbeat(b"p", beat(), 3.0) == [Admitted(beat())]
    assert machine.speaks_for(b"p", "a") and not machine.speaks_for(b"q", "a")
    machine.check_invariants()


def test_a_heartbeat_in_the_name_of_another_agent_changes_nothing_and_is_logged_once() -> None:
    machine = admission()
    admit(machine, b"p", beat())
    probe = probe_of(machine.heartbeat(b"q", beat(memory_mb=0), 1.0))
    # The agent at the address answers on its own connection.
    (dropped,) = machine.proof(b"p", probe.nonce, 1.0)
    assert dropped == Dropped("a", "h:1", "the agent at this address is at another connection")
    assert machine.heartbeat(b"q", beat(), 2.0) == [], "it is not checked again for a while"
    again = probe_of(machine.heartbeat(b"q", beat(), 1.0 + FORGET_S))
    assert isinstance(again, Probe)
    assert machine.proof(b"p", again.nonce, 17.0) == [], "the log has it already"
    assert machine.heartbeat(b"p", beat(), 18.0) == [Admitted(beat())], "the agent goes on"
    assert machine.speaks_for(b"p", "a") and not machine.speaks_for(b"q", "a")


def test_another_name_at_an_address_needs_the_proof_too() -> None:
    machine = admission()
    admit(machine, b"p", beat())
    probe = probe_of(machine.heartbeat(b"q", beat("b"), 1.0))
    machine.proof(b"p", probe.nonce, 1.0)
    assert not machine.speaks_for(b"q", "b") and machine.speaks_for(b"p", "a")
    # A known agent cannot move to the address of another agent.
    admit(machine, b"r", beat("c", "h:2"), 2.0)
    probe = probe_of(machine.heartbeat(b"r", beat("c", "h:1"), 3.0))
    assert isinstance(probe, Probe)
    assert machine.heartbeat(b"r", beat("c", "h:2"), 3.0) == [Admitted(beat("c", "h:2"))]


def test_an_agent_that_was_started_again_takes_its_address_at_once() -> None:
    machine = admission()
    admit(machine, b"p", beat("a1"))
    admit(machine, b"q", beat("a2"), 1.0)
    assert not machine.speaks_for(b"p", "a1") and machine.speaks_for(b"q", "a2")
    machine.check_invariants()


def test_an_agent_that_connects_again_goes_on_under_its_name() -> None:
    machine = admission()
    admit(machine, b"p", beat())
    admit(machine, b"q", beat(), 1.0)
    assert not machine.speaks_for(b"p", "a") and machine.speaks_for(b"q", "a")


def test_a_connection_that_breaks_while_it_is_checked_does_not_keep_the_next_out() -> None:
    machine = admission()
    first = probe_of(machine.heartbeat(b"p", beat(), 0.0))
    second = probe_of(machine.heartbeat(b"q", beat(), 0.1))
    machine.proof(b"q", first.nonce, 0.2)  # the agent answers on its current connection
    assert machine.proof(b"q", second.nonce, 0.3) == [Admitted(beat())]


def test_an_address_that_cannot_be_reached_is_tried_again_and_logged_once() -> None:
    machine = admission()
    probe = probe_of(machine.heartbeat(b"p", beat(), 0.0))
    assert machine.unreachable(probe.nonce, "no connection", 8.0) == [
        Dropped("a", "h:1", "no connection")
    ]
    assert machine.proof(b"p", probe.nonce, 8.1) == [], "too late"
    assert machine.heartbeat(b"p", beat(), 8.0 + RETRY_S - 0.1) == []
    probe = probe_of(machine.heartbeat(b"p", beat(), 8.0 + RETRY_S))
    assert machine.unreachable(probe.nonce, "no connection", 20.0) == []
    probe = probe_of(machine.heartbeat(b"p", beat(), 25.0))
    assert machine.proof(b"p", probe.nonce, 25.1) == [Admitted(beat())]


def test_an_invented_nonce_proves_nothing() -> None:
    machine = admission()
    machine.heartbeat(b"p", beat(), 0.0)
    for nonce in (Secret(), Secret(bytes(16)), Secret(b"x" * 16)):
        assert machine.proof(b"p", nonce, 0.0) == []
    assert not machine.speaks_for(b"p", "a")


def test_probes_are_bounded_and_others_wait_for_their_turn() -> None:
    machine = admission()
    begun = [
        machine.heartbeat(b"%d" % n, beat(f"a{n}", f"h:{n}"), 0.0) for n in range(MOST_PROBES + 2)
    ]
    assert [len(each) for each in begun] == [1] * MOST_PROBES + [0, 0]
    probe: Any = begun[0][0]
    admitted, following = machine.proof(b"0", probe.nonce, 1.0)
    assert isinstance(admitted, Admitted)
    assert isinstance(following, Probe) and following.address == f"h:{MOST_PROBES}"
    machine.check_invariants()


def test_the_name_of_an_agent_cannot_be_taken_at_another_address() -> None:
    machine = admission()
    admit(machine, b"p", beat("a", "h:1"))
    probe = probe_of(machine.heartbeat(b"q", beat("a", "h:2"), 1.0))
    (dropped,) = machine.proof(b"q", probe.nonce, 1.0)
    assert dropped == Dropped("a", "h:2", "the agent of this name is at another address")
    assert machine.speaks_for(b"p", "a") and not machine.speaks_for(b"q", "a")
    machine.forget("h:1")  # the agent has left
    probe = probe_of(machine.heartbeat(b"q", beat("a", "h:2"), 1.0 + FORGET_S))
    assert machine.proof(b"q", probe.nonce, 17.0) == [Admitted(beat("a", "h:2"))]
    machine.check_invariants()


def test_a_connection_has_one_probe_at_a_time_whatever_it_claims() -> None:
    machine = admission()
    probe = probe_of(machine.heartbeat(b"p", beat("a", "h:0"), 0.0))
    for number in range(1, 100):
        assert machine.heartbeat(b"p", beat("a", f"h:{number}"), 0.1) == []
    machine.unreachable(probe.nonce, "no connection", 8.0)
    assert probe_of(machine.heartbeat(b"p", beat("a", "h:5"), 8.1)).address == "h:5"
    machine.check_invariants()


def test_addresses_that_never_answer_keep_no_agent_out() -> None:
    machine = admission()
    probes = [
        each
        for n in range(3 * MOST_PROBES)
        for each in machine.heartbeat(b"%d" % n, beat(f"a{n}", f"h:{n}"), 0.0)
    ]
    assert machine.heartbeat(b"p", beat("a", "agent:1"), 1.0) == [], "all probes are taken"
    addresses: list[str] = []
    for now in (10.0, 20.0, 30.0, 40.0):
        for n in range(3 * MOST_PROBES):
            probes += machine.heartbeat(b"%d" % n, beat(f"a{n}", f"h:{n}"), now)
        machine.heartbeat(b"p", beat("a", "agent:1"), now)
        ended, probes = probes, []
        for each in ended:
            assert isinstance(each, Probe)
            found = machine.unreachable(each.nonce, "no connection", now)
            probes += [probe for probe in found if isinstance(probe, Probe)]
        addresses += [each.address for each in probes if isinstance(each, Probe)]
    assert "agent:1" in addresses
    machine.check_invariants()


def test_the_heartbeats_of_waiting_connections_are_bounded() -> None:
    machine = admission()
    large = beat()._replace(leases=(LeaseInUse("l", "d", 1),) * 50_000)
    for number in range(10):
        machine.heartbeat(b"%d" % number, large._replace(address=f"h:{number}"), 0.0)
    machine.check_invariants()
    assert len(machine._waiting) == 4
    assert machine.heartbeat(b"p", beat("a", "agent:1"), 0.0), "a small one has room"
    machine.tick(FORGET_S)
    assert machine._waiting_items == 0
    machine.check_invariants()


def test_silent_connections_and_lost_agents_are_forgotten() -> None:
    machine = admission()
    probe = probe_of(machine.heartbeat(b"p", beat(), 0.0))
    assert machine.tick(FORGET_S) == []
    assert machine.proof(b"p", probe.nonce, FORGET_S) == []
    admit(machine, b"p", beat(), 20.0)
    machine.forget("h:1")
    assert not machine.speaks_for(b"p", "a")
    admit(machine, b"p", beat(), 21.0)
    machine.check_invariants()


@given(st.data())
def test_a_speaker_has_proved_its_address_after_any_messages(data: Any) -> None:
    """The agent at each address answers probes; other peers send any messages."""
    machine = admission()
    home = {"h:1": b"p", "h:2": b"q"}  # the connection of the agent at each address
    probes: list[Probe] = []
    now = 0.0
    for _ in range(data.draw(st.integers(1, 60))):
        now += data.draw(st.sampled_from([0.0, 0.1, 6.0]))
        peer = data.draw(st.sampled_from([b"p", b"q", b"r"]))
        address = data.draw(st.sampled_from(sorted(home)))
        match data.draw(st.sampled_from(["beat", "prove", "fail", "tick", "guess"])):
            case "beat":
                decisions = machine.heartbeat(
                    peer, beat(data.draw(st.sampled_from("abc")), address), now
                )
            case "prove" if probes:
                probe = probes.pop(0)
                decisions = machine.proof(home[probe.address], probe.nonce, now)
            case "fail" if probes:
                decisions = machine.unreachable(probes.pop(0).nonce, "gone", now)
            case "guess":
                decisions = machine.proof(peer, Secret(bytes(16)), now)
            case _:
                decisions = machine.tick(now)
        for each in decisions:
            if isinstance(each, Probe):
                probes.append(each)
            elif isinstance(each, Admitted):
                assert machine.speaks_for(home[each.heartbeat.address], each.heartbeat.agent)
        assert not any(machine.speaks_for(b"r", agent) for agent in "abc")
        machine.check_invariants()
