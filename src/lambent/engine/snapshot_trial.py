"""A template proves itself before its version becomes Active: an environment is forked from it.

`prepare` is what `control` waits for while a version is Pending. A fork that does not come up, or
that does not answer the function's sample event, is no reason to fail a version that ran its Init:
it is started in the plain way instead, and says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from lambent.control.targets import Prepared, VersionTarget
from lambent.engine.environment import Environment
from lambent.engine.owner import Owner
from lambent.engine.snapshot import Failed, Snapshots, Standby
from lambent.engine.states import State
from lambent.errors import LambentError, SandboxError

log = structlog.get_logger()

TRIAL_S: Final = 30.0
"""A fork that has not come up by then hangs in a lock that a thread of its template held."""

Make = Callable[[VersionTarget, Owner], Environment]


class _Waiting:
    """Owns the one environment of a trial."""

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def environment_free(self, environment: Environment) -> None:
        if self.done.done():
            return
        if environment.state is State.IDLE:
            self.done.set_result(None)
        else:
            self.done.set_exception(SandboxError("the fork did not come up"))

    def environment_resetting(self, environment: Environment) -> None:
        self.environment_lost(environment, SandboxError("the fork ended"))

    def environment_lost(
        self,
        environment: Environment,  # noqa: ARG002  there is only one
        error: LambentError | None,
    ) -> None:
        if not self.done.done():
            self.done.set_exception(error or SandboxError("the fork ended"))


async def prepare(snapshots: Snapshots, make: Make, target: VersionTarget) -> Prepared:
    """Make the version's template and try it; what it has come to."""
    try:
        await snapshots.template(target)
        await _try(make, target)
    except Failed as failed:
        return Prepared(failed=failed.reason, code=failed.code)
    except Standby as why:
        return Prepared(standby=str(why))
    except TimeoutError:
        snapshots.stand_by(target, f"a fork of it did not come up within {TRIAL_S:.0f} s")
    except (LambentError, OSError) as error:
        snapshots.stand_by(target, f"a fork of it did not come up: {error}")
    return Prepared(standby=snapshots.why_not(target))


async def _try(make: Make, target: VersionTarget) -> None:
    owner = _Waiting()
    environment = make(target, owner)
    try:
        async with asyncio.timeout(TRIAL_S):
            await owner.done
    finally:
        environment.close()
        if owner.done.done() and not owner.done.cancelled():
            owner.done.exception()  # seen
