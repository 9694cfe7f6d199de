"""Holds back new connections of a listening socket without ending accepted connections.

`zmq_unbind` would end the accepted connections, too. A filter of the system (SO_ATTACH_FILTER,
socket(7)) drops the first packets of new connections instead, and clients repeat these packets.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_DROP = struct.pack("HBBI", 0x06, 0, 0, 0)  # BPF_RET | BPF_K: no byte of the packet passes


class ListeningSocket:
    """The listening socket of a ZeroMQ server, by descriptor. libzmq stays the owner."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # libzmq calls accept() after epoll; `refuse_one` may have accepted in between.
        os.set_blocking(descriptor, False)

    def hold_back(self) -> None:
        """Drop the packets of new connections.

        Raises:
            OSError: the system has no filters.
        """
        program = ctypes.create_string_buffer(_DROP, len(_DROP))
        with self._borrowed() as listener:
            listener.setsockopt(
                socket.SOL_SOCKET,
                _SO_ATTACH_FILTER,
                struct.pack("HP", 1, ctypes.addressof(program)),
            )

    def let_in(self) -> None:
        """Stop dropping packets."""
        with self._borrowed() as listener, suppress(OSError):  # no filter is attached
            listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)

    def refuse_one(self) -> bool:
        """Accept and close a connection of the queue. False: the queue is empty.

        Raises:
            OSError: this process may open no more files.
        """
        with self._borrowed() as listener:
            try:
                connection, _address = listener.accept()
            except BlockingIOError:
                return False
        connection.close()
        return True

    @contextmanager
    def _borrowed(self) -> Iterator[socket.socket]:
        listener = socket.socket(fileno=self._descriptor)
        try:
            yield listener
        finally:
            listener.detach()
