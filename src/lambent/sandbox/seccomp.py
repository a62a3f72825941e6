"""The seccomp filter of every sandbox, as a BPF program built for this machine.

Pid 1 installs it on itself before it starts anything, so it holds for all code of a function. It
takes away what could reach the kernel's rarely used parts or another namespace; what remains is
what programs use every day. Refused calls fail as without the privilege (EPERM), or as on an older
kernel where callers then fall back (ENOSYS); code of a foreign architecture is killed. Facts:
seccomp(2), Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from lambent.sandbox.kernel import MACHINE

EPERM: Final = 1
ENOSYS: Final = 38
EAFNOSUPPORT: Final = 97

ABSENT: Final = -1
NUMBERS: Final[dict[str, tuple[int, int]]] = {
    # Mounts and roots.
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "open_tree_attr": (467, 467),
    "statmount": (457, 457), "listmount": (458, 458),
    # Namespaces.
    "setns": (308, 268), "unshare": (272, 97), "clone": (56, 220), "clone3": (435, 435),
    # Other processes' memory and descriptors.
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "pidfd_getfd": (438, 438), "kcmp": (312, 272),
    # Keyrings are not namespaced.
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    # Programs for the kernel, and what most of its local exploits of recent years began with.
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "fanotify_init": (300, 262), "modify_ldt": (154, ABSENT),
    # Files by handle bypass the root.
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    # The machine itself.
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "swapon": (167, 224), "swapoff": (168, 225),
    "reboot": (169, 142), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "create_module": (174, ABSENT), "query_module": (178, ABSENT),
    "get_kernel_syms": (177, ABSENT), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "adjtimex": (159, 171), "acct": (163, 89), "syslog": (103, 116),
    "sethostname": (170, 161), "setdomainname": (171, 162), "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42), "vhangup": (153, 58), "move_pages": (279, 239),
    "migrate_pages": (256, 238), "iopl": (172, ABSENT), "ioperm": (173, ABSENT),
    "uselib": (134, ABSENT), "ustat": (136, ABSENT), "sysfs": (139, ABSENT),
    "_sysctl": (156, ABSENT), "vserver": (236, ABSENT),
    # Judged by their arguments.
    "personality": (135, 92), "socket": (41, 198), "ioctl": (16, 29), "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119), "sched_setparam": (142, 118),
    "sched_setattr": (314, 274), "ioprio_set": (251, 30), "setpriority": (141, 140),
}  # fmt: skip
"""Name → number on x86_64 and on aarch64."""

BY_ARGUMENT: Final = frozenset({
    "unshare", "clone", "clone3", "personality", "socket", "ioctl", "prlimit64",
    "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr", "ioprio_set",
    "setpriority",
})  # fmt: skip
REFUSED: Final = tuple(name for name in NUMBERS if name not in BY_ARGUMENT)

# NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET; NEWTIME shares its bit with a signal
# number in clone, and exists in unshare only.
NEW_NAMESPACES: Final = 0x7E02_0000
NEW_TIME: Final = 0x80
TIOCSTI: Final = 0x5412
TIOCLINUX: Final = 0x541C
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
NETLINK_ROUTE: Final = 0

_LOAD, _JUMP, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = (
    0x20, 0x05, 0x15, 0x35, 0x45, 0x06,
)  # fmt: skip
_ALLOW, _KILL, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_AUDIT_ARCH: Final = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_X32: Final = 0x4000_0000

LEAF: Final = 3
FARTHEST: Final = 255
"""How far a conditional jump reaches."""

Step = tuple[int, int, int, int]


def _argument(index: int) -> Step:
    """Load the low half of an argument; both machines are little-endian."""
    return (_LOAD, 0, 0, 16 + 8 * index)


def _errno(number: int) -> Step:
    return (_RETURN, 0, 0, _ERRNO | number)


def _refuse_equal(index: int, *values: int) -> list[Step]:
    """EPERM if an argument has one of the values."""
    tests = [(_JUMP_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [_argument(index), *tests, (_RETURN, 0, 0, _ALLOW), _errno(EPERM)]


def _refuse_bits(bits: int) -> list[Step]:
    return [
        _argument(0),
        (_JUMP_ANY_BIT, 0, 1, bits),
        _errno(EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _socket() -> list[Step]:
    """IP, Unix and routing netlink (getaddrinfo asks it) only.

    Others are not bound to the network namespace (vsock reaches the hypervisor), or are large
    parts of the kernel that a function has no use for (packet, alg, xdp, …).
    """
    return [
        _argument(0),
        (_JUMP_EQUAL, 6, 0, AF_UNIX),
        (_JUMP_EQUAL, 5, 0, AF_INET),
        (_JUMP_EQUAL, 4, 0, AF_INET6),
        (_JUMP_EQUAL, 0, 2, AF_NETLINK),
        _argument(2),
        (_JUMP_EQUAL, 1, 0, NETLINK_ROUTE),
        _errno(EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _personality() -> list[Step]:
    """Only the default and the question which one holds."""
    return [
        _argument(0),
        (_JUMP_EQUAL, 2, 0, 0),
        (_JUMP_EQUAL, 1, 0, 0xFFFF_FFFF),
        _errno(EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]


_JUDGED: Final[dict[str, list[Step]]] = {
    "clone3": [_errno(ENOSYS)],  # its flags are in memory that a filter cannot read
    "clone": _refuse_bits(NEW_NAMESPACES),
    "unshare": _refuse_bits(NEW_NAMESPACES | NEW_TIME),
    "personality": _personality(),
    "socket": _socket(),
    "ioctl": _refuse_equal(1, TIOCSTI, TIOCLINUX),
    # Without root, pid 1 has the function's own uid: its limits and scheduling stay its own.
    "prlimit64": _refuse_equal(0, 1),
    "sched_setaffinity": _refuse_equal(0, 1),
    "sched_setscheduler": _refuse_equal(0, 1),
    "sched_setparam": _refuse_equal(0, 1),
    "sched_setattr": _refuse_equal(0, 1),
    "ioprio_set": _refuse_equal(1, 1),
    "setpriority": _refuse_equal(1, 1),
}


def build(machine: str = MACHINE, *, template: bool = False) -> bytes:
    """The filter for `machine`; raises ValueError where there is none.

    A template's lets it step into the places that are made for its forks, and into no other: it
    can name none. What is forked gets the whole filter on top before it runs.

    The numbers are searched by halving: the kernel runs the program once for every system call
    that exists when it is installed, to remember which are always allowed.
    """
    column = list(_AUDIT_ARCH).index(machine)
    steps: list[Step] = [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
    ]
    if machine == "x86_64":
        steps += [(_JUMP_AT_LEAST, 0, 1, _X32), _errno(ENOSYS)]
    rules = sorted(
        (numbers[column], _JUDGED.get(name, [_errno(EPERM)]))
        for name, numbers in NUMBERS.items()
        if numbers[column] != ABSENT and not (template and name == "setns")
    )
    steps += _search(rules)
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


def seal(machine: str = MACHINE) -> bytes:
    """What a template's filter lacks: with it on top, a fork has the whole one."""
    column = list(_AUDIT_ARCH).index(machine)
    steps: list[Step] = [
        (_LOAD, 0, 0, 0),
        (_JUMP_EQUAL, 0, 1, NUMBERS["setns"][column]),
        _errno(EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


def only(numbers: Iterable[int], machine: str = "x86_64") -> bytes:
    """A filter that lets nothing through but these calls; whatever else is called kills."""
    allowed = sorted(numbers)
    steps: list[Step] = [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        *((_JUMP_EQUAL, len(allowed) - at, 0, number) for at, number in enumerate(allowed)),
        (_RETURN, 0, 0, _KILL),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


def _search(rules: list[tuple[int, list[Step]]]) -> list[Step]:
    """Find the call's rule among those sorted by number; allow it if there is none."""
    if len(rules) <= LEAF:
        leaf: list[Step] = []
        for number, block in rules:
            leaf += [(_JUMP_EQUAL, 0, len(block), number), *block]
        return [*leaf, (_RETURN, 0, 0, _ALLOW)]
    middle = len(rules) // 2
    lower, upper = _search(rules[:middle]), _search(rules[middle:])
    if len(lower) <= FARTHEST:
        return [(_JUMP_AT_LEAST, len(lower), 0, rules[middle][0]), *lower, *upper]
    return [(_JUMP_AT_LEAST, 0, 1, rules[middle][0]), (_JUMP, 0, 0, len(lower)), *lower, *upper]
