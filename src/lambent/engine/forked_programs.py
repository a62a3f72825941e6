"""External extensions of an environment that is a fork: programs in the fork's place.

The pid 1 of such a place starts nothing, so a program comes the way that the runtime comes: the
template forks once more into the place, and the fork, before anything of the function runs in it,
becomes the program (`frames.EXEC`). It has the place's namespaces, limits and filter, and none of
the template's memory or descriptors.
"""

from __future__ import annotations

import os
import socket

import msgspec

from lambent.engine.snapshot_link import SnapshotLink
from lambent.runtimes import frames
from lambent.sandbox.namespaces import SPACES
from lambent.sandbox.spec import ForkingSandbox, Process, ProcessSpec, Sandbox


class ForkedPrograms:
    """Starts programs in one place."""

    def __init__(self, link: SnapshotLink, place: ForkingSandbox, template: Sandbox) -> None:
        self._link = link
        self._place = place
        self._template = template

    async def start(self, process: ProcessSpec) -> Process:
        """Of `fds` it gets its output's, as descriptors 1 and 2; 0 is what the template's is."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                fds = (*self._place.spaces, theirs.fileno(), process.fds[1])
                forked = await self._link.fork([kind for _, kind in SPACES], fds)
            try:
                made = await self._place.adopt(forked.pidfd, forked.pid, self._template)
            finally:
                os.close(forked.pidfd)
            wanted = {"argv": process.argv, "env": dict(process.env), "cwd": process.cwd}
            ours.sendall(frames.encode(frames.EXEC, msgspec.json.encode(wanted)))
        return made
