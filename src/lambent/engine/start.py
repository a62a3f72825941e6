"""One environment on its way to its first Init: it waits for its turn, starts, and says when it is over.

`Dispatcher` spawns `live` for every environment; `Pacer` asks the `Start` whether it is still
wanted and what memory it will take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambent.engine.environment import Environment
from lambent.engine.keeper import NEW_ENVIRONMENT_MB
from lambent.engine.pacing import Pacer
from lambent.engine.states import State
from lambent.errors import TooManyRequests

if TYPE_CHECKING:
    from lambent.engine.pool import Pool

GUESS_SHARE = 4
"""Before a version has been measured, a start is counted with this part of its memory size."""


class Start:
    """A pacer's `Candidate`."""

    __slots__ = ("_environment", "_pool", "function")

    def __init__(self, environment: Environment, pool: Pool) -> None:
        self._environment = environment
        self._pool = pool
        self.function = environment.target.function_arn

    def wanted(self) -> bool:
        return self._environment.state is State.NEW and self._pool.wants(self._environment)

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
