"""Time, ids and randomness, which come in from outside so that a test or a simulation owns them.

`SystemClock` is what the server uses; `ManualClock` is what tests turn by hand. Wall time is for
what people read (timestamps, deadlines told to functions), monotonic time for what we measure.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import os
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def time_ms(self) -> int:
        """Wall time: milliseconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    def time_ms(self) -> int:
        return time.time_ns() // 1_000_000

    # Without a frame of its own: several calls per invoke.
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that stands still until `advance` is called; sleepers wake in order of their time."""

    def __init__(self, start_ms: int = 1_700_000_000_000) -> None:
        self._now_s = 0.0
        self._start_ms = start_ms
        self._tie = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def time_ms(self) -> int:
        return self._start_ms + int(self._now_s * 1000)

    def monotonic(self) -> float:
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_s + seconds, next(self._tie), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Move time on, waking each sleeper at its own moment and letting it run."""
        end = self._now_s + seconds
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, woken = heapq.heappop(self._sleepers)
            self._now_s = max(self._now_s, at)
            if not woken.done():
                woken.set_result(None)
            await self._settle()
        self._now_s = end

    @staticmethod
    async def _settle() -> None:
        for _ in range(20):
            await asyncio.sleep(0)


def iso8601(time_ms: int, *, offset: str = "+0000") -> str:
    """Lambda's LastModified form, `2026-01-31T12:00:00.000+0000`; `offset` may be `Z`."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}{offset}"


_pool: list[str] = []


def new_uuid() -> str:
    """A random lower-case UUID (version 4); drawn from the kernel in batches, for the hot path."""
    if not _pool:
        raw = os.urandom(16 * 64)
        for i in range(0, len(raw), 16):
            h = raw[i : i + 16].hex()
            variant = "89ab"[int(h[16], 16) & 3]
            _pool.append(f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{variant}{h[17:20]}-{h[20:]}")
    return _pool.pop()
