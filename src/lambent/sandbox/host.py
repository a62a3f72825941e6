"""Isolated sandboxes on this machine: everything that makes one, put together.

The spawner makes pid 1s (`spawner_link`), `cgroups` limits them, `tmpdisk` gives them /tmp; what comes
out is a `NamespaceSandbox`. `choose` decides whether this host is used or `process.ProcessHost`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from lambent.errors import SandboxError
from lambent.sandbox import namespaces
from lambent.sandbox.cgroup import Cgroup
from lambent.sandbox.cgroups import Cgroups
from lambent.sandbox.instance import Instance
from lambent.sandbox.messenger import Messenger
from lambent.sandbox.namespace_sandbox import NamespaceSandbox
from lambent.sandbox.request import create_fields
from lambent.sandbox.spawner_link import SpawnerLink
from lambent.sandbox.spec import Feature, SandboxSpec
from lambent.sandbox.tmpdisk import TmpDisk, TmpDisks


class NamespaceHost:
    """Sandboxes from namespaces, seccomp and cgroups; weaker limits without root."""

    def __init__(self, data_dir: Path) -> None:
        self._instance = Instance(data_dir)
        self._privileged = os.geteuid() == 0
        self._cgroups = Cgroups(self._instance)
        self._disks = TmpDisks(self._instance)
        self._link: SpawnerLink | None = None
        self._owners: dict[str, int] = {}
        """Function ARN → number of its pair of host ids; never given to another."""
        self._sandboxes: dict[str, NamespaceSandbox] = {}
        self._threads: ThreadPoolExecutor | None = None

    @property
    def kind(self) -> Literal["namespaces"]:
        return "namespaces"

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="sandbox")
        await loop.run_in_executor(self._threads, self._open_machine)
        try:
            self._link = self._new_link()
            await self._link.open()
        except BaseException:
            await self.close()
            raise

    def _open_machine(self) -> None:
        self._instance.lock()
        self._cgroups.open()
        self._disks.open()

    def _new_link(self) -> SpawnerLink:
        run = self._instance.run_dir
        return SpawnerLink(run / "root", run / "overlay", resolv_conf())

    def features(self) -> tuple[Feature, ...]:
        """What is enforced here, for `lambent up` and `doctor`."""
        return (
            Feature("isolation", enforced=True, how="namespaces + seccomp"),
            self._uid_feature(),
            *self._cgroups.features(),
            self._disks.feature(),
        )

    def _uid_feature(self) -> Feature:
        name = "own uid per function"
        if self._privileged:
            return Feature(name, enforced=True, how="user namespaces")
        return Feature(
            name,
            enforced=False,
            how="the server's user",
            missing="on the host, processes of all functions belong to the server's user",
            fix="run as root",
        )

    async def create(self, spec: SandboxSpec) -> NamespaceSandbox:
        if self._threads is None or self._link is None:
            raise SandboxError("the sandbox host is not open", code="SANDBOX_UNAVAILABLE")
        if spec.id in self._sandboxes:
            raise SandboxError(f"environment {spec.id} exists already", code="SANDBOX_EXISTS")
        loop = asyncio.get_running_loop()
        owner = self._owners.setdefault(spec.owner, len(self._owners))
        group, disk = await loop.run_in_executor(self._threads, self._take, spec, owner)
        ours, theirs = Messenger.pair(credentials=True)

        def release(sandbox: NamespaceSandbox) -> None:
            self._give_back(sandbox.group, disk)

        ids = _function_ids(owner) if self._privileged else None
        sandbox = NamespaceSandbox(spec.id, self._link, ours, group, ids, release)
        self._sandboxes[spec.id] = sandbox
        try:
            with theirs:
                await self._make(sandbox, spec, owner, theirs, disk)
        except BaseException:
            sandbox.ready.cancel()
            await sandbox.close()
            raise
        return sandbox

    def _take(self, spec: SandboxSpec, owner: int) -> tuple[Cgroup, TmpDisk | None]:
        """In a thread: what takes system calls that may wait."""
        disk = self._disks.take(spec.ephemeral_mb, *_function_ids(owner))
        try:
            group = self._cgroups.create(
                spec.id,
                spec.memory_mb,
                spec.pids_max + 1,  # pid 1 is ours
                tmpfs_mb=0 if disk else spec.ephemeral_mb,
            )
        except BaseException:
            if disk is not None:
                disk.release()
            raise
        return group, disk

    async def _make(
        self,
        sandbox: NamespaceSandbox,
        spec: SandboxSpec,
        owner: int,
        control: socket.socket,
        disk: TmpDisk | None,
    ) -> None:
        assert self._link is not None
        fds = [control.fileno()] + ([disk.mount_fd] if disk else [])
        fields = create_fields(spec, owner, has_disk=disk is not None)
        sandbox.pid1 = await self._link.create(fields, fds)
        listeners = await sandbox.ready
        sandbox.take_listeners(spec.ports, listeners)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, sandbox.group.add, sandbox.pid1)

    def _give_back(self, group: Cgroup, disk: TmpDisk | None) -> None:
        """In a thread, after the last process is gone."""
        self._sandboxes.pop(group.id, None)
        self._cgroups.discard(group)
        if disk is not None:
            disk.release()

    async def close(self) -> None:
        for sandbox in list(self._sandboxes.values()):
            await sandbox.close()
        if self._link is not None:
            await self._link.close()
            self._link = None
        if self._threads is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, self._close_machine)
            self._threads.shutdown()
            self._threads = None

    def _close_machine(self) -> None:
        self._disks.close()
        self._cgroups.close()
        self._instance.unlock()


def _function_ids(owner: int) -> tuple[int, int]:
    """Host uid and gid of an owner's functions, as root."""
    function = namespaces.FIRST_HOST_ID + 2 * owner + 1
    return function, function


def resolv_conf() -> str:
    """The host's name servers; systemd's stub at 127.0.0.53 is not reachable from a sandbox."""
    for path in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        if "nameserver 127." not in text:
            return text
    return ""
