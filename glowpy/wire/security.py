"""Keys of a process for connecting and listening, and the addresses that need a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glowpy.errors import ConfigError
from glowpy.record import NamedTuple
from glowpy.wire.address import Endpoint, IpcAddress

if TYPE_CHECKING:
    from glowpy.wire.roles import Role


class KeyPair(NamedTuple):
    """A CURVE key pair; an empty secret half is unknown."""

    public: bytes
    secret: bytes = b""

    def __repr__(self) -> str:
        return f"KeyPair({self.public!r}, ...)"

    def without_secret(self) -> KeyPair:
        return self._replace(secret=b"")


class Policy(NamedTuple):
    """The keys of a process, and the peers that the process accepts.

    With keys, every connection is encrypted and authenticated on both ends. Without keys, only
    socket files are allowed, or everything if `insecure`.
    """

    own: KeyPair | None = None  # of this process, for connections to servers
    server: KeyPair | None = None  # of master and agents; with the secret half in these
    admits: tuple[tuple[bytes, Role], ...] = ()  # public keys of clients
    lease_secrets: tuple[bytes, ...] = ()  # the newest first
    insecure: bool = False

    def __repr__(self) -> str:
        return f"Policy({self.own!r}, {self.server!r}, insecure={self.insecure})"

    @property
    def is_keyless(self) -> bool:
        return self.own is None

    def check(self, address: Endpoint, *, is_server: bool) -> None:
        """Refuse an address that this policy does not allow.

        Raises:
            ConfigError: names the address and the remedy.
        """
        if self.own is not None or self.insecure or isinstance(address, IpcAddress):
            return
        act = "listen on" if is_server else "connect to"
        raise ConfigError(
            f"refusing to {act} {address} without a key: whoever can reach an agent can run "
            "programs on it; make keys with `glowpy keys FILE` and name a key file at every member "
            "(--key-file, -key.file), or stay on loopback (127.0.0.1), where your own key is used"
        )


def policy_of_task(run_key: KeyPair, server_public: bytes) -> Policy:
    """The policy of an executor started by an agent.

    Args:
        run_key: the pair of the run.
        server_public: of the servers of the cluster.
    """
    return Policy(own=run_key, server=KeyPair(server_public))
