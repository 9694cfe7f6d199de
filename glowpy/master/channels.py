"""The agents of named channels, as reported by heartbeats. Pure.

Go: resource/service_discovery/master/handler_channels.go
"""

from __future__ import annotations

from collections.abc import Sequence

from glowpy.channel import is_channel_name
from glowpy.wire.channel_messages import ChannelPlace
from glowpy.wire.messages import NamedChannel

MOST_CHANNELS = 1000  # of one agent


class ChannelRegistry:
    """Named channels, by name and by agent."""

    def __init__(self) -> None:
        self._of_agent: dict[str, dict[str, int]] = {}  # agent -> name -> number
        self._agents_of: dict[str, dict[str, str]] = {}  # name -> agent -> address

    def hear(self, agent: str, address: str, channels: Sequence[NamedChannel]) -> None:
        """Replace the channels of an agent."""
        now = {name: number for name, number in channels[:MOST_CHANNELS] if is_channel_name(name)}
        before = self._of_agent.get(agent, {})
        if now == before:
            return
        for name in before.keys() - now.keys():
            self._forget(agent, name)
        for name in now:
            self._agents_of.setdefault(name, {})[agent] = address
        self._of_agent[agent] = now

    def forget(self, agent: str) -> None:
        """Forget an agent."""
        for name in self._of_agent.pop(agent, {}):
            self._forget(agent, name)

    def find(self, name: str) -> ChannelPlace:
        """Return the location of a channel; among several, the one sent last."""
        found = [
            (self._of_agent[agent][name], address)
            for agent, address in self._agents_of.get(name, {}).items()
        ]
        number, address = max(found, default=(0, ""))
        return ChannelPlace(name[:100], address, number)

    def _forget(self, agent: str, name: str) -> None:
        agents = self._agents_of[name]
        del agents[agent]
        if not agents:
            del self._agents_of[name]
