"""What an environment's group does, one small interface per role.

`cgroup_v1` and `cgroup_v2` implement them with kernel files, `rlimits` without cgroups at all;
`cgroup.Cgroup` is composed of one of each, as the machine allows.
"""

from __future__ import annotations

from typing import Protocol


class Memory(Protocol):
    how: str

    def limit(self, limit_bytes: int) -> None:
        """Set, raise or lower the limit; swap is not to be used on top of it."""
        ...

    def used_bytes(self, *, shmem: bool) -> int:
        """Anonymous memory now, and with `shmem` also tmpfs and shared memory; no page cache."""
        ...

    def oom_kills(self) -> int:
        """How many processes the kernel has killed for passing the limit."""
        ...

    def admit(self, pid: int) -> None:
        """A process joined; for what is set per process."""
        ...

    def close(self) -> None: ...


class Cpu(Protocol):
    how: str

    def quota(self, cores: float | None) -> None:
        """At most so many cores from now on; None takes the limit away."""
        ...

    def give_way(self) -> None:
        """Run only when no other group wants the processor."""
        ...


class Pids(Protocol):
    how: str

    def limit(self, count: int) -> None: ...

    def admit(self, pid: int) -> None: ...


class Freezer(Protocol):
    how: str

    def freeze(self) -> None: ...

    def thaw(self) -> None: ...

    def close(self) -> None: ...
