"""The policy of a process by its role, from a key file or from the user's own key."""

from __future__ import annotations

from glowpy.errors import ConfigError
from glowpy.wire.address import Address, is_loopback
from glowpy.wire.key_file import Generation, KeyFile
from glowpy.wire.key_storage import load_keys
from glowpy.wire.roles import CLUSTER_ROLES, Role
from glowpy.wire.security import KeyPair, Policy

# Roles that may replace a role missing in the key file.
_STAND_INS = {Role.VIEWER: (Role.DRIVER, Role.AGENT)}


def policy_of(keys: KeyFile, role: Role, name: str) -> Policy:
    """Return the policy of a process of one role.

    Args:
        name: of the key file, for messages.

    Raises:
        ConfigError: the file lacks a key of this role.
    """
    own = _own_pair(keys.newest, role)
    server = keys.newest.pairs[Role.SERVER]
    is_server = role in (Role.SERVER, Role.AGENT)
    secrets = tuple(each.lease_secret for each in keys.generations if each.lease_secret)
    if own is None or (is_server and not (server.secret and secrets)):
        held = [each.value for each in CLUSTER_ROLES if keys.newest.secret_of(each) is not None]
        has = "it has public keys only"
        if held:
            of = "key of the role" if len(held) == 1 else "keys of the roles"
            has = f"it has the {of} {' and '.join(held)}"
        needs = {Role.SERVER: "a master or agent", Role.AGENT: "an agent"}.get(role)
        needs = needs or f"a {role.value}"
        made_for = Role.AGENT.value if is_server else role.value
        raise ConfigError(
            f"key file {name} is not for {needs}: {has}; make a file for it with "
            f"`glowpy keys --role {made_for} FILE --from CLUSTER_FILE`"
        )
    admits = tuple(
        (pair.public, each)
        for generation in keys.generations
        for each, pair in generation.pairs.items()
    )
    return Policy(
        own=own,
        server=server,
        admits=admits if server.secret else (),
        lease_secrets=secrets,
    )


def _own_pair(newest: Generation, role: Role) -> KeyPair | None:
    for each in (role, *_STAND_INS.get(role, ())):
        if (pair := newest.secret_of(each)) is not None:
            return pair
    return None


def policy_from_file(key_file: str, role: Role) -> Policy:
    """Return the policy of a key file, named by a path or a descriptor. Raises: ConfigError."""
    from glowpy.paths import expand_path

    try:
        path = expand_path(key_file)
    except ValueError as exc:
        raise ConfigError(f"cannot read key file {key_file}: {exc}") from exc
    return policy_of(load_keys(path), role, path)


def policy_for(
    *addresses: Address,
    role: Role,
    key_file: str = "",
    insecure: bool = False,
    is_server: bool = False,
) -> Policy:
    """Return the policy of a process that listens on these addresses or connects to them.

    Args:
        key_file: the cluster's key; if empty, the user's own key where all addresses are loopback.
        insecure: use no key if none is named.

    Raises:
        ConfigError: the key cannot be used, or an address beyond loopback needs one.
    """
    if key_file:
        return policy_from_file(key_file, role)
    policy = Policy(insecure=insecure)
    if insecure:
        return policy
    for address in addresses:
        if not is_loopback(address.host or ("" if is_server else "localhost")):
            policy.check(address, is_server=is_server)
    from glowpy.wire.user_key import user_key_path, user_keys

    return policy_of(user_keys(), role, user_key_path())
