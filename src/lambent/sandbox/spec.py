"""What the engine asks of a sandbox, and what every kind of sandbox promises.

`namespaces` (isolated) and `process` (not isolated, said loudly) implement `SandboxHost`. A
sandbox is a place: namespaces, root, `/tmp`, limits, listeners. Processes come and go in it; the
place and its `/tmp` survive their death, as on Lambda after a time-out.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Egress = Literal["none", "nat", "host"]


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of the host that a function may write to, shown at `/mnt/<name>`."""

    source: Path
    name: str


@dataclass(frozen=True, slots=True)
class Template:
    """The sandbox that a template lives in, as a place for its fork needs to know it."""

    sandbox: Sandbox
    shared_mb: int = 0
    """Memory that a fork has in common with it, and that counts as the fork's."""


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """One execution environment's place."""

    id: str
    """Unique on this host: hex, at most 32 characters; names the cgroup, scratch folder, /tmp disk."""
    owner: str
    """Function ARN: as root, environments of one owner share a host uid that no other owner has."""
    task_dir: Path
    """Unpacked code, shown read-only at /var/task."""
    root_dir: Path | None = None
    """A container image's root, shown read-only instead of the host's programs; no task_dir then."""
    layer_dirs: tuple[Path, ...] = ()
    """Unpacked layers, merged in order (later wins) read-only at /opt."""
    lang_dir: Path | None = None
    """The interpreter's prefix, shown read-only at /var/lang; None shows an empty folder."""
    runtime_dir: Path | None = None
    """Our runtime, boto3, snapshot_restore_py: read-only at /var/runtime."""
    mounts: tuple[Mount, ...] = ()
    memory_mb: int = 128
    reserved_mb: int = 0
    """What its interpreter maps as writable and never fills: counted where a limit counts mappings."""
    ephemeral_mb: int = 512
    pids_max: int = 1024
    egress: Egress = "none"
    ports: tuple[int, ...] = ()
    """TCP ports to listen on at 127.0.0.1 inside; the listening sockets come back in `listeners`."""
    forkable: bool = False
    """It will hold a template: a process that environments are forked from."""
    template: Template | None = None
    """What runs here is forked from this template, and starts below its namespaces."""
    background: bool = False
    """Its processes run when no other environment wants the processor, where that can be had."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process to start in a sandbox. Paths are as seen inside."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    """The whole environment: nothing of the server's is inherited."""
    cwd: str = "/var/task"
    fds: Mapping[int, int] = field(default_factory=dict)
    """Descriptor inside → the server's descriptor; 0 is /dev/null unless given. The server keeps
    (and closes) its own copies. Every other descriptor is closed."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended."""

    code: int | None
    """Exit status, or None if a signal ended it."""
    signal: int | None = None
    oom: bool = False
    """The kernel killed it (or a child) for passing the memory limit."""


class Process(Protocol):
    """A process in a sandbox, seen from the host."""

    @property
    def pid(self) -> int:
        """Host pid."""
        ...

    @property
    def exited(self) -> asyncio.Future[Exit]: ...


class Sandbox(Protocol):
    """A place that processes run in. All methods are called on the event loop."""

    @property
    def id(self) -> str: ...

    @property
    def listeners(self) -> Mapping[int, socket.socket]:
        """Port → listening socket made inside; non-blocking; the caller accepts on it."""
        ...

    async def start(self, process: ProcessSpec) -> Process:
        """Start a process; raises `SandboxError` (or returns a process that exits 127) if it cannot."""
        ...

    async def open_socket(self, kind: Literal["tcp", "udp"], port: int = 0) -> socket.socket:
        """A socket of the environment's own network, non-blocking.

        UDP is bound to its loopback's `port` (any, where the network is the host's); TCP is for
        the caller to connect.
        """
        ...

    async def kill(self) -> None:
        """SIGKILL every process in it, and wait until all are gone. The place and /tmp survive."""
        ...

    def terminate(self) -> None:
        """SIGTERM to the processes started by `start` (Lambda's Shutdown phase)."""
        ...

    def limit_cpu(self, limited: bool) -> None:  # noqa: FBT001  one meaning, named by the method
        """CPU share by memory (1,769 MB = 1 vCPU) on, or off for Init. Cheap, never blocks for long."""
        ...

    def freeze(self) -> None:
        """Stop all its processes between invokes. Cheap."""
        ...

    def thaw(self) -> None:
        """Undo `freeze`; on the hot path, so at most one write. Does nothing if not frozen."""
        ...

    def memory_mb(self) -> int:
        """Most memory used so far (anonymous plus what counts on Lambda; no page cache), in MB. Cheap."""
        ...

    async def close(self) -> None:
        """Kill everything and give back namespaces, mounts, loop device, cgroup, files."""
        ...


class ForkingSandbox(Sandbox, Protocol):
    """A sandbox of the `namespaces` kind, made `forkable` or for a fork of a `template`."""

    @property
    def spaces(self) -> Sequence[int]:
        """Its namespaces, opened, in the order of `namespaces.SPACES`."""
        ...

    def settle(self) -> None:
        """Init is over: what runs here only forks from now on, and pays for that."""
        ...

    async def adopt(self, pidfd: int, pid: int, template: Sandbox) -> Process:
        """Take in a process that was forked from `template`, where it is `pid`."""
        ...


@dataclass(frozen=True, slots=True)
class Feature:
    """One promise of the sandbox on this machine, for `lambent up` and `doctor`."""

    name: str
    """`isolation`, `memory limit`, `cpu share`, `own uid per function`, `egress`, `/tmp limit`, …"""
    enforced: bool
    how: str
    """For example `cgroup v1`, `RLIMIT_DATA`, `seccomp`."""
    missing: str = ""
    """What is not enforced and why, in one sentence; empty when enforced."""
    fix: str = ""


class SandboxHost(Protocol):
    """Makes sandboxes on this machine. One per server."""

    @property
    def kind(self) -> Literal["namespaces", "process"]: ...

    async def open(self) -> None:
        """Clean what a killed predecessor left (thaw, kill, unmount, detach), start the spawner."""
        ...

    def features(self) -> tuple[Feature, ...]: ...

    async def check(self) -> None:
        """Returns when sandboxes can be made; raises `SandboxError` saying why not."""
        ...

    async def create(self, spec: SandboxSpec) -> Sandbox: ...

    async def close(self) -> None:
        """End every sandbox and the spawner; nothing is left on the machine."""
        ...
