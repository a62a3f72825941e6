"""The process that makes sandboxes: small, single-threaded, and the only one that forks.

The server starts it before anything else (`host`), in an interpreter without site packages, and
tells it over a socket what to make. It holds the mount namespace in which the shared part of every
root is prepared, clones each sandbox's pid 1 out of itself, and reaps them. When the server goes,
so does it, and with it every sandbox.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` without its enums
import _socket
import os
import select
import sys
from typing import Final, NoReturn

from lambent.sandbox import filesystem, kernel, launcher, namespaces, nest, nested, wire

GO: Final = b"1"


def main(fd: int, folder: str, scratch: str, resolv_conf: str) -> None:
    """Serve on socket `fd`; `folder` is where the shared root is mounted, `scratch` for overlays."""
    server = _socket.socket(fileno=fd)
    kernel.set_title("lambent-sandbox")
    os.umask(0o022)
    privileged = namespaces.host_ids() is not None
    try:
        prepare(folder, resolv_conf.encode(), privileged=privileged)
        overlays = filesystem.can_overlay(scratch)
    except OSError as error:
        wire.send(server, wire.encode(wire.REFUSED, 0, error.errno or 0, wire.reason(error)))
        return
    kernel.close_range(fd + 1, 0x7FFF_FFFF)
    _signal.pthread_sigmask(_signal.SIG_BLOCK, (launcher.SIGCHLD,))
    # Pid 1 must not answer to a Python handler that a function could trigger.
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    wire.send(server, wire.encode(wire.UP, int(overlays)))
    Spawner(server, scratch, privileged=privileged).serve()


def prepare(folder: str, resolv_conf: bytes, *, privileged: bool) -> None:
    """Own the mounts: in a user namespace of its own where the server is not root."""
    namespaces.last_capability()
    flags = kernel.CLONE_NEWNS
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(flags if privileged else flags | kernel.CLONE_NEWUSER)
    if not privileged:
        own = namespaces.Ids(b"%d %d 1\n" % (uid, uid), b"%d %d 1\n" % (gid, gid), uid, gid)
        namespaces.write_maps("self", own, by_root=False)
    filesystem.build_base(folder, resolv_conf)
    _touch_ahead()


def _touch_ahead() -> None:
    """Import and allocate what every pid 1 needs now, and keep the collector off shared pages."""
    import fcntl  # noqa: F401  inherited by pid 1s, which have no library to import from
    import gc
    import resource  # noqa: F401  the same

    gc.collect()
    gc.disable()
    gc.freeze()


class Spawner:
    """The loop of the spawner."""

    def __init__(self, server: _socket.socket, scratch: str, *, privileged: bool) -> None:
        self._server = server
        self._scratch = scratch
        self._privileged = privileged
        self._signals = kernel.signalfd((launcher.SIGCHLD,))
        self._children: set[int] = set()

    def serve(self) -> None:
        waiting = select.poll()
        waiting.register(self._server.fileno(), select.POLLIN)
        waiting.register(self._signals, select.POLLIN)
        while True:
            for fd, _ in waiting.poll():
                if fd == self._signals:
                    os.read(fd, 4096)
                    self._reap()
                elif not self._obey():
                    self._end_all()
                    return

    def _obey(self) -> bool:
        """Carry out one command; False once the server is gone."""
        message = wire.receive(self._server)
        if message.kind == wire.CREATE:
            self._create(message)
        elif message.kind == wire.END:
            pid = int(message.fields[0])
            if pid in self._children:
                os.kill(pid, launcher.SIGKILL)
        return message.kind != 0

    def _create(self, message: wire.Message) -> None:
        number = message.fields[0]
        trees: list[filesystem.Tree] = []
        try:
            control, plan, is_nest = self._plan(message, trees)
            if is_nest:
                pid = self._nest(control, plan, (message.fds[-2], message.fds[-1]))
            else:
                pid = self._clone(control, plan)
        except OSError as error:
            reply = wire.encode(wire.REFUSED, number, error.errno or 0, wire.reason(error))
        else:
            reply = wire.encode(wire.CREATED, number, pid)
        for fd in {*message.fds, *(tree.fd for tree in trees)}:
            os.close(fd)
        wire.send(self._server, reply)

    def _plan(
        self, message: wire.Message, trees: list[filesystem.Tree]
    ) -> tuple[int, launcher.Plan, bool]:
        """Fields and descriptors of CREATE, as `request` packs them; whether it is for a nest."""
        (_, pair, network, ports, tmp_mb, limits, folders, layers, disk, mounts, role) = (
            message.fields
        )
        fds = list(message.fds)
        control = fds.pop(0)
        pairs = [os.fsdecode(item) for item in wire.split(folders)]
        sources = list(zip(pairs[::2], pairs[1::2], strict=True))
        merged = [os.fsdecode(item) for item in wire.split(layers)]
        shared = [os.fsdecode(item) for item in wire.split(mounts)]
        trees += filesystem.open_shared(list(zip(shared[::2], shared[1::2], strict=True)))
        trees += filesystem.open_trees(sources, merged, self._scratch)
        tmp_trees = [filesystem.Tree(fds.pop(0), "tmp")] if int(disk) else []
        numbers = [int(item) for item in wire.split(limits)]
        own_network = network == b"1"
        if self._privileged:
            ids = namespaces.ids_of_pair(int(pair))
        else:
            ids = namespaces.ids_of_user(os.geteuid(), os.getegid())
        plan = launcher.Plan(
            ids=namespaces.ids_of_fork(ids) if int(role) == wire.NEST else ids,
            privileged=self._privileged,
            own_network=own_network,
            ports=[int(port) for port in wire.split(ports)],
            tmp_mb=0 if tmp_trees else int(tmp_mb),
            limits=list(zip(numbers[::2], numbers[1::2], strict=True)),
            trees=trees + tmp_trees,
            template=int(role) == wire.TEMPLATE,
        )
        return control, plan, int(role) == wire.NEST

    def _nest(self, control: int, plan: launcher.Plan, spaces: tuple[int, int]) -> int:
        def become_nest() -> NoReturn:
            nest.run(_socket.socket(fileno=control), plan)

        pid = nested.fork(spaces, become_nest, privileged=self._privileged)
        self._children.add(pid)
        return pid

    def _clone(self, control: int, plan: launcher.Plan) -> int:
        wait_fd, go_fd = os.pipe()
        try:
            own = plan.own_network
            flags = namespaces.ALONE if own else namespaces.ALONE & ~kernel.CLONE_NEWNET
            pid = kernel.clone(flags)
            if pid == 0:
                self._become_pid1(control, wait_fd, go_fd, plan)
            self._children.add(pid)
            try:
                namespaces.write_maps(pid, plan.ids, by_root=self._privileged)
            except OSError:
                os.kill(pid, launcher.SIGKILL)
                raise
            os.write(go_fd, GO)
        finally:
            os.close(wait_fd)
            os.close(go_fd)
        return pid

    def _become_pid1(self, control: int, wait_fd: int, go_fd: int, plan: launcher.Plan) -> NoReturn:
        """In the clone: keep nothing of the spawner's but what the plan names."""
        try:
            os.close(go_fd)
            os.close(self._signals)
            self._server.close()
            launcher.run(_socket.socket(fileno=control), wait_fd, plan)
        finally:
            os._exit(1)

    def _reap(self) -> None:
        while self._children:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._children.discard(pid)
            try:
                wire.send(self._server, wire.encode(wire.GONE, pid))
            except (BrokenPipeError, ConnectionResetError):
                return  # the server is gone: `_obey` hears of it next, and all others end

    def _end_all(self) -> None:
        for pid in self._children:
            os.kill(pid, launcher.SIGKILL)
        while self._children:
            self._children.discard(os.waitpid(-1, 0)[0])


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:5])
