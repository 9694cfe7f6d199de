"""How many executors each driver may hold while several want more than there are.

The cluster is divided in proportion to the bids. Every driver gets at least one executor and at
most its demand; where there are more drivers than executors, they take turns. Pure. (In Glow, the
first driver to ask gets all that is free.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from glowpy.record import NamedTuple

_ROUNDING = 1e-9
_DIGITS = 9  # of remainders that are compared: equal bids have equal remainders
LEAST_BID = 1e-6  # of a driver that bids nothing: it starves no more than others

_LEAST_RATIO = 1e-6  # to the largest bid: less is an executor at most, and not more than rounding

_Rank: TypeAlias = tuple[bool, bool, float, float]


class Claim(NamedTuple):
    """The executors that one driver holds and wants, in executors of the size that it asks for."""

    bid: float
    held: int
    wanted: int  # the held executors and the open demand
    capacity: int  # of the whole cluster
    served_s: float = 0.0  # time that it has held executors, divided by its bid
    is_in_turn: bool = False  # it holds one, and not for long yet


def shares(claims: Sequence[Claim]) -> list[int]:
    """How many executors each may hold, at most its demand.

    Every executor of a claim takes 1 / capacity of the cluster, so that large ones count more. The
    ideal parts are rounded down, and the rest goes to the largest remainders.
    """
    counts = [0] * len(claims)
    wanting = [i for i, claim in enumerate(claims) if claim.wanted and claim.capacity]
    left = 1.0
    short = []
    for i, part in zip(wanting, _parts([claims[i] for i in wanting]), strict=True):
        claim = claims[i]
        executors = part * claim.capacity
        count = counts[i] = int(executors + _ROUNDING)
        left -= count / claim.capacity
        if count < claim.wanted and count < claim.capacity:
            short.append((_rank(claim, count, executors - count), i))
    _give(left, sorted(short), claims, counts)
    return counts


def _parts(claims: Sequence[Claim]) -> list[float]:
    """The ideal part of the cluster for each claim: its bid times one level common to all.

    A part is at least one executor, if there are enough of these, and at most the demand. The level
    rises from 0 until the parts fill the cluster; between two limits the sum rises evenly.
    """
    least = [1.0 / claim.capacity for claim in claims]
    if sum(least) > 1.0 + _ROUNDING:
        least = [0.0] * len(claims)
    most = [claim.wanted / claim.capacity for claim in claims]
    largest = max([claim.bid for claim in claims], default=0.0)
    bids = [max(LEAST_BID, claim.bid, largest * _LEAST_RATIO) for claim in claims]
    limits = [(part / bid, bid) for part, bid in zip(least, bids, strict=True)]
    limits += [(part / bid, -bid) for part, bid in zip(most, bids, strict=True)]
    limits.sort()
    level, used, slope = 0.0, sum(least), 0.0
    for limit, change in limits:
        above = used + slope * (limit - level)
        if above >= 1.0:
            break
        level, used, slope = limit, above, slope + change
    else:
        return most
    if slope > 0.0:
        level += (1.0 - used) / slope
    bounds = zip(least, most, bids, strict=True)
    return [min(max(low, level * bid), high) for low, high, bid in bounds]


def _give(
    left: float, short: list[tuple[_Rank, int]], claims: Sequence[Claim], counts: list[int]
) -> None:
    """The rest goes to those that want more: one each, then more to the first."""
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
    """The order for the rest: drivers without an executor in turns, then the largest remainders.

    Of equal remainders, a driver that holds the executor already keeps it: none moves to and fro.
    """
    if count == 0:
        return False, not claim.is_in_turn, claim.served_s, -rest
    return True, False, -round(rest, _DIGITS), float(claim.held <= count)
