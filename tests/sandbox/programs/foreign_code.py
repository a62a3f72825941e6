"""Code of the 32-bit architecture, whose calls have other numbers, is killed."""

import ctypes
import mmap
import os
import platform
import signal

if platform.machine() == "x86_64":
    child = os.fork()
    if child == 0:
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20 (getpid); int 0x80; ret
        address = ctypes.addressof(ctypes.c_char.from_buffer(code))
        ctypes.CFUNCTYPE(ctypes.c_int)(address)()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGSYS
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.syscall(ctypes.c_long(0x40000000 + 39)) == -1  # x32's getpid
    assert ctypes.get_errno() == 38
