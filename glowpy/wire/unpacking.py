"""Unpacks msgpack from the network within a bound on memory."""

from __future__ import annotations

from typing import Any

import msgpack

from glowpy.errors import ProtocolError
from glowpy.wire.frame_bounds import MAX_FRAME_BYTES

MOST_ITEMS = 700_000  # values in one message: 100,000 blocks, about 50 MB
_MOST_PAIRS = 10_000  # of a map, variables of an environment
_SMALL_BYTES = 4096
_LARGE_BYTES = 64 << 10
_NAME_BYTES = 64  # from the start of a message, enough for the name
# Strings of Python may hold lone surrogates (file names, what a task prints): all travel unchanged.
SURROGATES = "surrogatepass"


def name_in(data: bytes | memoryview) -> str:
    """The name at the beginning of an encoded message; empty without a name."""
    reader = msgpack.Unpacker()
    reader.feed(data[:_NAME_BYTES])
    try:
        reader.read_array_header()
        name = reader.unpack()
    except Exception:  # noqa: BLE001  # decoding says what is wrong
        return ""
    return name if type(name) is str else ""


def unpack(data: bytes | memoryview) -> Any:
    """The values of a message. The cost is at most about 50 MB beyond the size of the message.

    Raises:
        ProtocolError: too many values, or a type without use in messages.
        Exception: of msgpack.
    """
    if len(data) <= _SMALL_BYTES:
        return msgpack.unpackb(data, raw=False, use_list=False, unicode_errors=SURROGATES)
    # Nested headers can announce more values than follow, and msgpack allocates memory for each
    # header. A first pass without allocations finds such headers.
    glance = msgpack.Unpacker(max_buffer_size=MAX_FRAME_BYTES)
    glance.feed(data)
    glance.skip()
    items_left = MOST_ITEMS
    maps_left = 1  # the environment in OpenRun

    def count_items(items: Any) -> Any:
        nonlocal items_left
        items_left -= len(items)
        if items_left < 0:
            raise ProtocolError(f"a message has more than {MOST_ITEMS} values")
        return items

    def count_maps(pairs: Any) -> dict[Any, Any]:
        nonlocal maps_left
        maps_left -= 1
        if maps_left < 0:
            raise ProtocolError("a message has more than one map")
        return dict(pairs)

    return msgpack.unpackb(
        data,
        raw=False,
        use_list=False,
        unicode_errors=SURROGATES,
        list_hook=count_items if len(data) > _LARGE_BYTES else None,
        object_pairs_hook=count_maps,
        ext_hook=_refuse_extension,
        max_array_len=MOST_ITEMS,
        max_map_len=_MOST_PAIRS,
        max_str_len=len(data),
        max_bin_len=len(data),
        max_ext_len=0,
    )


def _refuse_extension(_code: int, _data: bytes) -> Any:
    raise ProtocolError("a message has a value of an unknown type")
