"""Reading and writing cgroup files: small texts, and errors that mean "the process is gone".

Used by the v1 and v2 groups; what the files are called and mean stands there.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from pathlib import Path


def write(path: Path, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def write_first(*choices: tuple[Path, str]) -> None:
    """Write to the first file that there is; newer kernels have better ones."""
    for path, text in choices:
        with suppress(FileNotFoundError):
            write(path, text)
            return


def can_write(path: Path) -> bool:
    return os.access(path, os.W_OK)


def number_after(text: bytes, key: bytes) -> int:
    """The number on the line `<key> <number>`; 0 if there is no such line."""
    _, found, rest = (b"\n" + text).partition(b"\n" + key + b" ")
    return int(rest.partition(b"\n")[0]) if found else 0


def members(group: Path) -> list[int]:
    """Host pids in a group; empty if it is gone."""
    try:
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split() if pid != "0"]
    except OSError:
        return []


def signal_members(group: Path, number: signal.Signals = signal.SIGKILL) -> int:
    """Signal every process of a group; how many there were."""
    pids = members(group)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    return len(pids)


def await_exits(pids: list[int], timeout_s: float) -> None:
    """Return when each of `pids` has ended (a zombie counts as ended), or after `timeout_s`."""
    waiting = select.poll()
    open_fds: set[int] = set()
    try:
        for pid in pids:
            with suppress(ProcessLookupError, OSError):
                fd = os.pidfd_open(pid)
                open_fds.add(fd)
                waiting.register(fd, select.POLLIN)
        while open_fds:
            ready = waiting.poll(timeout_s * 1000)
            if not ready:
                return
            for fd, _ in ready:
                waiting.unregister(fd)
                open_fds.discard(fd)
                os.close(fd)
    finally:
        for fd in open_fds:
            os.close(fd)
