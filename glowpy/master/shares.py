"""How many executors each driver may hold while several want more than there are.

The cluster is divided by bid. What a driver does not want goes to the others; where parts are less
than an executor, drivers take turns. Pure. (In Glow, who asks first gets all that is free.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from glowpy.record import NamedTuple

_ROUNDING = 1e-9
LEAST_BID = 1e-6  # of a driver that bids nothing: it starves no more than others

_Rank: TypeAlias = tuple[bool, bool, float, float]


class Claim(NamedTuple):
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
    counts = [0] * len(claims)
    order = []
    for i, claim in enumerate(claims):
        if claim.wanted and claim.capacity:
            bid = claim.bid if claim.bid > LEAST_BID else LEAST_BID
            part = claim.wanted / claim.capacity
            order.append((part / bid, i, part, bid))
    order.sort()  # whoever wants least for its bid first: what it leaves is for all others
    undivided, weight = 1.0, sum([bid for _, _, _, bid in order])
    left = 1.0  # after rounding down
    short = []
    for _, i, part, bid in order:
        due = undivided * bid / weight if undivided > 0.0 else 0.0
        part = part if part < due else due
        undivided -= part
        weight -= bid
        claim = claims[i]
        executors = part * claim.capacity
        count = counts[i] = int(executors + _ROUNDING)
        left -= count / claim.capacity
        if count < claim.wanted and count < claim.capacity:
            short.append((_rank(claim, count, executors - count), i))
    _give(left, sorted(short), claims, counts)
    return counts


def _give(
    left: float, short: list[tuple[_Rank, int]], claims: Sequence[Claim], counts: list[int]
) -> None:
    """What is left goes to those that want more: one each, then the rest."""
    largest_capacity = max([claims[i].capacity for _, i in short], default=0)
    for most in 1, max([claims[i].wanted for _, i in short], default=0):
        for _, i in short:
            if (left + _ROUNDING) * largest_capacity < 1.0:
                return
            claim = claims[i]
            more = min(most, claim.wanted - counts[i], int((left + _ROUNDING) * claim.capacity))
            counts[i] += more
            left -= more / claim.capacity


def _rank(claim: Claim, count: int, rest: float) -> _Rank:
    """Who gets what is left after rounding down: first those who would get nothing, in turns."""
    if count == 0:
        return False, not claim.is_in_turn, claim.served_s, -rest
    return True, claim.held <= count, -rest, claim.served_s
