"""Many small changes as few writes: while one write is on its way, the next one gathers.

The first item is written at once, alone; under load each write takes all that came during the one
before. `EventQueue` has two: what is accepted, and what has ended.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

MAX_ITEMS = 512
MAX_BYTES = 16 * 1024 * 1024


class Batch(Generic[Item]):
    """`add` items; `write` gets them in order, one call at a time. It must not raise."""

    def __init__(
        self,
        write: Callable[[list[Item]], Awaitable[None]],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        size: Callable[[Item], int] = lambda _: 0,
    ) -> None:
        self._write = write
        self._spawn = spawn
        self._size = size
        self._items: deque[Item] = deque()
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, item: Item) -> None:
        self._items.append(item)
        if self._idle.is_set():
            self._idle.clear()
            self._spawn(self._run())

    async def drained(self) -> None:
        """Until everything added so far is written."""
        await self._idle.wait()

    async def _run(self) -> None:
        try:
            while self._items:
                await self._write(self._next())
        finally:
            self._idle.set()

    def _next(self) -> list[Item]:
        items: list[Item] = []
        size = 0
        while self._items and len(items) < MAX_ITEMS and size < MAX_BYTES:
            items.append(self._items.popleft())
            size += self._size(items[-1])
        return items
