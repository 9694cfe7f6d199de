"""Addresses that need a key, and the policy that follows from a key file."""

from __future__ import annotations

from pathlib import Path

import pytest

from glowpy.errors import ConfigError
from glowpy.wire.address import Address, Endpoint, IpcAddress
from glowpy.wire.key_policy import policy_for
from glowpy.wire.key_storage import load_keys, save_keys
from glowpy.wire.roles import Role
from glowpy.wire.security import KeyPair, Policy
from glowpy.wire.transport.curve import make_keys
from glowpy.wire.user_key import user_keys
from tests.keys import policy_as

PAIR = KeyPair(b"p" * 40, b"s" * 40)
KEYED = Policy(PAIR, PAIR)


def test_a_secret_is_not_shown() -> None:
    for shown in (PAIR, KEYED, KEYED._replace(lease_secrets=(b"sss",)), [PAIR]):
        assert "sss" not in repr(shown) and "sss" not in str(shown)


ANYWHERE = [Address(host, 8930) for host in ("", "*", "0.0.0.0", "10.0.0.7", "node.example")]
HERE: list[Endpoint] = [
    Address("127.0.0.1", 8930),
    Address("127.0.0.3", 0),
    Address("localhost", 8930),
    Address("::1", 8930),
    IpcAddress("/tmp/agent"),
]


@pytest.mark.parametrize("is_server", [True, False], ids=["server", "client"])
@pytest.mark.parametrize("policy", [KEYED, Policy(insecure=True)])
@pytest.mark.parametrize("address", [*HERE, *ANYWHERE], ids=str)
def test_with_a_key_or_by_request_everything_is_allowed(
    address: Endpoint, policy: Policy, is_server: bool
) -> None:
    policy.check(address, is_server=is_server)


@pytest.mark.parametrize("is_server", [True, False], ids=["server", "client"])
@pytest.mark.parametrize("address", [*HERE, *ANYWHERE], ids=str)
def test_without_a_key_only_socket_files_are_allowed(address: Endpoint, is_server: bool) -> None:
    if isinstance(address, IpcAddress):
        Policy().check(address, is_server=is_server)
        return
    act = "listen on" if is_server else "connect to"
    with pytest.raises(ConfigError, match=rf"refusing to {act} .* without a key"):
        Policy().check(address, is_server=is_server)


def test_a_policy_follows_from_key_file_and_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "key")
    save_keys(path, make_keys())
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    loopback, elsewhere = Address("localhost", 8930), Address("10.1.2.3", 8930)

    def policy(*addresses: Address, key_file: str = "", **flags: bool) -> Policy:
        return policy_for(*addresses, role=Role.DRIVER, key_file=key_file, **flags)

    assert policy(elsewhere, key_file=path) == policy_as(keys=load_keys(path))
    assert policy(elsewhere, insecure=True) == Policy(insecure=True)
    own = policy_as(keys=user_keys())
    assert policy(loopback) == policy(Address("", 8930)) == own
    with pytest.raises(ConfigError, match=r"refusing to connect to .* without a key"):
        policy(loopback, elsewhere)
    with pytest.raises(ConfigError, match=r"refusing to listen on .* without a key"):
        policy(Address("", 8930), is_server=True)
    with pytest.raises(ConfigError, match=r"key\.no"):
        policy(loopback, key_file=path + ".no")
