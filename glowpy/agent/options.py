"""The options of an agent."""

from __future__ import annotations

from dataclasses import dataclass

from glowpy.wire.address import Address


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """The options of an agent, from the command line."""

    directory: str
    address: Address
    master: Address
    data_center: str
    rack: str
    executor_limit: int
    cpu_level: int
    memory_mb: int
    clean_restart: bool
    advertised: Address | None = None  # the address for peers, if not the listening one
