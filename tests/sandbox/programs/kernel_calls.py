"""Mounts, namespaces, tracing, keyrings, programs for the kernel: refused."""

import ctypes
import errno
import os
import platform

libc = ctypes.CDLL(None, use_errno=True)
column = platform.machine() == "aarch64"
CALLS = {
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "setns": (308, 268), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "open_by_handle_at": (304, 265), "swapon": (167, 224), "reboot": (169, 142),
    "kexec_load": (246, 104), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "sethostname": (170, 161), "syslog": (103, 116), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsmount": (432, 432),
    "mount_setattr": (442, 442), "quotactl": (179, 60), "fanotify_init": (300, 262),
}  # fmt: skip


def refusal(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) for a in arguments))
    return 0 if result >= 0 else ctypes.get_errno()


for name, numbers in CALLS.items():
    # No argument is valid, so only the filter can answer EPERM before the kernel looks at them.
    got = refusal(numbers[column], -1, -1, -1, -1, -1, -1)
    assert got == errno.EPERM, (name, errno.errorcode.get(got, got))

unshare, clone, clone3 = (272, 97)[column], (56, 220)[column], 435
for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x80):
    assert refusal(unshare, flag) == errno.EPERM, hex(flag)
    if flag != 0x80:
        assert refusal(clone, flag | 17, 0, 0, 0, 0) == errno.EPERM, hex(flag)
assert refusal(clone3, 0, 0) == errno.ENOSYS
assert refusal((135, 92)[column], 0x0040000) == errno.EPERM  # personality ADDR_NO_RANDOMIZE
assert refusal((135, 92)[column], 0xFFFFFFFF) == 0
for request in (0x5412, 0x541C):  # TIOCSTI, TIOCLINUX
    assert refusal((16, 29)[column], 0, request, 0) == errno.EPERM, hex(request)
assert (
    refusal((16, 29)[column], 0, 0x100000000 | 0x5412, 0) == errno.EPERM
)  # the kernel ignores the high half

# What programs need still works.
pid = os.fork()
if pid == 0:
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
import threading  # noqa: E402

done = []
thread = threading.Thread(target=lambda: done.append(1))
thread.start()
thread.join()
assert done
