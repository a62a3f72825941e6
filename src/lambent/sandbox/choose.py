"""Which sandbox a server uses: the isolated one if this machine can, tried for real.

`auto` falls back to plain processes with a warning; an explicit `namespaces` that cannot be had is
an error with its remedy, never a silent fallback.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lambent.errors import SandboxError
from lambent.sandbox.spec import Egress, SandboxHost
from lambent.settings import Settings


def choose(settings: Settings, warn: Callable[[SandboxError], None]) -> SandboxHost:
    """The host that `settings.sandbox` asks for, not yet open.

    `warn` hears why `auto` had to fall back. Raises `SandboxError` when an explicit wish cannot be
    honoured. Blocks for a tenth of a second while it tries a sandbox.
    """
    from lambent.sandbox.process import ProcessHost

    if settings.sandbox == "process":
        return ProcessHost(settings.data_dir)
    problem = probe()
    if problem is None:
        from lambent.sandbox.host import NamespaceHost

        return NamespaceHost(
            settings.data_dir, egress=egress(settings), required=settings.network == "nat"
        )
    if settings.sandbox == "namespaces":
        raise problem
    warn(problem)
    return ProcessHost(settings.data_dir)


def egress(settings: Settings) -> Egress:
    """What functions get for a network: `auto` is `nat` as root and `none` otherwise."""
    if settings.network == "auto":
        return "nat" if os.geteuid() == 0 else "none"
    return settings.network


def probe() -> SandboxError | None:
    """Make and end a sandbox; what stands in the way, or None. For `choose` and `doctor`."""
    if sys.platform != "linux":
        return SandboxError(
            f"isolated sandboxes need Linux; this is {sys.platform}",
            fix="lambent up --sandbox process  (no isolation)",
        )
    with (
        tempfile.TemporaryDirectory(prefix="lambent-probe-") as folder,
        # A loop of its own: the caller's may be running.
        ThreadPoolExecutor(1) as thread,
    ):
        try:
            thread.submit(lambda: asyncio.run(_trial(Path(folder)))).result()
        except SandboxError as error:
            return error
    return None


async def _trial(folder: Path) -> None:
    from lambent.sandbox.trial import trial

    await trial(folder)
