"""One environment on its way to its first Init: it waits for its turn, starts, and says when it is over.

`Dispatcher` spawns `live` for every environment; `Pacer` asks the `Start` whether it is still
wanted and what memory it will take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lambent.control.targets import VersionTarget
from lambent.engine.environment import Environment
from lambent.engine.keeper import NEW_ENVIRONMENT_MB
from lambent.engine.pacing import Pacer
from lambent.engine.states import State
from lambent.errors import TooManyRequests

if TYPE_CHECKING:
    from lambent.engine.pool import Pool

FORK_SHARE = 1 / 3
"""Of the turn of an Init, which works for hundreds of milliseconds; a fork for 6, and then it waits
for disks and grace periods of the kernel. Not less: what starts at once is not given up any more when
those before it have served all calls, and a burst of short calls needs few environments."""
GUESS_SHARE = 4
"""Before a version has been measured, a start is counted with this part of its memory size."""


class Start:
    """A pacer's `Candidate`."""

    __slots__ = ("_environment", "_forks", "_pool", "function")

    def __init__(
        self,
        environment: Environment,
        pool: Pool,
        forks: Callable[[VersionTarget], bool] = lambda _: False,
    ) -> None:
        """`forks`: whether a version's environments are forked from what has run Init already."""
        self._environment = environment
        self._forks = forks
        self._pool = pool
        self.function = environment.target.function_arn

    def wanted(self) -> bool:
        return self._environment.state is State.NEW and self._pool.wants(self._environment)

    def share(self) -> float:
        return FORK_SHARE if self._forks(self._environment.target) else 1.0

    def expected_mb(self) -> int:
        return self._pool.measured_mb or self._environment.target.memory_mb // GUESS_SHARE

    def least_mb(self) -> int:
        return self._pool.measured_mb or NEW_ENVIRONMENT_MB

    def dropped(self) -> None:
        self._pool.give_back(self._environment)

    async def live(self, pacer: Pacer) -> None:
        """From the queue for a turn until all that the environment held is given back."""
        environment = self._environment
        try:
            granted = await pacer.turn(self)
        except TooManyRequests as refusal:
            environment.metrics.throttle(environment.target)
            environment.refuse(refusal)
            await environment.closed()
            return
        if granted:
            try:
                await environment.start()
                await environment.initialised.wait()
            finally:
                pacer.done(self)
            self._pool.measured_mb = max(self._pool.measured_mb, environment.own_mb)
        await environment.closed()
