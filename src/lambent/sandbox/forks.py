"""What the host knows of processes that were forked from a template into places of their own.

A fork's parent is gone at once, so the kernel gives it to the pid 1 of the template's sandbox, which
reports its end by its number there (`wire.ORPHANED`). Before it runs anything, `check` looks at the
fork from outside: a template has run the function's code, so its word is not enough.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from lambent.errors import SandboxError

MOST_EARLY: Final = 256
KILLED: Final = 9


class Forks:
    """The forks of one template: who wants to know of their ends."""

    def __init__(self) -> None:
        self._waiting: dict[int, Callable[[int], None]] = {}
        self._early: dict[int, int] = {}
        """Ends that were told before somebody asked; also of the function's own orphans."""

    def expect(self, pid: int, ended: Callable[[int], None]) -> None:
        status = self._early.pop(pid, None)
        if status is None:
            self._waiting[pid] = ended
        else:
            ended(status)

    def ended(self, pid: int, status: int) -> None:
        waiting = self._waiting.pop(pid, None)
        if waiting is not None:
            waiting(status)
            return
        self._early[pid] = status
        if len(self._early) > MOST_EARLY:
            del self._early[next(iter(self._early))]

    def lost(self) -> None:
        """The template's pid 1 is gone, and by the kernel's rule every fork with it."""
        for ended in list(self._waiting.values()):
            ended(KILLED)
        self._waiting.clear()


def host_pid(pidfd: int) -> int:
    """The number that the host knows a process by; raises `SandboxError` if it is gone."""
    _, found, rest = _read(f"/proc/self/fdinfo/{pidfd}").partition(b"\nPid:")
    pid = int(rest.partition(b"\n")[0]) if found else 0
    if pid > 0:
        return pid
    raise SandboxError("the fork of a template ended at once", code="SANDBOX_GONE")


def check(pid: int, spaces: list[int]) -> None:
    """Raises `SandboxError` unless the process has no power and stands in its own namespaces."""
    try:
        status = _read(f"/proc/{pid}/status").decode()
        place = os.stat(f"/proc/{pid}/ns/pid").st_ino  # noqa: PTH116  a link whose target is no path
    except OSError as error:
        raise SandboxError(
            f"the fork of a template ended at once: {error}", code="SANDBOX_GONE"
        ) from None
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    powers = [int(facts[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapBnd", "CapAmb")]
    if (
        any(powers)
        or facts["NoNewPrivs"] != "1"
        or int(facts["Seccomp_filters"]) < 2
        or place != os.fstat(spaces[1]).st_ino
    ):
        raise SandboxError(
            "the fork of a template is not confined as it should be", code="SANDBOX_UNSAFE"
        )


def _read(path: str) -> bytes:
    """A small file of /proc, whole: twice as fast as by pathlib, and every fork is looked at."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 16384)
    finally:
        os.close(fd)
