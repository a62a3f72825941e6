"""Users, capabilities and network of a sandbox: the steps that give a pid 1 its place and no power.

`launcher` runs them in order. As root each function (owner) has two host ids of its own: one for
pid 1, which is id 0 inside, and one for the function; without root both are the server's own user.
Facts: user_namespaces(7), capabilities(7), credentials(7).
"""

from __future__ import annotations

import _socket
import os
import struct
from typing import Final, NamedTuple

from lambent.sandbox import kernel

USER: Final = "sbx_user1051"
UID: Final = 993
GID: Final = 990
"""What a function sees on Lambda."""
HOSTNAME: Final = "169-254-76-1"

FIRST_HOST_ID: Final = 1_900_000_000
"""Host ids of functions: above those of people, of systemd and of container tools."""
MOST_OWNERS: Final = 50_000_000
LEAST_IDS: Final = 1000

ALONE: Final = (
    kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS | kernel.CLONE_NEWNET
)  # fmt: skip

SPACES: Final = (
    ("user", kernel.CLONE_NEWUSER), ("pid", kernel.CLONE_NEWPID), ("mnt", kernel.CLONE_NEWNS),
    ("ipc", kernel.CLONE_NEWIPC), ("uts", kernel.CLONE_NEWUTS), ("net", kernel.CLONE_NEWNET),
)  # fmt: skip
"""Names in /proc/PID/ns; the user namespace first, whose powers open the others."""

CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN = 5, 6, 7, 21
# noroot, no_setuid_fixup locked off, keep_caps locked off, no_cap_ambient_raise; each locked.
SECUREBITS: Final = 0b1110_1011
SIOCSIFFLAGS: Final = 0x8914
IFF_UP: Final = 1


class Ids(NamedTuple):
    """The id maps of one sandbox and who pid 1 is in it."""

    uid_map: bytes
    gid_map: bytes
    pid1_uid: int
    pid1_gid: int


def ids_of_pair(pid1: int) -> Ids:
    """As root: the host ids `pid1` and, for the function, the one after it."""
    function = pid1 + 1
    return Ids(
        b"0 %d 1\n%d %d 1\n" % (pid1, UID, function),
        b"0 %d 1\n%d %d 1\n" % (pid1, GID, function),
        0,
        0,
    )


def ids_of_user(uid: int, gid: int) -> Ids:
    """Without root: everything is the server's own user."""
    return Ids(b"%d %d 1\n" % (UID, uid), b"%d %d 1\n" % (GID, gid), UID, GID)


def ids_of_fork(pair: Ids) -> Ids:
    """Within a template's user namespace: the same ids as there."""
    if pair.pid1_uid:
        return Ids(b"%d %d 1\n" % (UID, UID), b"%d %d 1\n" % (GID, GID), UID, GID)
    return Ids(b"0 0 1\n%d %d 1\n" % (UID, UID), b"0 0 1\n%d %d 1\n" % (GID, GID), 0, 0)


def own(*, network: bool) -> list[int]:
    """Our namespaces, opened, in the order of `SPACES`; the network's only if it is our own."""
    names = SPACES if network else SPACES[:-1]
    return [os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name, _ in names]


def host_ids() -> tuple[int, int] | None:
    """(first, count) of the host ids that functions can have; None where they cannot.

    That takes root, of the machine or of a container with ids to give away. Root of a container
    without is served like an ordinary user.
    """
    needed = (1 << CAP_SETUID) | (1 << CAP_SETGID) | (1 << CAP_SYS_ADMIN)
    if os.geteuid() != 0 or _effective_capabilities() & needed != needed:
        return None
    mapped = min(_mapped("uid_map"), _mapped("gid_map"))
    if mapped > FIRST_HOST_ID + 2 * MOST_OWNERS:
        return FIRST_HOST_ID, 2 * MOST_OWNERS
    # The upper half of a container's ids; its people and services are in the lower.
    return (mapped // 2, mapped // 2) if mapped >= LEAST_IDS else None


def _effective_capabilities() -> int:
    for line in _read("/proc/self/status").splitlines():
        if line.startswith(b"CapEff:"):
            return int(line[7:], 16)
    return 0


def _mapped(name: str) -> int:
    """How many ids from 0 on exist in our own user namespace."""
    end = 0
    for line in _read(f"/proc/self/{name}").splitlines():
        first, _, count = (int(word) for word in line.split())
        if first == end:
            end += count
    return end


def write_maps(pid: int | str, ids: Ids, *, by_root: bool) -> None:
    """Name the ids of a new user namespace; called from outside it (or by `self` for itself)."""
    for name, content in map_files(ids, by_root=by_root):
        write(f"/proc/{pid}/{name}", content)


def map_files(ids: Ids, *, by_root: bool) -> list[tuple[str, bytes]]:
    """What is to be written where, in this order, below /proc/PID."""
    maps = [("uid_map", ids.uid_map), ("gid_map", ids.gid_map)]
    # The kernel wants the right to change groups given up before an unprivileged gid map.
    return maps if by_root else [("setgroups", b"deny"), *maps]


def become(uid: int, gid: int, *, by_root: bool) -> None:
    if by_root:
        os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def loopback_request() -> bytes:
    """What SIOCSIFFLAGS takes."""
    return struct.pack("16sH14x", b"lo", IFF_UP)


def loopback_up() -> None:
    import fcntl  # a C module of a few pages; only sandboxes with a network of their own need it

    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        fcntl.ioctl(sock.fileno(), SIOCSIFFLAGS, loopback_request())
    finally:
        sock.close()


BACKLOG: Final = 128


def listen(port: int, backlog: int = BACKLOG) -> _socket.socket:
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(backlog)
    return sock


def open_socket(udp: bool, port: int) -> _socket.socket:  # noqa: FBT001  one of two kinds
    """A UDP socket that listens on a port of the loopback; or a TCP one, not connected yet."""
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM if udp else _socket.SOCK_STREAM)
    if udp:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            sock.close()
            raise
    return sock


def renounce(keep: int) -> None:
    """No capability but `keep`, none to be gained again by anything that is executed."""
    kernel.drop_bounding_set(last_capability())
    kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL)
    kernel.prctl(kernel.PR_SET_SECUREBITS, SECUREBITS)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.capset(keep)


_last_capability: int | None = None


def last_capability() -> int:
    """The highest capability that the kernel knows; read once, before the root changes."""
    global _last_capability  # noqa: PLW0603  read by the spawner, inherited by every pid 1
    if _last_capability is None:
        _last_capability = int(_read("/proc/sys/kernel/cap_last_cap"))
    return _last_capability


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123  pathlib is an import that every fork would carry
        return file.read()


def write(path: str, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, content)
    finally:
        os.close(fd)
