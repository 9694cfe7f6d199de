"""Reading the key file of a running server again."""

from __future__ import annotations

from collections.abc import Callable

from glowpy.errors import ConfigError
from glowpy.logger import get_logger
from glowpy.record import NamedTuple
from glowpy.wire.security import Policy

log = get_logger(__name__)


class KeySource(NamedTuple):
    """Present keys of a running server."""

    changed: int  # descriptor, readable while a request to read the keys again is open
    read: Callable[[], Policy]
    clear: Callable[[], None]  # ends the request


def take_keys(source: KeySource, use: Callable[[Policy], None]) -> None:
    """Pass the present keys to a server; after a fault the former keys stay in use."""
    source.clear()
    try:
        use(source.read())
    except ConfigError as exc:
        log.error("the former keys stay in use: %s", exc)
    else:
        log.info("the key file has been read again")
