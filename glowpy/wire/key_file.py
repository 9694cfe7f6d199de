"""The text of a key file: a CURVE key pair for each role, and the secret that signs leases.

    glowpy cluster keys
    generation 2
    server PUBLIC SECRET
    agent PUBLIC SECRET
    driver PUBLIC SECRET
    viewer PUBLIC SECRET
    leases HEX
    generation 1
    ...

`-` stands for a secret that is not in the file. The newest generation comes first; during a
rotation the previous generation follows, and servers accept keys of both.
"""

from __future__ import annotations

import re

from glowpy.record import NamedTuple
from glowpy.wire.roles import CLUSTER_ROLES, Role
from glowpy.wire.security import KeyPair

HEADER = "glowpy cluster keys"
OLD_HEADER = "glowpy cluster key"  # of releases without roles, for an error that says so
MOST_BYTES = 4096
LEASE_SECRET_BYTES = 32
MOST_GENERATIONS = 2

_KEY = r"[0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]{40}"  # Z85, as libzmq writes keys
_LINE = re.compile(rf"(server|agent|driver|viewer) ({_KEY}) ({_KEY}|-)")
_GENERATION = re.compile(r"generation ([1-9][0-9]{0,8})")
_LEASES = re.compile(rf"leases ([0-9a-f]{{{2 * LEASE_SECRET_BYTES}}})")


class Generation(NamedTuple):
    """One generation of the keys of a cluster. A rotation replaces all but the server pair."""

    number: int
    pairs: dict[Role, KeyPair]
    lease_secret: bytes = b""  # signs leases; shared by master and agents

    def __repr__(self) -> str:
        return f"Generation({self.number}, {self.pairs!r}, ...)"

    def secret_of(self, role: Role) -> KeyPair | None:
        """Return the key pair of a role; None without the secret half."""
        pair = self.pairs.get(role)
        return pair if pair is not None and pair.secret else None


class KeyFile(NamedTuple):
    """The content of a key file."""

    generations: tuple[Generation, ...]  # the newest first

    @property
    def newest(self) -> Generation:
        return self.generations[0]


def to_text(keys: KeyFile) -> str:
    """Return the text of a key file."""
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
    """Return the keys in the text of a key file; None if the text is no valid key file."""
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
    """Return the part of a key file for one role.

    The part for agents, which also act as servers, has every generation: the server pair, the agent
    pair, the lease secret, and the public keys of all roles. The part for drivers or viewers has
    the newest pair of the role, and the public half of the server pair.
    """
    if role is Role.AGENT:
        return KeyFile(tuple(_for_agents(each) for each in keys.generations))
    newest = keys.newest
    pairs = {Role.SERVER: newest.pairs[Role.SERVER].without_secret()}
    if role in newest.pairs:
        pairs[role] = newest.pairs[role]
    return KeyFile((Generation(newest.number, pairs),))


def _for_agents(generation: Generation) -> Generation:
    with_secret = (Role.SERVER, Role.AGENT)
    pairs = {
        role: pair if role in with_secret else pair.without_secret()
        for role, pair in generation.pairs.items()
    }
    return generation._replace(pairs=pairs)


def rotated(keys: KeyFile, fresh: Generation) -> KeyFile:
    """Return `fresh` as the newest generation, followed by the previous one.

    The server pair stays the same, because clients have its public half.
    """
    newest = keys.newest
    pairs = {**fresh.pairs, Role.SERVER: newest.pairs[Role.SERVER]}
    return KeyFile((fresh._replace(number=newest.number + 1, pairs=pairs), newest))


def without_old(keys: KeyFile) -> KeyFile:
    """Return the keys without the previous generation."""
    return KeyFile(keys.generations[:1])
