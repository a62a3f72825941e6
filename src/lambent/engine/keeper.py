"""Between invokes: idle environments are frozen, aged out, and given back under memory pressure.

One timer for the whole server, running only while somebody is idle. Freezing is lazy (after
100 ms), because a busy function would pay for a freeze and a thaw on every call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from lambent.clock import Clock
from lambent.engine.environment import Environment
from lambent.engine.keep_alive import KeepAlive
from lambent.engine.pool import Pool
from lambent.engine.states import State

FREEZE_AFTER_S = 0.1
COUNTED_S = 0.05
"""How long a count of all environments holds, with what started since: a burst is many starts."""
NEW_ENVIRONMENT_MB = 32
"""What a new environment is counted with until it has been measured."""


class Shared(Protocol):
    """What environments have in common, and takes memory once: the snapshots' templates."""

    def memory_mb(self) -> int: ...

    def give_back_unused(self) -> int:
        """End the one that has been unused for longest; its megabytes, or 0 when all are used."""
        ...


class Keeper:
    """Looks after the idle environments of all pools."""

    def __init__(
        self,
        pools: Callable[[], Iterable[Pool]],
        clock: Clock,
        *,
        keep_alive: KeepAlive,
        shared: Shared,
        memory_limit_mb: int,
        freeze: bool = True,
    ) -> None:
        self._pools = pools
        self._clock = clock
        self._keep_alive = keep_alive
        self._shared = shared
        self._memory_limit_mb = memory_limit_mb
        self._freeze = freeze
        self._timer: asyncio.TimerHandle | None = None
        self._soon = False
        """The timer will fire within `FREEZE_AFTER_S`."""
        self._closed = False
        self._counted = float("-inf")
        self._used_mb = 0
        """What all would take after one more start, as it was counted last and with those since."""

    def somebody_is_idle(self) -> None:
        """See to it that `_sweep` runs soon. Called after every invoke, so nearly always nothing."""
        if not self._soon and not self._closed:
            self._soon = True
            self._set_timer(FREEZE_AFTER_S)

    def _set_timer(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        self._soon = False
        now = self._clock.monotonic()
        frozen = unfrozen = False
        shortest_s = float("inf")
        for pool in self._pools():
            allowed_s = self._keep_alive.idle_s(pool.arrivals)
            shortest_s = min(shortest_s, allowed_s)
            kept = () if pool.reserve is None else pool.reserve.members
            for environment in pool.resting():
                idle_s = now - environment.idle_since
                if idle_s >= allowed_s and environment not in kept:
                    pool.give_back(environment)
                elif idle_s >= FREEZE_AFTER_S:
                    if self._freeze:
                        environment.freeze()
                    frozen = True
                else:
                    unfrozen = True
        if unfrozen:
            self.somebody_is_idle()
        elif frozen:
            self._set_timer(min(1.0, max(shortest_s / 4, 0.05)))

    def make_room(self) -> bool:
        """Before a start: give back the longest idle until the new one fits.

        False when all memory is in use by environments that run.
        """
        now = self._clock.monotonic()
        if now - self._counted < COUNTED_S and self._used_mb <= self._memory_limit_mb:
            self._used_mb += NEW_ENVIRONMENT_MB
            return True
        pools = list(self._pools())
        # Those that wait for their own start have nothing yet.
        used_mb = self._shared.memory_mb() + sum(
            e.own_mb or (0 if e.state is State.NEW else NEW_ENVIRONMENT_MB)
            for p in pools
            for e in p.environments
        )
        while used_mb + NEW_ENVIRONMENT_MB > self._memory_limit_mb:
            oldest = self._give_back_oldest(pools)
            if oldest is not None:
                used_mb -= oldest.own_mb or NEW_ENVIRONMENT_MB
            elif freed_mb := self._shared.give_back_unused():
                used_mb -= freed_mb
            else:
                return False
        self._counted, self._used_mb = now, used_mb + 2 * NEW_ENVIRONMENT_MB
        return True

    def give_back_longest_idle(self) -> bool:
        """Close one idle environment, or else what no environment uses; the provisioned ones stay."""
        oldest = self._give_back_oldest(list(self._pools()))
        return oldest is not None or self._shared.give_back_unused() > 0

    def _give_back_oldest(self, pools: list[Pool]) -> Environment | None:
        idle = [(p.idle[0].idle_since, p) for p in pools if p.idle]
        if not idle:
            return None
        pool = min(idle, key=lambda pair: pair[0])[1]
        oldest = pool.idle[0]
        pool.give_back(oldest)
        return oldest

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
