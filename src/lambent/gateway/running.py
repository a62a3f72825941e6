"""Runs a function for a gateway and waits for its answer, as long as the gateway waits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from lambent.clock import new_uuid
from lambent.control.gateways import Target
from lambent.engine.dispatcher import Dispatcher
from lambent.engine.invocation import Invocation, Outcome
from lambent.errors import AwsError, LambentError
from lambent.gateway.own_answers import OwnAnswer

EVENT_LIMIT = 6_291_456


@dataclass(frozen=True, slots=True)
class Runner:
    """Calls for one account and region."""

    dispatcher: Dispatcher
    account: str
    region: str

    async def run(self, target: Target, event: bytes, trace: str, limit_s: float) -> Outcome:
        """Raises `OwnAnswer` when there is no outcome: throttled, failed, too late."""
        if len(event) > EVENT_LIMIT:
            raise OwnAnswer("event_too_large")
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def finish(outcome: Outcome) -> None:
            if not done.done():
                done.set_result(outcome)

        def fail(error: LambentError) -> None:
            if not done.done():
                done.set_exception(error)

        invocation = Invocation(
            request_id=new_uuid(),
            account=self.account,
            region=self.region,
            name=target.function,
            qualifier=target.qualifier,
            payload=event,
            on_done=finish,
            on_failed=fail,
            trace_header=trace,
        )
        try:
            async with asyncio.timeout(limit_s):
                self.dispatcher.invoke(invocation)
                return await done
        except TimeoutError:
            raise OwnAnswer("late") from None
        except LambentError as error:
            throttled = isinstance(error, AwsError) and error.status == 429
            raise OwnAnswer("throttled" if throttled else "failed") from None
        finally:
            if not done.done() or done.cancelled():
                invocation.cancelled = True
