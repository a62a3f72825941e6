"""One thing to wait for instead of a timer per event: the earliest time that somebody asked for."""

from __future__ import annotations

import asyncio
from math import inf

from lambent.clock import Clock

LONGEST_S = 60.0
"""Wall clocks are set; whoever waits for a wall time looks again after this long."""


class Alarm:
    """`at` says when, from anywhere on the loop; one owner awaits `wait` in a loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = inf
        self._changed = asyncio.Event()

    def at(self, monotonic_s: float) -> None:
        if monotonic_s < self._at:
            self._at = monotonic_s
            self._changed.set()

    async def wait(self) -> None:
        """Until the earliest time asked for has come; it is then forgotten."""
        while (left := self._at - self._clock.monotonic()) > 0:
            self._changed.clear()
            if left == inf:
                await self._changed.wait()
            else:
                await self._changed_or_after(min(left, LONGEST_S))
                if left > LONGEST_S:
                    break
        self._at = inf

    async def _changed_or_after(self, seconds: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            sleeper = tasks.create_task(self._sleep(seconds))
            await self._changed.wait()
            sleeper.cancel()

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._changed.set()
