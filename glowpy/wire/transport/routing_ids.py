"""The numbers by which libzmq names the connections of a ROUTER.

libzmq counts up from `rand()`, which it never seeds: without a seed, the first number is the same
in every process. A client may choose its own name; a client that chooses the next number of libzmq
makes libzmq abort the process ("Assertion failed: ok", `routing_socket_base_t::add_out_pipe`).
"""

from __future__ import annotations

import os


def seed_routing_ids() -> None:
    """Start from an unpredictable number."""
    import ctypes

    ctypes.CDLL(None).srand(int.from_bytes(os.urandom(4), "little"))
