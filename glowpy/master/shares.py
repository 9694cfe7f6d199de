"""How many executors each driver may hold while several want more than there are.

The cluster is divided by bid. What a driver does not want goes to the others; where parts are less
than an executor, drivers take turns. Pure. (In Glow, who asks first gets all that is free.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_ROUNDING = 1e-9
LEAST_BID = 1e-6  # of a driver that bids nothing: it starves no more than others


@dataclass(frozen=True, slots=True)
class Claim:
    """What one driver holds and wants, in executors of the size that it asks for."""

    bid: float
    held: int
    wanted: int  # what it holds, and what it asks for beyond that
    capacity: int  # what the whole cluster could hold
    served_s: float = 0.0  # for how long it has held executors, divided by its bid
    is_in_turn: bool = False  # it holds one, and not for long yet


def shares(claims: Sequence[Claim]) -> list[int]:
    """How many executors each may hold, at most what it wants.

    Every executor of a claim takes 1 / capacity of the cluster, so that large ones count more.
    """
    parts = _parts(claims)
    counts = [int(part + _ROUNDING) for part in parts]
    left = 1.0 - sum(n / c.capacity for n, c in zip(counts, claims, strict=True) if n)
    order = [i for i, claim in enumerate(claims) if counts[i] < min(claim.wanted, claim.capacity)]
    order.sort(key=lambda i: _rank(claims[i], counts[i], parts[i] - counts[i]))
    for most in 1, max((claim.wanted for claim in claims), default=0):  # one each, then the rest
        for i in order:
            claim = claims[i]
            more = min(most, claim.wanted - counts[i], int((left + _ROUNDING) * claim.capacity))
            counts[i] += more
            left -= more / claim.capacity
    return counts


def _parts(claims: Sequence[Claim]) -> list[float]:
    """What each is due, in executors: nobody more than it wants, the others by their bids."""
    parts = [0.0] * len(claims)
    bids = [max(LEAST_BID, claim.bid) for claim in claims]
    order = [i for i, claim in enumerate(claims) if claim.wanted and claim.capacity]
    order.sort(key=lambda i: claims[i].wanted / claims[i].capacity / bids[i])
    left, weight = 1.0, sum(bids[i] for i in order)
    for i in order:  # whoever wants least for its bid first: what it leaves is for all others
        due = max(0.0, left) * bids[i] / weight
        part = min(claims[i].wanted / claims[i].capacity, due)
        parts[i] = part * claims[i].capacity
        left -= part
        weight -= bids[i]
    return parts


def _rank(claim: Claim, count: int, rest: float) -> tuple[bool, bool, float, float]:
    """Who gets what is left after rounding down: first those who would get nothing, in turns."""
    if count == 0:
        return False, not claim.is_in_turn, claim.served_s, -rest
    return True, claim.held <= count, -rest, claim.served_s
