"""The number of executors for each driver while demand exceeds the cluster.

The cluster is divided in proportion to the bids. Every driver gets at least one executor and at
most its demand; where drivers outnumber executors, they take turns. Pure. (In Glow, the first
driver to ask gets everything free.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from glowpy.record import NamedTuple

_ROUNDING = 1e-9
_DIGITS = 9  # of compared remainders: equal bids have equal remainders
LEAST_BID = 1e-6  # the weight of a zero bid

# to the largest bid: a smaller ratio is less than one executor, and drowns in rounding
_LEAST_RATIO = 1e-6

_Rank: TypeAlias = tuple[bool, bool, float, float]


class Claim(NamedTuple):
    """The executors held and wanted by one driver, in executors of its size."""

    bid: float
    held: int
    wanted: int  # the held executors and the open demand
    capacity: int  # of the whole cluster
    served_s: float = 0.0  # time with executors, divided by the bid
    is_in_turn: bool = False  # holds an executor, for less than a turn


def shares(claims: Sequence[Claim]) -> list[int]:
    """Return the number of executors for each claim, at most its demand.

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
    """Return the ideal part of the cluster for each claim: its bid times a common level.

    A part is at least one executor, if there are enough, and at most the demand. The level rises
    from 0 until the parts fill the cluster; between two limits the sum rises linearly.
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
    """Distribute the rest to claims below their demand: one each, then more to the first."""
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
    """Return the order for the rest: drivers without an executor by turns, then large remainders.

    Among equal remainders, the holder of an executor keeps it: none moves to and fro.
    """
    if count == 0:
        return False, not claim.is_in_turn, claim.served_s, -rest
    return True, False, -round(rest, _DIGITS), float(claim.held <= count)
