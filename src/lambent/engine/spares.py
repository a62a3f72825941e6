"""Environments made ahead of calls, for versions with SnapStart: nobody waits for their restore.

A spare is an idle environment that has not served yet; it stands at the cold end of its pool's
queue. How many there are follows how many environments the version needed lately; where a version
cannot be forked they are started processes, its standby. A pool whose version nobody calls gets none
after the first, and what is idle too long or in the way of others is given back like any other.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from lambent.errors import LambentError

if TYPE_CHECKING:
    from lambent.engine.environment import Environment
    from lambent.engine.pool import Pool

MOST: Final = 4
STARTS_PER_SPARE: Final = 4
"""So many environments that had to be made within `RECENT_S` are worth one more spare."""
RECENT_S: Final = 10.0
QUIET_S: Final = 300.0
"""After this without a call nothing is made ahead any more."""
SETTLE_S: Final = 0.02
"""After a start: a burst is served first."""


class Spares:
    """The spares of one pool."""

    __slots__ = ("_handle", "_needed", "_pool", "_starts", "making")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._starts: list[float] = []
        self._needed = 0.0
        """When an environment was needed last; monotonic seconds of the loop."""
        self._handle: asyncio.TimerHandle | None = None
        self.making: set[Environment] = set()

    def demanded(self) -> None:
        """A call found no idle environment, or the version has just become Active."""
        now = asyncio.get_running_loop().time()
        self._needed = now
        self._starts = [at for at in self._starts if now - at < RECENT_S]
        if len(self._starts) < MOST * STARTS_PER_SPARE:
            self._starts.append(now)
        self._soon()

    def wanted(self) -> int:
        """How many there should be now."""
        now = asyncio.get_running_loop().time()
        if now - self._needed > QUIET_S:
            return 0
        recent = sum(now - at < RECENT_S for at in self._starts)
        return min(MOST, max(1, recent // STARTS_PER_SPARE))

    def look(self) -> None:
        """Make what is missing, unless calls wait for environments themselves."""
        pool = self._pool
        if pool.retired or pool.waiting:
            return
        missing = self.wanted() - len(self.making) - sum(each.fresh for each in pool.idle)
        for _ in range(missing):
            try:
                self.making.add(pool.make_ahead())
            except LambentError:  # no room on this machine at the moment
                return

    def done(self, environment: Environment) -> None:
        """It is ready, or will never be."""
        self.making.discard(environment)

    def used(self) -> None:
        """A spare serves its first call now: another takes its place."""
        self._needed = asyncio.get_running_loop().time()
        self._soon()

    def _soon(self) -> None:
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(SETTLE_S, self._fill)

    def _fill(self) -> None:
        self._handle = None
        self.look()
        if self._pool.waiting and not self._pool.retired:
            self._soon()

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
