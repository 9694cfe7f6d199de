"""The market: which ready group goes to which executor that is free to take one.

A continuous double auction as Glow's: every pair of a group and an executor has the score
bid / (1 + sum of the distances between the executor and each shard that the group reads), and the
pair with the highest goes first. Among equals, a faster core goes first, then the agent with the
least to do, then the lowest group. (Go: driver/scheduler/market/cda_market.go, scheduler_score.go)

Nothing is compared pair by pair. Groups that read from the same places are one *lot*; executors of
one agent are one offer. A lot is listed in the scope of every server that it reads from, of their
racks and data centres, and everywhere, with the score that it has for an agent of that scope and
none closer. So the best lot for an agent is one of four heads, and the best agent for a lot is in
the first of its scopes that has any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush

from glowpy.driver.scheduling.supply import EVERYWHERE, Agent, Scope, Supply, scopes_of
from glowpy.locality import BEYOND, SAME_DATA_CENTER, SAME_RACK, SAME_SERVER, Place
from glowpy.record import NamedTuple

_MANY_SCOPES = 16  # of a lot: more are searched from the agents' side only


def score(bid: float, distance: int) -> float:
    """What a group that bids so much is worth to an executor whose inputs are so far away."""
    return bid / (1 + distance)


class Origin(NamedTuple):
    """Where the inputs of a group rest: groups with the same `key` read from the same places.

    `places` gives these, and how many shards are read from each; it is asked once for each key.
    """

    key: tuple[object, ...]
    places: Callable[[], Iterable[tuple[Place, int]]]


class _Lot:
    """Ready groups that read from the same places."""

    __slots__ = ("groups", "key", "number", "scores", "unlisted", "waiting")

    def __init__(self, origin: Origin, number: int, bid: float) -> None:
        self.key = origin.key
        self.number = number
        self.groups: list[int] = []  # a heap; some may have been withdrawn
        self.waiting = 0  # groups that have not
        self.scores = _scores(origin.places(), bid)
        self.unlisted = set(self.scores)  # scopes in whose listing it is not

    @property
    def is_wide(self) -> bool:
        return len(self.scores) > _MANY_SCOPES


class Market:
    """Ready groups of one run, each with the same bid."""

    def __init__(self, bid: float) -> None:
        self._bid = bid
        self._lots: dict[tuple[object, ...], _Lot] = {}
        self._lot_of: dict[int, _Lot] = {}  # by group that waits
        self._open: dict[_Lot, None] = {}  # lots with groups that wait
        self._wide_count = 0  # of these
        self._listings: dict[Scope, list[tuple[float, int, _Lot]]] = {}  # heaps: -score first
        self._lot_count = 0

    def __len__(self) -> int:
        return len(self._lot_of)

    def __contains__(self, group: int) -> bool:
        return group in self._lot_of

    def demand(self, group: int, origin: Origin) -> None:
        """A group wants an executor."""
        lot = self._lots.get(origin.key)
        if lot is None:
            self._lot_count += 1
            lot = self._lots[origin.key] = _Lot(origin, self._lot_count, self._bid)
        heappush(lot.groups, group)
        self._lot_of[group] = lot
        lot.waiting += 1
        if lot.waiting == 1:
            self._open[lot] = None
            self._wide_count += lot.is_wide
        for scope in lot.unlisted:
            entry = (-lot.scores[scope], lot.number, lot)
            heappush(self._listings.setdefault(scope, []), entry)
        lot.unlisted.clear()

    def withdraw(self, group: int) -> None:
        """A group wants none any more: it has one, or not all of its inputs."""
        lot = self._lot_of.pop(group)
        lot.waiting -= 1
        if not lot.waiting:
            del self._open[lot]
            self._wide_count -= lot.is_wide
            if lot.is_wide:
                del self._lots[lot.key]

    def match(self, supply: Supply) -> Iterator[tuple[int, str]]:
        """Pairs of group and executor, the highest score first, while both are there.

        Whoever draws has to withdraw the group and take the executor before drawing again.
        """
        while self._lot_of and len(supply):
            is_by_agent = self._wide_count or len(self._open) >= supply.agent_count
            if is_by_agent and supply.agent_count == 1:
                (agent,) = supply.agents
                yield from self._trade(self._best_lot(agent), agent, supply)
            elif is_by_agent:
                yield from self._match_agents(supply)
            else:
                yield from self._match_lots(supply)

    def _match_agents(self, supply: Supply) -> Iterator[tuple[int, str]]:
        """Each agent asks for its best lot; the agent whose lot scores highest gets it."""
        asks = []
        for agent in supply.agents:
            lot = self._best_lot(agent)
            asks.append((-lot.scores[self._scope(lot, agent)], *agent.rank, agent, lot))
        heapify(asks)
        while asks and self._lot_of:
            ask = asks[0]
            agent, lot = ask[4], ask[5]
            if supply.first_at(agent) is None:
                heappop(asks)
                continue
            now = lot if lot.waiting else self._best_lot(agent)
            again = (-now.scores[self._scope(now, agent)], *agent.rank, agent, now)
            if again[:4] == ask[:4]:
                yield from self._trade(now, agent, supply)
                continue
            heappop(asks)
            heappush(asks, again)

    def _match_lots(self, supply: Supply) -> Iterator[tuple[int, str]]:
        """Each lot asks for its best agent; the lot that scores highest gets it."""
        asks = [self._ask(lot, supply) for lot in self._open]
        heapify(asks)
        while asks and len(supply):
            _score, *_rank, lot, agent = ask = asks[0]
            if not lot.waiting:
                heappop(asks)
                continue
            again = self._ask(lot, supply)
            if again[:5] == ask[:5]:
                yield from self._trade(lot, agent, supply)
                continue
            heappop(asks)
            heappush(asks, again)

    def _ask(self, lot: _Lot, supply: Supply) -> tuple[float, int, int, int, int, _Lot, Agent]:
        agent = self._best_agent(lot, supply)
        assert agent is not None
        return -lot.scores[self._scope(lot, agent)], *agent.rank, lot.number, lot, agent

    def _trade(self, lot: _Lot, agent: Agent, supply: Supply) -> Iterator[tuple[int, str]]:
        executor = supply.first_at(agent)
        assert executor is not None
        yield self._head(lot), executor

    def _head(self, lot: _Lot) -> int:
        """The lowest group of a lot that waits."""
        groups = lot.groups
        while self._lot_of.get(groups[0]) is not lot:
            heappop(groups)
        return groups[0]

    def _best_lot(self, agent: Agent) -> _Lot:
        """The lot with the highest score for this agent; there is one."""
        best: tuple[float, int, _Lot] | None = None
        for scope in agent.scopes:
            listing = self._listings.get(scope)
            while listing and not listing[0][2].waiting:
                heappop(listing)[2].unlisted.add(scope)
            if listing and (best is None or listing[0] < best):
                best = listing[0]
        assert best is not None
        return best[2]

    def _best_agent(self, lot: _Lot, supply: Supply) -> Agent | None:
        """The agent that this lot has the highest score for."""
        best: tuple[float, tuple[int, int, int]] | None = None
        found: Agent | None = None
        for scope, value in lot.scores.items():
            if best is not None and -value > best[0]:
                break  # scopes come in the order of their scores
            agent = supply.best(scope)
            if agent is not None and (best is None or (-value, agent.rank) < best):
                best, found = (-value, agent.rank), agent
        return found

    @staticmethod
    def _scope(lot: _Lot, agent: Agent) -> Scope:
        """The closest scope of an agent that a lot is listed in."""
        return next(scope for scope in agent.scopes if scope in lot.scores)


def _scores(places: Iterable[tuple[Place, int]], bid: float) -> dict[Scope, float]:
    """The scores of a lot by scope, for an agent there that is in none of the closer ones.

    The highest comes first. Scopes of one kind do not overlap, so one shard is counted once.
    """
    count_of: dict[Scope, int] = {EVERYWHERE: 0}
    for place, count in places:
        for scope in scopes_of(place):
            count_of[scope] = count_of.get(scope, 0) + count
    scores: dict[Scope, float] = {}
    for scope in count_of:
        distance = count_of[EVERYWHERE] * BEYOND
        for length, (closer, farther) in enumerate(_STEPS[: len(scope)], start=1):
            distance -= count_of[scope[:length]] * (farther - closer)
        scores[scope] = score(bid, distance)
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


_STEPS = ((SAME_DATA_CENTER, BEYOND), (SAME_RACK, SAME_DATA_CENTER), (SAME_SERVER, SAME_RACK))
