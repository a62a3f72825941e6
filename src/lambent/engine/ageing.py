"""Environments that must be given back at a certain time, because their credentials end then.

An idle one goes at once; one that works finishes its call first. Nothing of this is looked at per
call: an environment that is due gets this owner in the place of its pool, and meets it when it
becomes free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lambent.errors import LambentError

if TYPE_CHECKING:
    from lambent.engine.environment import Environment
    from lambent.engine.owner import Owner

MARGIN_S: Final = 300.0
"""Before the end of its credentials: what runs then has most of them left."""


def usable_s(lifetime_s: float) -> float:
    """How long an environment may take new calls."""
    return max(lifetime_s / 2, lifetime_s - MARGIN_S)


class LastOwner:
    """Stands between an environment that is due and its pool."""

    def __init__(self, pool: Owner) -> None:
        self._pool = pool

    def environment_free(self, environment: Environment) -> None:
        self._pool.environment_lost(environment, None)
        environment.close()

    def environment_resetting(self, environment: Environment) -> None:
        self._pool.environment_resetting(environment)

    def environment_lost(self, environment: Environment, error: LambentError | None) -> None:
        self._pool.environment_lost(environment, error)
