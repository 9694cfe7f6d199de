"""Leases: signed by the master for one run and one start of an agent, for one use before expiry."""

from __future__ import annotations

from typing import Any

import pytest

from glowpy.agent.lease_check import LeaseCheck
from glowpy.errors import ProtocolError
from glowpy.master.signing import with_signatures
from glowpy.wire.coding import Coder
from glowpy.wire.lease_signature import SignedLease, is_signed, sign
from glowpy.wire.messages import MESSAGES, AskExecutors, Grants, Heartbeat, Lease, LeaseInUse
from glowpy.wire.run_messages import Launch, Refusal

SECRET, OTHER = b"s" * 32, b"o" * 32
AGENT, ADDRESS, RUN = "10.0.0.1:8931-1a2b", "10.0.0.1:8931", "run"
CONTENT = SignedLease("lease", AGENT, ADDRESS, RUN, 1, 64, 5.0, 30.0)


def test_a_signature_is_an_hmac_of_all_fields() -> None:
    assert len(sign(SECRET, CONTENT)) == 32
    assert is_signed((SECRET,), CONTENT, sign(SECRET, CONTENT))
    assert is_signed((OTHER, SECRET), CONTENT, sign(SECRET, CONTENT)), "while keys are rotated"
    assert not is_signed((OTHER,), CONTENT, sign(SECRET, CONTENT))
    assert not is_signed((), CONTENT, sign(SECRET, CONTENT))
    assert not is_signed((SECRET,), CONTENT, b"")


@pytest.mark.parametrize(
    "change",
    [
        {"lease": "leasf"},
        {"agent": f"{ADDRESS}-ffff"},
        {"address": "10.0.0.2:8931"},
        {"run": "ruN"},
        {"executor_count": 2},
        {"memory_mb": 65},
        {"memory_mb": -64},
        {"issued_at_s": 5.000001},
        {"duration_s": 31.0},
        {"lease": "lease'\n'x", "agent": ""},
    ],
    ids=str,
)
def test_no_field_can_be_changed(change: dict[str, Any]) -> None:
    assert not is_signed((SECRET,), CONTENT._replace(**change), sign(SECRET, CONTENT))


def launch(lease: str = "lease", run: str = RUN, **changes: Any) -> Launch:
    """A launch under a lease granted and signed by the master."""
    granted = Lease(lease, AGENT, ADDRESS, "", "", 1, 64, issued_at_s=5.0)
    grants = with_signatures(Grants((granted,), 1, 1, 1, 64), run, SECRET, 30.0)
    (signed,) = grants.leases
    proof = signed.issued_at_s, signed.duration_s, signed.signature
    return Launch(run, f"{run}-1", lease, signed.memory_mb, *proof)._replace(**changes)


def check() -> LeaseCheck:
    return LeaseCheck(AGENT, ADDRESS, (SECRET,))


def test_a_lease_is_used_once() -> None:
    leases = check()
    assert leases.use(launch(), 6.0) is None
    assert leases.use(launch(), 6.0) == (Refusal.FULL, "the lease has been used")
    assert leases.use(launch(executor="run-2"), 34.0) == (Refusal.FULL, "the lease has been used")
    assert leases.use(launch("another"), 34.0) is None


def test_a_lease_expires_and_is_forgotten_then() -> None:
    leases = check()
    assert leases.use(launch(), 35.0) is None
    assert leases.use(launch(), 35.1) == (Refusal.FULL, "the lease expired 0.1 s ago")
    assert not leases._used and not leases._expiries


@pytest.mark.parametrize(
    "forged",
    [
        launch(signature=b""),
        launch(signature=bytes(32)),
        launch(run="another")._replace(run=RUN),
        launch(lease="x")._replace(lease="y"),
        launch(memory_mb=0),
        launch(issued_at_s=1e9),
        launch(duration_s=1e9),
    ],
    ids=range(7),
)
def test_a_forged_lease_is_refused_for_good(forged: Launch) -> None:
    leases = check()
    refused = leases.use(forged, 6.0)
    assert refused is not None and refused[0] is Refusal.NO_PROCESS
    assert "not signed by this agent's master for this run" in refused[1]
    assert leases.use(launch(), 6.0) is None, "a forged one does not use up the true one"


def test_a_lease_does_not_outlive_the_agent_and_is_for_no_other() -> None:
    for agent, address in ((f"{ADDRESS}-9999", ADDRESS), (AGENT, "10.0.0.2:8931")):
        refused = LeaseCheck(agent, address, (SECRET,)).use(launch(), 6.0)
        assert refused is not None and refused[0] is Refusal.NO_PROCESS


HEARTBEAT = Heartbeat("a", "h:1", "", "", 1, 1, 64, (LeaseInUse("l", "d", 64),))


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (launch(memory_mb=-1), "memory_mb"),
        (launch(duration_s=-1.0), "duration_s"),
        (AskExecutors("d", -1, 0, 64, "", "", 1.0), "executor_count"),
        (AskExecutors("d", 1, 0, -64, "", "", 1.0), "memory_mb"),
        (HEARTBEAT._replace(memory_mb=-1), "memory_mb"),
        (HEARTBEAT._replace(cpu_level=-99), "cpu_level"),
        (HEARTBEAT._replace(executor_limit=-1), "executor_limit"),
        (HEARTBEAT._replace(clock_s=-1.0), "clock_s"),
        (HEARTBEAT._replace(leases=(LeaseInUse("l", "d", -64),)), "memory_mb"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_negative_numbers_free_nothing(message: Any, field: str) -> None:
    coder = Coder(MESSAGES)
    with pytest.raises(ProtocolError, match=rf"{field} is not between 0 and"):
        coder.decode(coder.encode(message))
