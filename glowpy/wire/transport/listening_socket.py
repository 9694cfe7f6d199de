"""Holding back new connections of a listening socket, while the accepted ones go on.

`zmq_unbind` would end the accepted connections, too. Instead, a filter of the system
(SO_ATTACH_FILTER, socket(7)) drops the first packets of new connections, whose clients repeat them.
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
    """The listening socket of a ZeroMQ server, by its descriptor, which stays libzmq's."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # libzmq accepts after epoll has said so; another may have accepted in between.
        os.set_blocking(descriptor, False)

    def hold_back(self) -> None:
        """Let no further connection come about.

        Raises:
            OSError: this system has no such filters.
        """
        program = ctypes.create_string_buffer(_DROP, len(_DROP))
        with self._borrowed() as listener:
            listener.setsockopt(
                socket.SOL_SOCKET,
                _SO_ATTACH_FILTER,
                struct.pack("HP", 1, ctypes.addressof(program)),
            )

    def let_in(self) -> None:
        """Let connections come about again."""
        with self._borrowed() as listener, suppress(OSError):  # there is no filter
            listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)

    def refuse_one(self) -> bool:
        """Close one of the connections that wait to be accepted. False: there is none.

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
