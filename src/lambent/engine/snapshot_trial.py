"""A version with SnapStart proves itself before it becomes Active: one environment is made of it.

`prepare` is what `control` waits for while a version is Pending. The environment is forked from the
version's template, and answers the function's sample event if it has one. A fork that does not come
up, or ends in that event, is no reason to fail a version that ran its Init: its environments are
started in the plain way instead, and it says why. Where nothing is forked, one is started, so that
an Init that fails is known now and not at the first call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from lambent.clock import new_uuid
from lambent.control.targets import Prepared, VersionTarget
from lambent.engine import faults, sample_event
from lambent.engine.call import Call
from lambent.engine.environment import Environment
from lambent.engine.invocation import Invocation, Outcome
from lambent.engine.owner import Owner
from lambent.engine.snapshot import Snapshots
from lambent.engine.snapshot_outcomes import Failed, Standby, failed
from lambent.engine.states import State
from lambent.errors import LambentError, SandboxError
from lambent.observe.trace_header import new_trace

log = structlog.get_logger()

TRIAL_S: Final = 30.0
"""A fork that has not come up by then hangs in a lock that a thread of its template held."""
START_S: Final = 930.0
"""A started one may take AWS's 15 minutes for Init."""

Make = Callable[[VersionTarget, Owner], Environment]


class _NoLease:
    """A trial takes nobody's concurrency."""

    def release(self) -> None: ...


class _Trial:
    """Owns the one environment of a trial."""

    def __init__(self, target: VersionTarget, event: bytes | None) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._target = target
        self._event = event

    def environment_free(self, environment: Environment) -> None:
        if self.done.done():
            return
        if environment.state is not State.IDLE:
            fault = environment.bad_ends.init_fault or faults.PROTOCOL
            self.done.set_exception(failed(fault, environment.beginning.document))
        elif self._event is not None:
            event, self._event = self._event, None
            environment.invoke(self._call(event, environment))
        else:
            self.done.set_result(None)

    def _call(self, event: bytes, environment: Environment) -> Call:
        target, request_id = self._target, new_uuid()
        invocation = Invocation(
            request_id=request_id,
            account=target.account,
            region=target.region,
            name=target.function_name,
            qualifier=target.version,
            payload=event,
            on_done=self._answered,
            on_failed=lambda _: None,  # its environment is lost, which is heard
        )
        trace = new_trace(request_id, environment.clock.time_ms())[0]
        return Call(invocation, target.arn, trace, _NoLease())

    def _answered(self, outcome: Outcome) -> None:
        if outcome.function_error is not None:
            said = outcome.payload[:500].decode(errors="replace")
            log.warning("snapshot.sample_failed", function=self._target.arn, answer=said)

    def environment_resetting(self, environment: Environment) -> None:
        self.environment_lost(environment, SandboxError("it ended in the trial"))

    def environment_lost(
        self,
        environment: Environment,  # noqa: ARG002  there is only one
        error: LambentError | None,
    ) -> None:
        if not self.done.done():
            self.done.set_exception(error or SandboxError("it ended in the trial"))


async def prepare(snapshots: Snapshots, make: Make, target: VersionTarget) -> Prepared:
    """Make the version's template, or find that it has none, and try it; what it has come to."""
    try:
        await _make_template(snapshots, make, target)
        if why := snapshots.why_not(target):
            await _try(make, target, START_S)
            return Prepared(standby=why)
    except Failed as error:
        return Prepared(failed=error.reason, code=error.code)
    except (TimeoutError, LambentError, OSError) as error:
        why = snapshots.why_not(target)
        log.error("snapshot.trial_failed", function=target.arn, error=str(error))
        return Prepared(standby=why or str(error))
    return Prepared()


async def _make_template(snapshots: Snapshots, make: Make, target: VersionTarget) -> None:
    """A template that has shown that it can be forked, or a reason in `why_not`; raises `Failed`."""
    try:
        await snapshots.template(target)
    except Standby:
        return
    event = await asyncio.to_thread(sample_event.read, target)
    limit_s = TRIAL_S if event is None else TRIAL_S + target.timeout_s
    try:
        await _try(make, target, limit_s, event)
    except TimeoutError:
        snapshots.stand_by(target, f"a fork of it did not come up within {limit_s:.0f} s")
    except (LambentError, OSError) as error:
        snapshots.stand_by(target, f"a fork of it did not come up: {error}")


async def _try(
    make: Make, target: VersionTarget, limit_s: float, event: bytes | None = None
) -> None:
    owner = _Trial(target, event)
    environment = make(target, owner)
    try:
        async with asyncio.timeout(limit_s):
            await owner.done
    finally:
        environment.close()
        if owner.done.done() and not owner.done.cancelled():
            owner.done.exception()  # seen
