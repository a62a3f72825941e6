"""Netlink in a hundred lines: messages, attributes, acknowledgements, namespaces.

`links` (interfaces, addresses, routes) and `nftables` speak it. pyroute2 would do the same for
0.8 s of import and an event loop per socket; we need nine messages. Facts: netlink(7), rtnetlink(7).
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
EXCL, CREATE, APPEND = 0x200, 0x400, 0x800
ERROR, DONE = 2, 3
HEADER = struct.Struct("=IHHII")
NESTED = 0x8000
CLONE_NEWNET = 0x4000_0000
TIMEOUT_S = 10.0

_libc = ctypes.CDLL(None, use_errno=True)


def attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + bytes(-length % 4)


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    """A 32-bit number in host order, as rtnetlink has them."""
    return attribute(kind, struct.pack("=I", value))


def nested(kind: int, *parts: bytes) -> bytes:
    return attribute(kind | NESTED, b"".join(parts))


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3FFF, data[4:length]
        data = data[(length + 3) & ~3 :]


class Netlink:
    """One socket; used by one thread at a time. It belongs to the namespace it was opened in."""

    def __init__(self, protocol: int) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, protocol)
        self._socket.settimeout(TIMEOUT_S)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def message(self, kind: int, flags: int, payload: bytes) -> bytes:
        self._sequence += 1
        length = HEADER.size + len(payload)
        return HEADER.pack(length, kind, flags | REQUEST, self._sequence, 0) + payload

    def request(self, kind: int, flags: int, payload: bytes) -> None:
        """Send one message and wait for its acknowledgement; OSError says what the kernel said."""
        self._socket.send(self.message(kind, flags | ACK, payload))
        self._answers(self._sequence, until_ack=True)

    def dump(self, kind: int, payload: bytes) -> list[bytes]:
        """The payloads of all answers to a dump request."""
        self._socket.send(self.message(kind, DUMP, payload))
        return self._answers(self._sequence)

    def transaction(self, messages: list[bytes]) -> None:
        """Send messages at once and wait for the acknowledgement that the last of them to ask gets."""
        asking = [m for m in messages if HEADER.unpack_from(m)[2] & ACK]
        self._socket.send(b"".join(messages))
        self._answers(HEADER.unpack_from(asking[-1])[3], until_ack=True)

    def _answers(self, sequence: int, *, until_ack: bool = False) -> list[bytes]:
        found: list[bytes] = []
        while True:
            data = self._socket.recv(1 << 17)
            while data:
                length, kind, _, answered, _ = HEADER.unpack_from(data)
                payload, data = data[HEADER.size : length], data[(length + 3) & ~3 :]
                if kind == ERROR:
                    code = -struct.unpack_from("=i", payload)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    if until_ack and answered == sequence:
                        return found
                elif kind == DONE:
                    return found
                elif answered == sequence:
                    found.append(payload)


def set_namespace(fd: int) -> None:
    """Move the calling thread, and no other, into a network namespace."""
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


@contextmanager
def inside(namespace_fd: int) -> Iterator[None]:
    """Run the block in another network namespace; sockets opened there stay in it."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        set_namespace(namespace_fd)
        try:
            yield
        finally:
            set_namespace(home)
    finally:
        os.close(home)


def is_missing(error: OSError) -> bool:
    """Whether the kernel said that what was named does not exist."""
    return error.errno in {errno.ENODEV, errno.ENOENT, errno.ESRCH}
