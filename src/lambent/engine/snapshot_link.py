"""The server's end of a template's channel: Init's outcome once, then forks.

A datagram socket, because descriptors travel beside the frames (`runtimes/frames.py`). Forks are
answered in the order in which they were asked for.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from lambent.errors import SandboxError
from lambent.runtimes import frames
from lambent.sandbox import namespaces, seccomp

MESSAGE_BYTES: Final = 1 << 20
MAX_FDS: Final = 4


class InitFailed(Exception):  # noqa: N818  an outcome
    """The function's Init failed in the template; the error document."""

    def __init__(self, document: bytes) -> None:
        super().__init__("Init failed")
        self.document = document


class Forked(NamedTuple):
    pid: int
    """As the template's pid namespace counts."""
    pidfd: int
    """The caller's to close."""


class SnapshotLink:
    """One template's channel; `runtime_end` goes to it as descriptor 3."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._socket, self.runtime_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MESSAGE_BYTES)
        self.ready: asyncio.Future[bytes] = loop.create_future()
        """What the template found that cannot be forked, as JSON; or `InitFailed`."""
        self._asked: deque[asyncio.Future[Forked]] = deque()
        self._open = True
        loop.add_reader(self._socket.fileno(), self._readable)
        seal = bytes((namespaces.last_capability(),)) + seccomp.seal()
        self._socket.send(frames.encode(frames.SEAL, seal))

    async def fork(self, kinds: Sequence[int], fds: Sequence[int]) -> Forked:
        """Fork into the namespaces of these kinds; `fds` are theirs, then the channel's, the pipe's."""
        if not self._open:
            raise TemplateGone
        body = b"".join(kind.to_bytes(4, "big") for kind in kinds)
        answer: asyncio.Future[Forked] = self._loop.create_future()
        try:
            socket.send_fds(self._socket, [frames.encode(frames.BEAR, body)], list(fds))
        except OSError:  # gone, or so many forks under way that its queue is full
            raise TemplateGone from None
        self._asked.append(answer)
        try:
            return await answer
        except asyncio.CancelledError:
            answer.add_done_callback(_close_unwanted)
            raise

    def drain(self) -> None:
        """Read what a template that has just ended still said."""
        self._readable()

    def _readable(self) -> None:
        while self._open:
            try:
                data, fds, _, _ = socket.recv_fds(
                    self._socket, MESSAGE_BYTES, MAX_FDS, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            except ConnectionResetError:
                continue  # it ended without reading all; what it said itself comes after this
            except OSError:
                data, fds = b"", []
            if not data:
                self._end()
                return
            self._dispatch(data[4] if len(data) > 4 else 0, data[5:], fds)

    def _dispatch(self, kind: int, body: bytes, fds: list[int]) -> None:
        if kind == frames.READY and not self.ready.done():
            self.ready.set_result(body)
        elif kind == frames.INIT_ERROR and not self.ready.done():
            self.ready.set_exception(InitFailed(body))
        elif kind in {frames.FORKED, frames.FORK_FAILED} and self._asked:
            answer = self._asked.popleft()
            if kind == frames.FORKED and len(fds) == 1 and not answer.cancelled():
                answer.set_result(Forked(int.from_bytes(body, "big"), fds.pop()))
            elif not answer.done():
                why = body.decode(errors="replace") if kind == frames.FORK_FAILED else "no pidfd"
                answer.set_exception(
                    SandboxError(f"the template could not fork: {why}", code="SNAPSHOT_FORK_FAILED")
                )
        for fd in fds:
            os.close(fd)

    def _end(self) -> None:
        """The template is gone."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
        while self._asked:
            answer = self._asked.popleft()
            if not answer.done():
                answer.set_exception(TemplateGone())

    def close(self) -> None:
        self._end()
        self.runtime_end.close()
        if self.ready.done() and not self.ready.cancelled():
            self.ready.exception()  # seen
        self.ready.cancel()


class TemplateGone(SandboxError):  # noqa: N818  what has happened, not what went wrong
    """The process to fork from has ended; another can be made."""

    def __init__(self) -> None:
        super().__init__("the template of this version is gone", code="SNAPSHOT_GONE")


def _close_unwanted(answer: asyncio.Future[Forked]) -> None:
    if not answer.cancelled() and answer.exception() is None:
        os.close(answer.result().pidfd)
