"""System calls that Python 3.11 does not wrap, through ctypes; each raises OSError with its name.

Used by the spawner and by each sandbox's pid 1 (`spawner`, `launcher`, `filesystem`, `namespaces`),
which run on the standard library alone. Numbers are of x86_64 and aarch64, the two machines that
Lambda has.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

MACHINE: Final = os.uname().machine

# PyDLL keeps the GIL: a raw clone must not return into a child that has to win it back.
_libc = ctypes.PyDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long

_NUMBERS: Final[dict[str, tuple[int, int]]] = {
    "clone": (56, 220),
    "setns": (308, 268),
    "pivot_root": (155, 41),
    "capset": (126, 91),
    "seccomp": (317, 277),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "mount_setattr": (442, 442),
    "close_range": (436, 436),
}

CLONE_NEWNS: Final = 0x0002_0000
CLONE_NEWCGROUP: Final = 0x0200_0000
CLONE_NEWUTS: Final = 0x0400_0000
CLONE_NEWIPC: Final = 0x0800_0000
CLONE_NEWUSER: Final = 0x1000_0000
CLONE_NEWPID: Final = 0x2000_0000
CLONE_NEWNET: Final = 0x4000_0000
CLONE_PARENT: Final = 0x0000_8000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MS_SLAVE: Final = 1 << 19
MNT_DETACH: Final = 2

ATTR_RDONLY: Final = 1
ATTR_NOSUID: Final = 2
ATTR_NODEV: Final = 4

_AT_FDCWD: Final = -100
_AT_EMPTY_PATH: Final = 0x1000
AT_RECURSIVE: Final = 0x8000
OPEN_TREE_CLONE: Final = 1
_MOVE_MOUNT_F_EMPTY_PATH: Final = 4

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_NAME: Final = 15
PR_CAPBSET_DROP: Final = 24
PR_SET_SECUREBITS: Final = 28
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4


def _raise(what: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")


def _call(name: str, what: str, *arguments: int | bytes | object) -> int:
    number = _NUMBERS[name][MACHINE == "aarch64"]
    passed = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result: int = _syscall(ctypes.c_long(number), *passed)
    if result < 0:
        _raise(what)
    return result


def _path(path: str | bytes | None) -> bytes | None:
    return path if path is None or isinstance(path, bytes) else os.fsencode(path)


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    result = _libc.mount(
        _path(source), _path(target), _path(kind), ctypes.c_ulong(flags), data.encode() or None
    )
    if result != 0:
        _raise(f"mount {kind or source or ''} on {target}")


def unmount(target: str) -> None:
    """Detach a mount now; it goes away when nobody uses it any more."""
    if _libc.umount2(_path(target), MNT_DETACH) != 0:
        _raise(f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    _call("pivot_root", f"pivot_root {new}", _path(new), _path(old))


def open_tree(path: str) -> int:
    """A detached copy of the mounts at `path`, as a descriptor; closing it undoes it."""
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC | AT_RECURSIVE
    return _call("open_tree", f"open_tree {path}", _AT_FDCWD, _path(path), flags)


def move_mount(tree: int, target: str) -> None:
    """Attach what `open_tree` or `fsmount` made."""
    _call("move_mount", f"move_mount to {target}", tree, b"", _AT_FDCWD, _path(target),
          _MOVE_MOUNT_F_EMPTY_PATH)  # fmt: skip


def restrict_mount(tree: int, path: str, attributes: int) -> None:
    """Add attributes (read-only, nosuid, nodev) to every mount below; `tree` alone if no path."""
    wanted = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    flags = AT_RECURSIVE | (0 if path else _AT_EMPTY_PATH)
    _call("mount_setattr", f"mount_setattr {path or tree}", tree, _path(path), flags,
          ctypes.byref(wanted), ctypes.sizeof(wanted))  # fmt: skip


def unshare(flags: int) -> None:
    if _libc.unshare(ctypes.c_int(flags)) != 0:
        _raise("unshare")


def setns(fd: int, kind: int) -> None:
    """Step into the namespace that `fd` names, which must be of `kind` (CLONE_NEW…)."""
    _call("setns", "setns", fd, kind)


def sethostname(name: str) -> None:
    encoded = name.encode()
    if _libc.sethostname(encoded, ctypes.c_size_t(len(encoded))) != 0:
        _raise("sethostname")


def prctl(option: int, value: int = 0, third: int = 0) -> None:
    result = _libc.prctl(
        ctypes.c_int(option), ctypes.c_ulong(value), ctypes.c_ulong(third),
        ctypes.c_ulong(0), ctypes.c_ulong(0),
    )  # fmt: skip
    if result < 0:
        _raise(f"prctl {option}")


def capset(capabilities: int) -> None:
    """Permitted and effective become exactly `capabilities`; inheritable becomes empty."""
    header = (ctypes.c_uint32 * 2)(0x2008_0522, 0)
    low, high = capabilities & 0xFFFF_FFFF, capabilities >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _call("capset", "capset", ctypes.byref(header), ctypes.byref(data))


class Filter(ctypes.Structure):
    """A seccomp program as the kernel takes it; made once, installed by every pid 1."""

    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_char_p)]

    def __init__(self, program: bytes) -> None:
        """`program`: a packed array of `struct sock_filter`."""
        super().__init__(len(program) // 8, program)


def install_filter(program: Filter) -> None:
    """For good, for this process and all that it starts."""
    _call("seccomp", "seccomp", 1, 0, ctypes.byref(program))


def drop_bounding_set(last: int) -> None:
    """No capability up to `last` can be gained by executing anything."""
    zero = ctypes.c_ulong(0)
    option = ctypes.c_int(PR_CAPBSET_DROP)
    for number in range(last + 1):
        if _libc.prctl(option, ctypes.c_ulong(number), zero, zero, zero) != 0:
            _raise(f"drop capability {number}")


def close_range(first: int, last: int) -> None:
    """Close descriptors first … last; on a kernel before 5.9 one by one up to 4,096."""
    try:
        _call("close_range", "close_range", first, last, 0)
    except OSError:
        os.closerange(first, min(last, 4095) + 1)


def clone(flags: int) -> int:
    """Fork into new namespaces; 0 in the child.

    Everything Python does around `os.fork` is done here too. The caller must be single-threaded.
    """
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    try:
        pid = _call("clone", "clone", flags | 17, 0, 0, 0, 0)  # 17: SIGCHLD at its end
    except OSError:
        python.PyOS_AfterFork_Parent()
        raise
    if pid == 0:
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
    return pid


def signalfd(numbers: tuple[int, ...]) -> int:
    """A descriptor that is readable when one of the (already blocked) signals is pending."""
    mask = ctypes.create_string_buffer(128)
    for number in numbers:
        mask[(number - 1) // 8] = (mask.raw[(number - 1) // 8] | 1 << (number - 1) % 8).to_bytes()
    fd: int = _libc.signalfd(ctypes.c_int(-1), mask, ctypes.c_int(os.O_NONBLOCK | os.O_CLOEXEC))
    if fd < 0:
        _raise("signalfd")
    return fd


_title_at: tuple[int, int] | None = None


def set_title(title: str) -> None:
    """What `ps` and `/proc/PID/cmdline` show, which is readable even inside the sandbox."""
    encoded = title.encode()
    _libc.prctl(ctypes.c_int(PR_SET_NAME), ctypes.create_string_buffer(encoded[:15]), 0, 0, 0)
    start, end = _argument_memory()
    if end - start > len(encoded):
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, encoded, len(encoded))


def _argument_memory() -> tuple[int, int]:
    """Where the kernel put the command line; the same in every fork."""
    global _title_at  # noqa: PLW0603  read once, by the spawner
    if _title_at is None:
        _title_at = _read_argument_memory()
    return _title_at


def _read_argument_memory() -> tuple[int, int]:
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123  pathlib is an import that every fork would carry
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[45]), int(fields[46])  # arg_start, arg_end; field 3 is at index 0
