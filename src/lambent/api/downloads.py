"""`/_code/<token>`: the working link behind GetFunction's `Code.Location`.

The token is the permission, as the signature is in an S3 link. What it stands for is asked of
the callable that the composition root gives; the file leaves in parts, so that a large package
never stands in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import unquote

from lambent.http.exchange import Exchange

PART_BYTES: Final = 256 * 1024

Find = Callable[[str], Awaitable[Path | None]]


def serve(exchange: Exchange, find: Find | None, executor: Executor) -> None:
    """Answer a request for `/_code/…`."""
    token = unquote(exchange.path.removeprefix("/_code/"))
    if exchange.method not in {"GET", "HEAD"} or not token or find is None:
        _not_found(exchange)
    else:
        exchange.spawn(_send(exchange, find, token, executor))


async def _send(exchange: Exchange, find: Find, token: str, executor: Executor) -> None:
    path = await find(token)
    if path is None:
        _not_found(exchange)
        return
    loop = asyncio.get_running_loop()
    with await loop.run_in_executor(executor, path.open, "rb") as file:
        size = await loop.run_in_executor(executor, _size, file)
        headers = [
            (b"Content-Type", b"application/zip"),
            (b"Content-Length", str(size).encode()),
        ]
        exchange.start(200, headers, chunked=False)
        while exchange.method != "HEAD":
            part = await loop.run_in_executor(executor, file.read, PART_BYTES)
            if not part:
                break
            exchange.write(part)
            await exchange.drain()
        exchange.finish()


def _size(file: BinaryIO) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return size


def _not_found(exchange: Exchange) -> None:
    exchange.respond(404, [(b"Content-Type", b"text/plain")], b"This link does not lead to code.\n")
