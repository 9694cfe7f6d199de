"""The market: matches ready groups with free executors.

A continuous double auction as in Glow: every pair of a group and an executor has the score bid / (1
+ sum of the distances between the executor and each shard that the group reads), and the pair with
the highest score is matched first. Ties are broken by the faster core, then the agent with fewer
attempts, then the lowest group. (Go: driver/scheduler/market/cda_market.go, scheduler_score.go)

No pair is compared. Groups with inputs in the same places form one *lot*; executors of one agent
form one offer. A lot is listed in the scope of every server with its inputs, of their racks and
data centers, and everywhere, with its score for an agent in that scope and in none closer. The best
lot for an agent is therefore one of four heads, and the best agent for a lot is in its first scope
with free agents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush

from glowpy.driver.scheduling.free_executors import (
    EVERYWHERE,
    Agent,
    FreeExecutors,
    Scope,
    scopes_of,
)
from glowpy.locality import BEYOND, SAME_DATA_CENTER, SAME_RACK, SAME_SERVER, Place
from glowpy.record import NamedTuple

_MANY_SCOPES = 16  # lots with more scopes are only searched from the agents' side


def score(bid: float, distance: int) -> float:
    """Return the score of a bid at a total distance to the inputs."""
    return bid / (1 + distance)


class Origin(NamedTuple):
    """The locations of a group's inputs; groups with the same `key` have the same locations.

    `places` returns the places and the number of shards in each; it is called once per key.
    """

    key: tuple[object, ...]
    places: Callable[[], Iterable[tuple[Place, int]]]


class _Lot:
    """Ready groups whose inputs are in the same places."""

    __slots__ = ("groups", "key", "number", "scores", "unlisted", "waiting")

    def __init__(self, origin: Origin, number: int, bid: float) -> None:
        self.key = origin.key
        self.number = number
        self.groups: list[int] = []  # a heap; may contain withdrawn groups
        self.waiting = 0  # number of groups not withdrawn
        self.scores = _scores(origin.places(), bid)
        self.unlisted = set(self.scores)  # scopes without this lot in their listing

    @property
    def is_wide(self) -> bool:
        return len(self.scores) > _MANY_SCOPES


class Market:
    """Ready groups of one run, each with the same bid."""

    def __init__(self, bid: float) -> None:
        self._bid = bid
        self._lots: dict[tuple[object, ...], _Lot] = {}
        self._lot_of: dict[int, _Lot] = {}  # by waiting group
        self._open: dict[_Lot, None] = {}  # lots with waiting groups
        self._wide_count = 0  # of the open lots
        self._listings: dict[Scope, list[tuple[float, int, _Lot]]] = {}  # heaps: -score first
        self._lot_count = 0

    def __len__(self) -> int:
        return len(self._lot_of)

    def __contains__(self, group: int) -> bool:
        return group in self._lot_of

    def demand(self, group: int, origin: Origin) -> None:
        """Add a group that needs an executor."""
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
        """Remove a group, which has an executor or lacks an input again."""
        lot = self._lot_of.pop(group)
        lot.waiting -= 1
        if not lot.waiting:
            del self._open[lot]
            self._wide_count -= lot.is_wide
            if lot.is_wide:
                del self._lots[lot.key]

    def match(self, free: FreeExecutors) -> Iterator[tuple[int, str]]:
        """Yield pairs of group and executor, by descending score, while both exist.

        The caller has to withdraw the group and use the executor before requesting the next pair.
        """
        while self._lot_of and len(free):
            is_by_agent = self._wide_count or len(self._open) >= free.agent_count
            if is_by_agent and free.agent_count == 1:
                (agent,) = free.agents
                yield from self._trade(self._best_lot(agent), agent, free)
            elif is_by_agent:
                yield from self._match_agents(free)
            else:
                yield from self._match_lots(free)

    def _match_agents(self, free: FreeExecutors) -> Iterator[tuple[int, str]]:
        """Each agent asks for its best lot; the agent with the highest score is matched."""
        asks = []
        for agent in free.agents:
            lot = self._best_lot(agent)
            asks.append((-lot.scores[self._scope(lot, agent)], *agent.rank, agent, lot))
        heapify(asks)
        while asks and self._lot_of:
            ask = asks[0]
            agent, lot = ask[4], ask[5]
            if free.first_at(agent) is None:
                heappop(asks)
                continue
            now = lot if lot.waiting else self._best_lot(agent)
            again = (-now.scores[self._scope(now, agent)], *agent.rank, agent, now)
            if again[:4] == ask[:4]:
                yield from self._trade(now, agent, free)
                continue
            heappop(asks)
            heappush(asks, again)

    def _match_lots(self, free: FreeExecutors) -> Iterator[tuple[int, str]]:
        """Each lot asks for its best agent; the lot with the highest score is matched."""
        asks = [self._ask(lot, free) for lot in self._open]
        heapify(asks)
        while asks and len(free):
            _score, *_rank, lot, agent = ask = asks[0]
            if not lot.waiting:
                heappop(asks)
                continue
            again = self._ask(lot, free)
            if again[:5] == ask[:5]:
                yield from self._trade(lot, agent, free)
                continue
            heappop(asks)
            heappush(asks, again)

    def _ask(self, lot: _Lot, free: FreeExecutors) -> tuple[float, int, int, int, int, _Lot, Agent]:
        agent = self._best_agent(lot, free)
        assert agent is not None
        return -lot.scores[self._scope(lot, agent)], *agent.rank, lot.number, lot, agent

    def _trade(self, lot: _Lot, agent: Agent, free: FreeExecutors) -> Iterator[tuple[int, str]]:
        executor = free.first_at(agent)
        assert executor is not None
        yield self._head(lot), executor

    def _head(self, lot: _Lot) -> int:
        """Return the lowest waiting group of a lot."""
        groups = lot.groups
        while self._lot_of.get(groups[0]) is not lot:
            heappop(groups)
        return groups[0]

    def _best_lot(self, agent: Agent) -> _Lot:
        """Return the lot with the highest score for this agent; requires a waiting group."""
        best: tuple[float, int, _Lot] | None = None
        for scope in agent.scopes:
            listing = self._listings.get(scope)
            while listing and not listing[0][2].waiting:
                heappop(listing)[2].unlisted.add(scope)
            if listing and (best is None or listing[0] < best):
                best = listing[0]
        assert best is not None
        return best[2]

    def _best_agent(self, lot: _Lot, free: FreeExecutors) -> Agent | None:
        """Return the agent with the highest score for this lot."""
        best: tuple[float, tuple[int, int, int]] | None = None
        found: Agent | None = None
        for scope, value in lot.scores.items():
            if best is not None and -value > best[0]:
                break  # scopes are sorted by score
            agent = free.best(scope)
            if agent is not None and (best is None or (-value, agent.rank) < best):
                best, found = (-value, agent.rank), agent
        return found

    @staticmethod
    def _scope(lot: _Lot, agent: Agent) -> Scope:
        """Return the closest scope of an agent in which a lot is listed."""
        return next(scope for scope in agent.scopes if scope in lot.scores)


def _scores(places: Iterable[tuple[Place, int]], bid: float) -> dict[Scope, float]:
    """Return the scores of a lot by scope, for agents in that scope but in no closer one.

    The highest score comes first. Scopes of one kind do not overlap, so a shard is counted once.
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
