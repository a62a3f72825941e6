"""Messages between the server, the spawner and each sandbox's pid 1.

One message is one datagram of a Unix SEQPACKET socket: a kind, then length-prefixed fields, with
descriptors beside it. Nothing in it is ever evaluated or unpickled, so a broken pid 1 can at worst
send nonsense. Standard library without `socket` (its enums would be carried by every fork).
"""

from __future__ import annotations

import _socket
import array
import struct
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

MESSAGE_BYTES: Final = 64 * 1024
"""A message is smaller than this: environment and arguments of a function fit many times over."""
MAX_FDS: Final = 64
_LENGTH: Final = struct.Struct("<I")
_CREDENTIALS: Final = struct.Struct("iII")
MSG_CMSG_CLOEXEC: Final = 0x4000_0000

# What a sandbox is for, in CREATE.
PLAIN: Final = 0
TEMPLATE: Final = 1
NEST: Final = 2
"""No place, but what makes the places of a template's forks."""
# Server → spawner, or nest.
CREATE: Final = 1
END: Final = 2
# Spawner or nest → server.
UP: Final = 3
CREATED: Final = 4
REFUSED: Final = 5
GONE: Final = 6
# Server → pid 1.
START: Final = 10
KILL: Final = 11
TERMINATE: Final = 12
OPEN: Final = 13
# pid 1 → server.
READY: Final = 20
FAILED: Final = 21
STARTED: Final = 22
EXITED: Final = 23
KILLED: Final = 24
ORPHANED: Final = 25
"""Something that pid 1 did not start itself has ended here: its pid inside, its status."""
OPENED: Final = 26
STEP_FAILED: Final = 27
"""A step of `steps` failed: `steps.FAILURE`."""


class Message(NamedTuple):
    kind: int
    """0: the other side is gone."""
    fields: list[bytes]
    fds: list[int]
    pid: int
    """The sender, as the kernel knows it in the receiver's pid namespace; 0 unless asked for."""


def join(items: Iterable[bytes]) -> bytes:
    parts: list[bytes] = []
    for item in items:
        parts += (_LENGTH.pack(len(item)), item)
    return b"".join(parts)


def split(data: bytes) -> list[bytes]:
    items, at = [], 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += 4
        items.append(data[at : at + length])
        at += length
    return items


def encode(kind: int, *fields: bytes | int) -> bytes:
    texts = (b"%d" % field if isinstance(field, int) else field for field in fields)
    return bytes((kind,)) + join(texts)


def reason(error: OSError) -> bytes:
    """What failed and why, without Python's decoration."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}".encode(errors="replace")


def send(sock: _socket.socket, data: bytes, fds: Sequence[int] = ()) -> None:
    rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([data], rights)


def receive(sock: _socket.socket) -> Message:
    """The next message; kind 0 when the other side is gone. Raises BlockingIOError like recvmsg."""
    room = _socket.CMSG_SPACE(MAX_FDS * 4) + _socket.CMSG_SPACE(_CREDENTIALS.size)
    try:
        data, extras, _, _ = sock.recvmsg(MESSAGE_BYTES, room, MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return Message(0, [], [], 0)
    fds: list[int] = []
    pid = 0
    for _level, kind, content in extras:
        if kind == _socket.SCM_RIGHTS:
            usable = len(content) - len(content) % 4
            fds += array.array("i", content[:usable])
        elif kind == _socket.SCM_CREDENTIALS:
            pid = _CREDENTIALS.unpack(content)[0]
    if not data:
        return Message(0, [], fds, pid)
    return Message(data[0], split(data[1:]), fds, pid)
