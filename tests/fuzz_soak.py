"""Many random messages, to the machines in this process and to servers on live ports.

python -m tests.fuzz_soak --machine 500000 --live 20000 --seed 7
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path
from random import Random, SystemRandom

from tests.fuzzing import FuzzedAgent, FuzzedMaster, fuzz, fuzz_live
from tests.processes import server


def main() -> None:
    """Run the command.

    Raises:
        Exception: a machine raised an error.
        AssertionError: a server does not answer.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machine", type=int, default=500_000, help="messages to each machine")
    parser.add_argument("--live", type=int, default=20_000, help="messages to each live server")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="gf-") as directory:
        for machine in (FuzzedMaster, FuzzedAgent):
            taken = fuzz(machine(directory), Random(seed), options.machine)
            print(
                f"{machine.__name__}: {taken} of {options.machine} messages were valid", flush=True
            )
        place = ["--host", "127.0.0.1", "--port", "0", "--dir", f"{directory}/agent"]
        with (
            server(Path(directory), "master", "--address", "127.0.0.1:0") as master,
            server(Path(directory), "agent", "--master", master.address, *place) as agent,
        ):
            for role, address in (("master", master.address), ("agent", agent.address)):
                fuzz_live(role, address, Random(seed), options.live)
                print(f"{role}: answers after {options.live} messages", flush=True)


if __name__ == "__main__":
    main()
