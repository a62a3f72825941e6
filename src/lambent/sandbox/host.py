"""Isolated sandboxes on this machine: everything that makes one, put together.

The spawner makes pid 1s (`spawner_link`), `cgroups` limits them, `tmpdisk` gives them /tmp, `network`
a way out; what comes out is a `NamespaceSandbox`. `choose` decides whether this host is used or
`process.ProcessHost`.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

from lambent.errors import SandboxError
from lambent.sandbox import layers, leftovers, namespaces
from lambent.sandbox.cgroup import Cgroup
from lambent.sandbox.cgroups import Cgroups
from lambent.sandbox.instance import Instance
from lambent.sandbox.messenger import Messenger
from lambent.sandbox.namespace_sandbox import NamespaceSandbox
from lambent.sandbox.nest_link import NestLink
from lambent.sandbox.network import Network
from lambent.sandbox.request import create_fields, processes_limit
from lambent.sandbox.resolver import resolv_conf
from lambent.sandbox.spawner_link import SpawnerLink
from lambent.sandbox.spec import Egress, Feature, SandboxSpec
from lambent.sandbox.tmpdisk import TmpDisk, TmpDisks

THREADS = 8
"""For system calls that wait more than they work: making and removing groups, disks and links."""


class NamespaceHost:
    """Sandboxes from namespaces, seccomp and cgroups; weaker limits without root."""

    def __init__(self, data_dir: Path, *, egress: Egress = "none", required: bool = False) -> None:
        """`egress`: what environments will be given; `required`: it must be possible here."""
        self._instance = Instance(data_dir)
        self._ids = namespaces.host_ids()
        self._cgroups = Cgroups(self._instance)
        self._disks = TmpDisks(self._instance)
        self._resolv_conf = resolv_conf()
        self._network = Network(self._instance, self._resolv_conf)
        self._egress: Egress = egress
        self._egress_required = required
        self._link: SpawnerLink | None = None
        self._restarting = asyncio.Lock()
        self._owners: dict[str, int] = {}
        """Function ARN → number of its pair of host ids; never given to another."""
        self._sandboxes: dict[str, NamespaceSandbox] = {}
        self._threads: ThreadPoolExecutor | None = None

    @property
    def kind(self) -> Literal["namespaces"]:
        return "namespaces"

    async def open(self) -> None:
        """Clean what a killed predecessor left, start the spawner. Raises `SandboxError`."""
        loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sandbox")
        try:
            await loop.run_in_executor(self._threads, self._open_machine)
            await self._living_link()
        except BaseException:
            await self.close()
            raise

    def _open_machine(self) -> None:
        self._instance.lock()
        leftovers.clean(self._instance)
        self._cgroups.open()
        self._disks.open()
        if self._egress == "nat":
            self._network.open()
            if self._egress_required and not self._network.available:
                feature = self._network.feature("nat")
                raise SandboxError(feature.missing, code="NO_EGRESS", fix=feature.fix)

    async def _living_link(self) -> SpawnerLink:
        """The spawner; a new one if the last was killed (its sandboxes died with it)."""
        async with self._restarting:
            if self._link is None or not self._link.alive:
                if self._link is not None:
                    await self._link.close()
                run = self._instance.run_dir
                self._link = SpawnerLink(run / "root", run / "overlay", self._resolv_conf)
                await self._link.open()
            return self._link

    def features(self) -> tuple[Feature, ...]:
        """What is enforced here, for `lambent up` and `doctor`."""
        return (
            Feature("isolation", enforced=True, how="namespaces + seccomp"),
            self._uid_feature(),
            *self._cgroups.features(),
            self._disks.feature(),
            self._network.feature(self._egress),
        )

    async def check(self) -> None:
        """A spawner that was killed comes back with it; its sandboxes are lost."""
        if self._threads is None:
            raise SandboxError("the sandbox host is not open", code="SANDBOX_UNAVAILABLE")
        await self._living_link()

    def _uid_feature(self) -> Feature:
        name = "own uid per function"
        if self._ids is not None:
            return Feature(name, enforced=True, how="user namespaces")
        return Feature(
            name,
            enforced=False,
            how="the server's user",
            missing="on the host, processes of all functions belong to the server's user",
            fix="run as root",
        )

    def _pair_of(self, owner: str) -> int:
        """The first of an owner's two host ids: pid 1's. The function's is the next."""
        number = self._owners.setdefault(owner, len(self._owners))
        first, count = self._ids or (0, 0)
        if self._ids is not None and 2 * number + 2 > count:
            raise SandboxError("every host id for functions is taken", code="NO_HOST_ID")
        return first + 2 * number

    def _function_ids(self, pair: int) -> tuple[int, int]:
        """Host uid and gid of a function."""
        return (os.geteuid(), os.getegid()) if self._ids is None else (pair + 1, pair + 1)

    async def create(self, spec: SandboxSpec) -> NamespaceSandbox:
        if self._threads is None:
            raise SandboxError("the sandbox host is not open", code="SANDBOX_UNAVAILABLE")
        if spec.id in self._sandboxes:
            raise SandboxError(f"environment {spec.id} exists already", code="SANDBOX_EXISTS")
        link = await self._living_link()
        nest = None if spec.template is None else await self._nest(spec, link)
        loop = asyncio.get_running_loop()
        pair = self._pair_of(spec.owner)
        # Taken in a thread that goes on if we are cancelled; then `close` gives it back.
        taking = loop.run_in_executor(self._threads, self._take, spec, pair)
        try:
            group, disk = await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(self._give_back_unused)
            raise
        ours, theirs = Messenger.pair(credentials=True)

        def release(sandbox: NamespaceSandbox) -> None:
            self._give_back(sandbox.group, disk)

        ids = self._function_ids(pair) if self._ids is not None else None
        sandbox = NamespaceSandbox(spec.id, ours, group, processes_limit(spec), ids, release)
        self._sandboxes[spec.id] = sandbox
        try:
            with theirs:
                disk_fds = [] if disk is None else [disk.mount_fd]
                if nest is not None:
                    sandbox.first = await nest.place([theirs.fileno(), *disk_fds])
                else:
                    spec = await self._with_one_layer(spec, link)
                    fields = create_fields(spec, pair, has_disk=disk is not None)
                    fds = [theirs.fileno(), *disk_fds]
                    sandbox.first = link.pid1(await link.create(fields, fds))
                # With a copy of ours open, the end of a pid 1 that has not said anything would go
                # unseen.
                theirs.close()
                await self._settle(sandbox, spec)
        except BaseException:
            sandbox.ready.cancel()
            await sandbox.close()
            raise
        return sandbox

    def _take(self, spec: SandboxSpec, pair: int) -> tuple[Cgroup, TmpDisk | None]:
        """In a thread: a control group and a disk."""
        disk = self._disks.take(spec.ephemeral_mb, *self._function_ids(pair))
        try:
            group = self._cgroups.create(
                spec.id,
                spec.memory_mb,
                # Pid 1 is ours, and not among them in a fork's place, unless it is the same user.
                spec.pids_max + (spec.template is None or self._ids is None),
                tmpfs_mb=0 if disk else spec.ephemeral_mb,
                reserved_mb=spec.reserved_mb,
                shared_mb=spec.template.shared_mb if spec.template else 0,
            )
            if spec.background:
                group.give_way()
        except BaseException:
            if disk is not None:
                disk.release()
            raise
        return group, disk

    async def _nest(self, spec: SandboxSpec, link: SpawnerLink) -> NestLink:
        """What makes the places below a template; started with the first one."""
        assert spec.template is not None
        home = spec.template.sandbox
        assert isinstance(home, NamespaceSandbox)
        made = home.nest
        if not home.alive or not home.spaces:
            raise SandboxError("the template of this version is gone", code="SNAPSHOT_GONE")
        if made is None or (made.done() and not _usable(made)):
            made = home.nest = asyncio.get_running_loop().create_task(
                self._open_nest(spec, link, home.spaces[:2])
            )
        return await asyncio.shield(made)

    async def _open_nest(self, spec: SandboxSpec, link: SpawnerLink, spaces: list[int]) -> NestLink:
        spec = await self._with_one_layer(spec, link)
        fields = create_fields(spec, self._pair_of(spec.owner), has_disk=False, nest=True)
        ours, theirs = Messenger.pair()
        nest = NestLink(ours)
        try:
            with theirs:
                nest.pid = pid = await link.create(fields, [theirs.fileno(), *spaces])
                link.gone(pid).add_done_callback(lambda _: link.forget(pid))
            await nest.up
        except BaseException:
            nest.close()
            raise
        return nest

    async def _with_one_layer(self, spec: SandboxSpec, link: SpawnerLink) -> SandboxSpec:
        """Where the kernel does not merge layers, we do."""
        if len(spec.layer_dirs) < 2 or link.overlays:
            return spec
        folder = self._instance.run_dir / "layers"
        loop = asyncio.get_running_loop()
        opt = await loop.run_in_executor(self._threads, layers.merged, spec.layer_dirs, folder)
        return replace(spec, layer_dirs=(opt,))

    async def _settle(self, sandbox: NamespaceSandbox, spec: SandboxSpec) -> None:
        """Wait until pid 1 has built its place, and meanwhile put it under its limits."""
        nat = spec.egress == "nat" and self._network.available
        listeners: list[int] | BaseException
        enlisted: BaseException | None = None
        if spec.template is None or nat:
            enlisting = asyncio.get_running_loop().run_in_executor(
                self._threads, self._enlist, sandbox, spec.template is None, nat
            )
            # Both: if pid 1 failed it says why, which the other's failure would hide.
            listeners, enlisted = await asyncio.gather(
                sandbox.ready, enlisting, return_exceptions=True
            )
            if isinstance(listeners, BaseException):
                raise listeners
        else:
            listeners = await sandbox.ready
        sandbox.take_listeners(spec.ports, listeners)
        if isinstance(enlisted, BaseException):
            raise enlisted

    def _enlist(self, sandbox: NamespaceSandbox, limited: bool, nat: bool) -> None:  # noqa: FBT001
        """In a thread: pid 1 of a fork's place starts nothing, so it needs no limits."""
        try:
            if limited:
                sandbox.group.add(sandbox.pid1)
            if nat and sandbox.pid1:
                self._network.attach(sandbox.id, sandbox.pid1)
        except ProcessLookupError:
            pass  # it failed; `ready` says why

    def _give_back(self, group: Cgroup, disk: TmpDisk | None) -> None:
        """In a thread, after the last process is gone."""
        self._sandboxes.pop(group.id, None)
        self._network.detach(group.id)
        self._cgroups.discard(group)
        if disk is not None:
            disk.release()

    def _give_back_unused(self, taking: asyncio.Future[tuple[Cgroup, TmpDisk | None]]) -> None:
        if not taking.cancelled() and taking.exception() is None:
            self._give_back(*taking.result())

    async def close(self) -> None:
        """End every sandbox and the spawner; nothing is left on the machine. Idempotent."""
        await asyncio.gather(*(sandbox.close() for sandbox in list(self._sandboxes.values())))
        if self._link is not None:
            await self._link.close()
            self._link = None
        if self._threads is not None:
            threads, self._threads = self._threads, None
            threads.shutdown()
            await asyncio.get_running_loop().run_in_executor(None, self._close_machine)

    def _close_machine(self) -> None:
        self._network.close()
        self._disks.close()
        self._cgroups.close()
        self._instance.unlock()


def _usable(made: asyncio.Task[NestLink]) -> bool:
    return not made.cancelled() and made.exception() is None and made.result().alive
