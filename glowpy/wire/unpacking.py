"""Unpacks msgpack from the network within a bound on memory."""

from __future__ import annotations

from typing import Any

import msgpack

from glowpy.errors import ProtocolError
from glowpy.wire.frame_bounds import MAX_FRAME_BYTES

MOST_ITEMS = 700_000  # values in a message: enough for 100,000 blocks; about 50 MB as objects
_MOST_PAIRS = 10_000  # entries of a map; the only map is the environment of a run
_UNCHECKED_BYTES = 4096  # messages up to this size are unpacked without the checks
_UNCOUNTED_BYTES = 64 << 10  # values of messages up to this size are not counted
_NAME_BYTES = 64  # from the start of a message, enough for the name
# Python strings may contain lone surrogates, as in file names and printed text; sent unchanged.
SURROGATES = "surrogatepass"


def name_in(data: bytes | memoryview) -> str:
    """Return the name at the beginning of an encoded message; empty if there is none."""
    reader = msgpack.Unpacker()
    reader.feed(data[:_NAME_BYTES])
    try:
        reader.read_array_header()
        name = reader.unpack()
    except Exception:  # noqa: BLE001  # `decode` reports invalid bytes
        return ""
    return name if type(name) is str else ""


def unpack(data: bytes | memoryview) -> Any:
    """Return the values of a message. Needs at most about 50 MB more memory than the message.

    Raises:
        ProtocolError: too many values, more than one map, or an extension type.
        Exception: the bytes are not msgpack (errors of msgpack).
    """
    if len(data) <= _UNCHECKED_BYTES:
        return msgpack.unpackb(data, raw=False, use_list=False, unicode_errors=SURROGATES)
    # A header may declare more values than the message contains, and msgpack allocates memory for
    # the declared number. `skip` raises for such a message without that memory.
    checker = msgpack.Unpacker(max_buffer_size=MAX_FRAME_BYTES)
    checker.feed(data)
    checker.skip()
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
        list_hook=count_items if len(data) > _UNCOUNTED_BYTES else None,
        object_pairs_hook=count_maps,
        ext_hook=_refuse_extension,
        max_array_len=MOST_ITEMS,
        max_map_len=_MOST_PAIRS,
        max_str_len=len(data),
        max_bin_len=len(data),
        max_ext_len=0,
    )


def _refuse_extension(_code: int, _data: bytes) -> Any:
    raise ProtocolError("a message has a value of a msgpack extension type")
