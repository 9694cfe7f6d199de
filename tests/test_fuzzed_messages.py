"""No message ends a server: random messages by the grammar, to state machines and live ports.

`make soak` sends 500,000 messages to the machines and 20,000 to live ports, with a random seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random, SystemRandom

import pytest

from tests.fuzzing import FuzzedAgent, FuzzedMaster, fuzz, fuzz_live
from tests.processes import server

FIXED = 20_261_130
SEEDS = [FIXED, SystemRandom().randrange(1 << 32)]
MACHINES = [FuzzedMaster, FuzzedAgent]


@pytest.mark.parametrize("seed", SEEDS, ids=["fixed", "random"])
@pytest.mark.parametrize("machine", MACHINES)
def test_no_message_raises_in_a_machine(machine, seed: int, tmp_path) -> None:
    taken = fuzz(machine(str(tmp_path)), Random(seed), count=4000)
    assert taken > 1000, f"seed {seed}: hardly any message was valid"


@pytest.fixture
def live(tmp_path) -> Iterator[dict[str, str]]:
    place = ["--host", "127.0.0.1", "--port", "0", "--dir", str(tmp_path / "agent")]
    with (
        server(tmp_path, "master", "--address", "127.0.0.1:0") as master,
        server(tmp_path, "agent", "--master", master.address, *place) as agent,
    ):
        yield {"master": master.address, "agent": agent.address}


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS, ids=["fixed", "random"])
def test_no_message_ends_a_live_server(live: dict[str, str], seed: int) -> None:
    for role, address in live.items():
        fuzz_live(role, address, Random(seed), count=300)
