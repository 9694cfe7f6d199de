"""The routing ids that libzmq generates for the connections of a ROUTER.

libzmq counts from `rand()` without a seed, so the first id is the same in every process. A client
may choose a routing id. If a client chooses the id that libzmq generates next, libzmq aborts the
process ("Assertion failed: ok", `routing_socket_base_t::add_out_pipe`).
"""

from __future__ import annotations

import os


def seed_routing_ids() -> None:
    """Seed `rand()` with randomness of the system: peers cannot predict routing ids."""
    import ctypes

    ctypes.CDLL(None).srand(int.from_bytes(os.urandom(4), "little"))
