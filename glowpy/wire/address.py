"""The listening address of a server: host and port, or a socket file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from glowpy.errors import ConfigError
from glowpy.record import NamedTuple

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

_IPC = "ipc://"
_DRIVER = "driver@"  # prefix: the server of a driver, which listens with the key of the run
_NAME = re.compile(r"[\w.*-]*")  # of a host or an interface, or an IPv4 address


class Address(NamedTuple):
    """A TCP address. An empty host means every interface."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class IpcAddress(NamedTuple):
    """A socket file on this host; its directory's permissions guard it."""

    path: str

    def __str__(self) -> str:
        return _IPC + self.path


Endpoint: TypeAlias = Address | IpcAddress


def parse_address(text: str, default_port: int | None = None) -> Address:
    """Read `host:port`, `:port`, `[::1]:port` or, with a default port, `host`.

    Raises:
        ConfigError: says what is wrong with the text.
    """
    host, colon, port = text.rpartition(":")
    if text.startswith("[") and text.endswith("]"):
        host, colon, port = text, "", ""
    elif not colon:
        host = text
    if not colon and default_port is None:
        raise ConfigError(f"address {text!r} has no port; write host:port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if not _is_ipv6(host):
            raise ConfigError(f"address {text!r}: {host!r} is not an IPv6 address")
    elif ":" in host:
        raise ConfigError(f"address {text!r} has several colons; write [IPv6 address]:port")
    elif not _NAME.fullmatch(host):
        raise ConfigError(f"address {text!r} is not host:port")
    if not colon:
        assert default_port is not None
        return Address(host, default_port)
    if not (re.fullmatch("[0-9]{1,5}", port) and int(port) <= 65535):
        raise ConfigError(f"address {text!r}: {port!r} is not a port (0 to 65535)")
    return Address(host, int(port))


def of_driver(address: Address) -> str:
    """Return the address of a driver's own server, as owner of shards and of programs."""
    return f"{_DRIVER}{address}"


def is_of_driver(owner: str) -> bool:
    """Return True if the server at an owner's address listens with the key of the run."""
    return owner.startswith(_DRIVER)


def parse_endpoint(text: str) -> Endpoint:
    """Read an address, that of a driver's server, or an `ipc://path`. Raises: ConfigError."""
    text = text.removeprefix(_DRIVER)
    if not text.startswith(_IPC):
        return parse_address(text)
    path = text[len(_IPC) :]
    # For ZeroMQ, a path with these beginnings is no file, so no directory's permissions guard it;
    # ZeroMQ cuts a path at a null byte, and takes no lone surrogates.
    if path[:1] in ("", "*", "@") or "\0" in path or not _is_utf8(path):
        raise ConfigError(f"address {text!r} names no socket file")
    return IpcAddress(path)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def is_place(owner: str) -> bool:
    """Return True for an address that means something to a user, unlike a run's socket file."""
    return bool(owner) and not owner.startswith(_IPC)


def _is_ipv6(host: str) -> bool:
    address = _ip_address(host)
    return address is not None and address.version == 6


def is_loopback(host: str) -> bool:
    """True for localhost, 127.0.0.0/8 and ::1."""
    address = _ip_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _ip_address(host: str) -> IPv4Address | IPv6Address | None:
    from ipaddress import ip_address  # not needed by runs on one machine

    try:
        return ip_address(host)
    except ValueError:
        return None
