"""The text of a key file: the CURVE keys of a cluster, one pair for each role.

    glowpy cluster keys
    generation 2
    server PUBLIC SECRET
    agent PUBLIC SECRET
    driver PUBLIC SECRET
    viewer PUBLIC SECRET
    leases HEX
    generation 1
    ...

`-` stands for a secret that is not in the file. The newest generation comes first; a second
generation follows during a rotation, and servers accept both.
"""

from __future__ import annotations

import re

from glowpy.record import NamedTuple
from glowpy.wire.roles import CLUSTER_ROLES, Role
from glowpy.wire.security import KeyPair

HEADER = "glowpy cluster keys"
OLD_HEADER = "glowpy cluster key"  # of releases without roles
MOST_BYTES = 4096
LEASE_SECRET_BYTES = 32
MOST_GENERATIONS = 2

_KEY = r"[0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]{40}"  # Z85, as libzmq writes keys
_LINE = re.compile(rf"(server|agent|driver|viewer) ({_KEY}) ({_KEY}|-)")
_GENERATION = re.compile(r"generation ([1-9][0-9]{0,8})")
_LEASES = re.compile(rf"leases ([0-9a-f]{{{2 * LEASE_SECRET_BYTES}}})")


class Generation(NamedTuple):
    """All keys of a cluster that were made together."""

    number: int
    pairs: dict[Role, KeyPair]
    lease_secret: bytes = b""  # of master and agents, for signatures of leases

    def __repr__(self) -> str:
        return f"Generation({self.number}, {self.pairs!r}, ...)"

    def secret_of(self, role: Role) -> KeyPair | None:
        """The pair of a role, or None if the secret half is unknown."""
        pair = self.pairs.get(role)
        return pair if pair is not None and pair.secret else None


class KeyFile(NamedTuple):
    """The content of a key file."""

    generations: tuple[Generation, ...]  # the newest first

    @property
    def newest(self) -> Generation:
        return self.generations[0]


def to_text(keys: KeyFile) -> str:
    """The text of a key file."""
    lines = [HEADER]
    for generation in keys.generations:
        lines.append(f"generation {generation.number}")
        for role in CLUSTER_ROLES:
            if (pair := generation.pairs.get(role)) is not None:
                secret = pair.secret.decode("ascii") or "-"
                lines.append(f"{role.value} {pair.public.decode('ascii')} {secret}")
        if generation.lease_secret:
            lines.append(f"leases {generation.lease_secret.hex()}")
    return "\n".join(lines) + "\n"


def from_text(text: str) -> KeyFile | None:
    """Read the text of a key file; None for other text."""
    header, *lines = text.rstrip("\n").split("\n")
    generations: list[Generation] = []
    for line in lines:
        if found := _GENERATION.fullmatch(line):
            generations.append(Generation(int(found[1]), {}))
            continue
        if not generations:
            return None
        current = generations[-1]
        if found := _LINE.fullmatch(line):
            secret = b"" if found[3] == "-" else found[3].encode("ascii")
            role = Role(found[1])
            if role in current.pairs:
                return None
            current.pairs[role] = KeyPair(found[2].encode("ascii"), secret)
        elif (found := _LEASES.fullmatch(line)) and not current.lease_secret:
            generations[-1] = current._replace(lease_secret=bytes.fromhex(found[1]))
        else:
            return None
    numbers = [each.number for each in generations]
    is_complete = all(Role.SERVER in each.pairs for each in generations)
    in_order = numbers == sorted(set(numbers), reverse=True)
    if header != HEADER or not is_complete or not in_order:
        return None
    return KeyFile(tuple(generations)) if 1 <= len(generations) <= MOST_GENERATIONS else None


def for_role(keys: KeyFile, role: Role) -> KeyFile:
    """The part of a key file for one role.

    Agents are servers: the part for agents has the secrets of servers and leases and the public
    keys of all roles, of both generations. The part for drivers or viewers has the newest pair of
    the role and the public half of the servers' key.
    """
    if role is Role.AGENT:
        return KeyFile(tuple(_for_agents(each) for each in keys.generations))
    newest = keys.newest
    pairs = {Role.SERVER: newest.pairs[Role.SERVER].without_secret()}
    if role in newest.pairs:
        pairs[role] = newest.pairs[role]
    return KeyFile((Generation(newest.number, pairs),))


def _for_agents(generation: Generation) -> Generation:
    keeps = (Role.SERVER, Role.AGENT)
    pairs = {
        role: pair if role in keeps else pair.without_secret()
        for role, pair in generation.pairs.items()
    }
    return generation._replace(pairs=pairs)


def rotated(keys: KeyFile, fresh: Generation) -> KeyFile:
    """Put a new generation before the newest one; clients know the server pair, which stays."""
    newest = keys.newest
    pairs = {**fresh.pairs, Role.SERVER: newest.pairs[Role.SERVER]}
    return KeyFile((fresh._replace(number=newest.number + 1, pairs=pairs), newest))


def without_old(keys: KeyFile) -> KeyFile:
    """The newest generation alone."""
    return KeyFile(keys.generations[:1])
