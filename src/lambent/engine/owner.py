"""Whoever keeps environments, and how an environment is told to initialise: words that both sides use."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from lambent.errors import LambentError

if TYPE_CHECKING:
    from lambent.engine.environment import Environment

Initialization = Literal["on-demand", "provisioned-concurrency", "snap-start"]
"""What AWS_LAMBDA_INITIALIZATION_TYPE says."""
ON_DEMAND: Final = "on-demand"
PROVISIONED: Final = "provisioned-concurrency"
SNAP_START: Final = "snap-start"

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Owner(Protocol):
    """Whoever keeps environments: the pool."""

    def environment_free(self, environment: Environment) -> None:
        """It can take an invoke now."""
        ...

    def environment_resetting(self, environment: Environment) -> None:
        """It broke and starts again; it will be free, or lost, later."""
        ...

    def environment_lost(self, environment: Environment, error: LambentError | None) -> None:
        """It is closing and will never be free again; `error` if it never started."""
        ...
