"""The location of a server, and the distance between two servers."""

from __future__ import annotations

from glowpy.record import NamedTuple

SAME_SERVER = 1
SAME_RACK = 10
SAME_DATA_CENTER = 100
BEYOND = 1000


class Place(NamedTuple):
    """A data center, a rack in it and a host in the rack; equal names elsewhere do not match.

    The empty place belongs to servers without a known data center.
    """

    data_center: str = ""
    rack: str = ""
    host: str = ""

    def distance(self, other: Place) -> int:
        """Return the distance in the weights of Glow's market. Go: resource/resource.go

        >>> Place("east", "r1", "h1").distance(Place("east", "r2", "h1"))
        100
        """
        if self.data_center != other.data_center:
            return BEYOND
        if self.rack != other.rack:
            return SAME_DATA_CENTER
        return SAME_SERVER if self.host == other.host else SAME_RACK
