"""The server's side of the spawner: starts it, asks it for pid 1s, hears when they are gone.

`host` owns one. If the spawner dies every sandbox dies with it; `open` may then be called again.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import lambent
from lambent.errors import SandboxError
from lambent.sandbox import wire
from lambent.sandbox.messenger import Messenger

END_S: Final = 20.0
"""How long an end may take before it is reported as failed; the kernel needs milliseconds."""

# Without site packages and the user's environment: what the spawner does not import, no fork carries.
BOOT: Final = (
    "import sys; sys.path.append(sys.argv[1]); from lambent.sandbox.spawner import main; "
    "main(int(sys.argv[2]), *sys.argv[3:])"
)


class SpawnerLink:
    """One spawner process."""

    def __init__(self, base: Path, scratch: Path, resolv_conf: str) -> None:
        self._base = base
        self._scratch = scratch
        self._resolv_conf = resolv_conf
        self._process: subprocess.Popen[bytes] | None = None
        self._messenger: Messenger | None = None
        self._numbers = itertools.count(1)
        self._created: dict[bytes, asyncio.Future[int]] = {}
        self._gone: dict[int, asyncio.Future[None]] = {}
        self.overlays = False
        """Whether this machine merges layers by itself."""

    @property
    def alive(self) -> bool:
        return self._messenger is not None and self._messenger.open

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def open(self) -> None:
        """Start it and wait until the shared root stands; raises `SandboxError` saying why not."""
        self._base.mkdir(parents=True, exist_ok=True)
        self._scratch.mkdir(parents=True, exist_ok=True)
        ours, theirs = Messenger.pair()
        with theirs:
            # A child of this very thread and loop, once; every later fork is the spawner's.
            self._process = subprocess.Popen(  # noqa: ASYNC220
                [
                    sys.executable, "-I", "-S", "-B", "-c", BOOT,
                    str(Path(lambent.__file__).parents[1]), str(theirs.fileno()),
                    str(self._base), str(self._scratch), self._resolv_conf,
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={},
                cwd="/",
            )  # fmt: skip
        up: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._created[b"0"] = up
        self._messenger = Messenger(ours, self._on_message, self._on_gone)
        try:
            async with asyncio.timeout(END_S):
                await up
        except BaseException:
            await self.close()
            raise

    async def create(self, fields: Sequence[bytes | int], fds: Sequence[int]) -> int:
        """The host pid of a new pid 1, which reports over the first of `fds` whether it got ready."""
        if self._messenger is None:
            raise SandboxError("the spawner is not running", code="SANDBOX_UNAVAILABLE")
        number = next(self._numbers)
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._messenger.send(wire.encode(wire.CREATE, number, *fields), fds)
        self._created[b"%d" % number] = answer
        try:
            return await answer
        except asyncio.CancelledError:
            answer.add_done_callback(self._end_orphan)
            raise

    def _end_orphan(self, answer: asyncio.Future[int]) -> None:
        """The one who asked left as the answer came; a later one is discarded by `_resolve`."""
        if not answer.cancelled() and answer.exception() is None:
            self._discard(answer.result())

    def _discard(self, pid: int) -> None:
        self.end(pid)
        self._gone[pid].add_done_callback(lambda _: self.forget(pid))

    def end(self, pid: int) -> None:
        if pid in self._gone and not self._gone[pid].done() and self.alive:
            assert self._messenger is not None
            self._messenger.send(wire.encode(wire.END, pid))

    def gone(self, pid: int) -> asyncio.Future[None]:
        """Resolves when a pid 1, and so all that was in its pid namespace, has ended."""
        return self._gone[pid]

    def forget(self, pid: int) -> None:
        self._gone.pop(pid, None)

    def pid1(self, pid: int) -> SpawnedPid1:
        """What `create` has made, to end it."""
        return SpawnedPid1(self, pid)

    async def close(self) -> None:
        """The spawner ends every sandbox, then itself."""
        if self._messenger is not None:
            self._messenger.close()
            self._on_gone()
        if self._process is not None:
            loop = asyncio.get_running_loop()
            try:
                await loop.run_in_executor(None, self._process.wait, END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                await loop.run_in_executor(None, self._process.wait)
            self._process = None

    def _on_message(self, message: wire.Message) -> None:
        if message.kind == wire.UP:
            self.overlays = message.fields[0] == b"1"
            self._resolve(b"0", 0)
        elif message.kind == wire.CREATED:
            pid = int(message.fields[1])
            self._gone[pid] = asyncio.get_running_loop().create_future()
            self._resolve(message.fields[0], pid)
        elif message.kind == wire.REFUSED:
            self._refuse(message)
        elif message.kind == wire.GONE:
            future = self._gone.get(int(message.fields[0]))
            if future is not None and not future.done():
                future.set_result(None)

    def _resolve(self, number: bytes, pid: int) -> None:
        answer = self._created.pop(number, None)
        if answer is not None and not answer.done():
            answer.set_result(pid)
        elif answer is not None:
            self._discard(pid)

    def _refuse(self, message: wire.Message) -> None:
        number, code, text = message.fields
        answer = self._created.pop(number, None)
        if answer is not None and not answer.done():
            answer.set_exception(refusal(int(code), text.decode(errors="replace")))

    def _on_gone(self) -> None:
        """Everything ends with the spawner: pid 1s are killed by the kernel at its death."""
        for answer in self._created.values():
            if not answer.done():
                answer.set_exception(SandboxError("the spawner ended", code="SANDBOX_UNAVAILABLE"))
        self._created.clear()
        for future in self._gone.values():
            if not future.done():
                future.set_result(None)


class SpawnedPid1:
    """A pid 1 that the spawner made."""

    def __init__(self, link: SpawnerLink, pid: int) -> None:
        self._link = link
        self.pid = pid

    @property
    def gone(self) -> asyncio.Future[None]:
        return self._link.gone(self.pid)

    def end(self) -> None:
        self._link.end(self.pid)

    def forget(self) -> None:
        self._link.forget(self.pid)


def refusal(code: int, text: str) -> SandboxError:
    """Why a sandbox could not be made, with what helps against the known reasons."""
    why, fix = explain(code, text)
    return SandboxError(f"the sandbox could not be made: {text}{why}", fix=fix)


def explain(code: int, text: str) -> tuple[str, str]:
    """(reason, remedy) for an errno and the step that met it."""
    name = os.strerror(code)
    process = "lambent up --sandbox process  (no isolation)"
    if text.startswith(("clone", "unshare")) and name in {
        "Operation not permitted",
        "No space left on device",
    }:
        return (
            "; this kernel does not let this user make user namespaces",
            f"sudo sysctl kernel.unprivileged_userns_clone=1     or     {process}",
        )
    if "proc" in text and name == "Operation not permitted":
        return (
            "; a fresh /proc is refused because this container's own is masked",
            "run the container with --security-opt systempaths=unconfined",
        )
    if text.startswith(("mount", "/proc/self/uid_map")) or name == "Operation not permitted":
        return (
            "; AppArmor or the container takes capabilities from user namespaces",
            f"sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0     or     {process}",
        )
    if name == "Function not implemented":
        return ("; Linux 5.12 or newer is needed", process)
    return ("", process)
