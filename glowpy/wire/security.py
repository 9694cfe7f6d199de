"""Who may talk to whom: the cluster's key, and what is refused without one."""

from __future__ import annotations

import os
import stat

from glowpy.environment import KEY_FILE_VARIABLE
from glowpy.errors import ConfigError
from glowpy.record import NamedTuple
from glowpy.wire.address import Address, Endpoint, IpcAddress, is_loopback

_KEY_CHARACTERS = 40  # a CURVE key in Z85


class ClusterKey(NamedTuple):
    """The CURVE key pair that all members of a cluster share."""

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"ClusterKey({self.public!r}, ...)"


class Policy(NamedTuple):
    """With a key, every connection is encrypted and peers without that key are refused.

    Without a key, only socket files are allowed, or everything if `insecure`.
    """

    key: ClusterKey | None = None
    insecure: bool = False

    def check(self, address: Endpoint, *, is_server: bool) -> None:
        """Refuse an address that this policy does not allow.

        Raises:
            ConfigError: names the address and the remedy.
        """
        if self.key is not None or self.insecure or isinstance(address, IpcAddress):
            return
        act = "listen on" if is_server else "connect to"
        raise ConfigError(
            f"refusing to {act} {address} without a key: whoever can reach an agent can run "
            "programs on it; make a key with `glowpy keys FILE` and give it to every member "
            "(--key-file, -key.file), or stay on loopback (127.0.0.1), where your own key is used"
        )


def save_key(path: str, key: ClusterKey) -> None:
    """Write a new key file that only this user can read.

    Raises:
        ConfigError: the file exists already or cannot be written.
    """
    text = b"glowpy cluster key\npublic " + key.public + b"\nsecret " + key.secret + b"\n"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
        except OSError:
            os.unlink(path)  # half a key is none
            raise
    except FileExistsError as exc:
        raise ConfigError(
            f"cannot make key file {path}: File exists; a cluster may need it, so name another"
        ) from exc
    except OSError as exc:
        raise ConfigError(f"cannot make key file {path}: {exc.strerror}") from exc


def load_key(path: str) -> ClusterKey:
    """Read a key file.

    Raises:
        ConfigError: it cannot be read, others can read it too, or it is no key file.
    """
    try:
        # What is no file at all, such as a pipe, must not keep us waiting.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            data = os.read(descriptor, 1024) if stat.S_ISREG(status.st_mode) else b""
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise ConfigError(f"cannot read key file {path}: {exc.strerror}") from exc
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise ConfigError(
            f"key file {path} must belong to you and be readable by you only: chmod 600 {path}"
        )
    lines = data.split(b"\n")
    public, secret = (line.partition(b" ")[2] for line in (*lines, b"", b"", b"")[1:3])
    if lines[0] != b"glowpy cluster key" or not len(public) == len(secret) == _KEY_CHARACTERS:
        raise ConfigError(f"{path} is not a key file; make one with `glowpy keys FILE`")
    return ClusterKey(public, secret)


def policy_of(key_file: str) -> Policy:
    """The policy of a key file. Raises: ConfigError."""
    from glowpy.paths import expand_path

    try:
        path = expand_path(key_file)
    except ValueError as exc:
        raise ConfigError(f"cannot read key file {key_file}: {exc}") from exc
    return Policy(load_key(path))


def policy_for(
    *addresses: Address, key_file: str = "", insecure: bool = False, is_server: bool = False
) -> Policy:
    """The policy of a process that listens on or connects to these addresses.

    Args:
        key_file: the cluster's key; if empty, the user's own key where all addresses are loopback.
        insecure: use no key if none is named.

    Raises:
        ConfigError: the key cannot be used, or an address beyond loopback needs one.
    """
    if key_file:
        return policy_of(key_file)
    policy = Policy(None, insecure)
    if insecure:
        return policy
    for address in addresses:
        if not is_loopback(address.host or ("" if is_server else "localhost")):
            policy.check(address, is_server=is_server)
    from glowpy.wire.user_key import user_key

    return Policy(user_key())


def policy_from_environment() -> Policy:
    """The policy of a process that an agent has started. Raises: ConfigError."""
    key_file = os.environ.get(KEY_FILE_VARIABLE, "")
    return policy_of(key_file) if key_file else Policy(insecure=True)
