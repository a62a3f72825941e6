"""Makes a template's memory cheap to fork, once, before its first fork.

A fork copies page tables, and a page when somebody writes to it. So what every fork would write is
written here (OpenSSL sets itself up, malloc sorts its free chunks), and large memory is gathered in
huge pages, whose tables are 512 times shorter. Nothing here can fail a template: what this kernel or
C library has not, is left. Facts: madvise(2) MADV_COLLAPSE (Linux 6.1), malloc_trim(3).
"""

import ctypes
import sys

MADV_COLLAPSE = 25
HUGE = 2 << 20
WORTH_IT = 4 * HUGE
"""A mapping that is smaller gains less than what rounding it up takes."""
LARGE_CHUNK = 120 << 10
"""Below the size that malloc takes from the kernel at once."""


def settle() -> None:
    _set_up_openssl()
    libc = ctypes.CDLL(None, use_errno=True)
    _sort_chunks(libc)
    _gather(libc)


def _set_up_openssl() -> None:
    """Its tables of names and errors are 600 pages."""
    ssl = sys.modules.get("_ssl")
    if ssl is not None:
        ssl.RAND_bytes(1)


def _sort_chunks(libc) -> None:
    """Free chunks that are not sorted yet are when a large one is wanted: a write to each."""
    trim = getattr(libc, "malloc_trim", None)
    if trim is not None:  # another C library's malloc has other ways
        trim(0)
        ctypes.create_string_buffer(LARGE_CHUNK)


def _gather(libc) -> None:
    """Ask for huge pages where memory is private, writable and nobody's file."""
    with open("/proc/self/maps", "rb") as file:  # noqa: PTH123
        lines = file.read().splitlines()
    for line in lines:
        fields = line.split(None, 5)
        start, end = (int(number, 16) for number in fields[0].split(b"-"))
        start, end = -(-start // HUGE) * HUGE, end // HUGE * HUGE
        named = len(fields) > 5 and fields[5] != b"[heap]"
        if fields[1] == b"rw-p" and not named and end - start >= WORTH_IT:
            # A part that cannot be gathered leaves the others as they are.
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_COLLAPSE)
