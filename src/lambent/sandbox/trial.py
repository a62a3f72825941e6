"""Make one empty sandbox and end it: what `choose` and `doctor` mean by "this machine can"."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lambent.errors import SandboxError
from lambent.sandbox import namespaces, wire
from lambent.sandbox.messenger import Messenger
from lambent.sandbox.request import create_fields
from lambent.sandbox.spawner_link import SpawnerLink, refusal
from lambent.sandbox.spec import SandboxSpec


async def trial(folder: Path) -> None:
    """Raises `SandboxError` with what stands in the way."""
    link = SpawnerLink(folder / "root", folder / "overlay", "")
    await link.open()
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_message(message: wire.Message) -> None:
        if message.kind == wire.READY:
            _settle(ready, None)
        elif message.kind == wire.FAILED:
            code, text = message.fields
            _settle(ready, refusal(int(code), text.decode(errors="replace")))

    def on_gone() -> None:
        _settle(ready, SandboxError("its first process ended before it was ready"))

    ours, theirs = Messenger.pair()
    messenger = Messenger(ours, on_message, on_gone)
    try:
        with theirs:
            pair, _ = namespaces.host_ids() or (0, 0)
            spec = SandboxSpec(id="trial", owner="trial", task_dir=folder)
            await link.create(create_fields(spec, pair, has_disk=False), [theirs.fileno()])
        await ready
    finally:
        messenger.close()
        await link.close()


def _settle(ready: asyncio.Future[None], error: SandboxError | None) -> None:
    if ready.done():
        return
    if error is None:
        ready.set_result(None)
    else:
        ready.set_exception(error)
