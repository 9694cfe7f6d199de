"""Where a server stands, and how far two of them are apart."""

from __future__ import annotations

from glowpy.record import NamedTuple

SAME_SERVER = 1
SAME_RACK = 10
SAME_DATA_CENTER = 100
BEYOND = 1000


class Place(NamedTuple):
    """A rack is a rack of its data centre, and a server one of its rack, whatever else is named so.

    The empty place is nowhere: a server that is in no data centre known.
    """

    data_center: str = ""
    rack: str = ""
    host: str = ""

    def distance(self, other: Place) -> int:
        """As Glow's market weighs it. Go: resource/resource.go

        >>> Place("east", "r1", "h1").distance(Place("east", "r2", "h1"))
        100
        """
        if self.data_center != other.data_center:
            return BEYOND
        if self.rack != other.rack:
            return SAME_DATA_CENTER
        return SAME_SERVER if self.host == other.host else SAME_RACK
