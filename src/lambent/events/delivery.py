"""One attempt at one event, and AWS's rules for what comes of it.

An error of the function is retried as often as its policy says; a throttle leaves the event first
in its queue; any other failure is ours, and tried again with growing delays; the events of a
deleted function are dropped. `queue` decides when, `settlement` writes down what is decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

from lambent.clock import Clock
from lambent.engine.invocation import Outcome
from lambent.errors import RecursiveInvocation, ResourceNotFound, TooManyRequests
from lambent.events.function_queue import FunctionQueue, QueuedEvent, back_off_s
from lambent.events.policy import PolicyOf
from lambent.events.settlement import Settlement
from lambent.observe.metrics import Metrics
from lambent.store import event_queue as table
from lambent.store.database import Database
from lambent.store.event_queue import QueueKey

log = structlog.get_logger()


class Caller(Protocol):
    """`engine.dispatcher.Dispatcher`, or whatever else runs functions."""

    async def call(
        self,
        *,
        request_id: str,
        account: str,
        region: str,
        name: str,
        qualifier: str | None,
        payload: bytes,
        client_context: bytes | None,
        trace_header: str,
        tenant_id: str,
    ) -> Outcome: ...


class Delivery:
    """Runs events; knows nothing of order, numbers and time."""

    def __init__(
        self,
        caller: Caller,
        database: Database,
        settlement: Settlement,
        clock: Clock,
        policy: PolicyOf,
        metrics: Metrics,
        retry_delays_s: tuple[float, float],
        most_in_flight: int,
    ) -> None:
        self._caller = caller
        self._database = database
        self._settlement = settlement
        self._clock = clock
        self._policy = policy
        self._metrics = metrics
        self._retry_delays_s = retry_delays_s
        self._most_in_flight = most_in_flight

    async def attempt(self, queue: FunctionQueue, event: QueuedEvent) -> None:
        """Run it once, and settle what came of it; `queue.in_flight` counts it until then."""
        settle: Callable[[FunctionQueue, QueuedEvent], None]
        try:
            outcome = await self._run(queue.key, event)
        except ResourceNotFound:
            settle = self._deleted
        except TooManyRequests:
            settle = self._throttled
        except RecursiveInvocation:
            settle = self._recursive
        except Exception as error:  # noqa: BLE001  whatever it is, the event is kept and tried again
            self._log_system_error(queue, event, error)
            settle = self._system_error
        else:
            queue.ran(self._most_in_flight)
            event.outcome = outcome
            failed = outcome is not None and outcome.function_error is not None
            settle = self._function_error if failed else self._ended
        finally:
            queue.in_flight -= 1
        settle(queue, event)

    async def _run(self, key: QueueKey, event: QueuedEvent) -> Outcome | None:
        """Hand the event to the engine; None if it has no row any more."""
        found = event.kept
        if found is None:
            found = await self._database.read(
                lambda connection: table.payload(connection, event.id)
            )
            if found is None:
                return None
        return await self._caller.call(
            request_id=event.request_id,
            account=key.account,
            region=key.region,
            name=key.name,
            qualifier=key.qualifier or None,
            payload=found.payload,
            client_context=found.client_context,
            trace_header=found.trace_header,
            tenant_id=found.tenant_id,
        )

    # ── what came of it ──────────────────────────────────────────────────────────────────────

    def _function_error(self, queue: FunctionQueue, event: QueuedEvent) -> None:
        event.attempts += 1
        policy = self._policy(queue.key)
        if event.attempts > policy.maximum_retry_attempts:
            self._settlement.drop(queue.key, event, "RetriesExhausted")
        else:
            delays = self._retry_delays_s
            delay_s = delays[min(event.attempts, len(delays)) - 1]
            self._settlement.retry(queue.key, event, delay_s, policy.maximum_event_age_s)

    def _throttled(self, queue: FunctionQueue, event: QueuedEvent) -> None:
        """It stays first, and the queue waits until there is capacity."""
        queue.ready.appendleft(event)
        queue.throttled(self._clock.monotonic())
        self._metrics.count("events.throttled")

    def _deleted(self, queue: FunctionQueue, event: QueuedEvent) -> None:
        self._settlement.drop(queue.key, event, "FunctionDeleted")

    def _recursive(self, queue: FunctionQueue, event: QueuedEvent) -> None:
        """A loop is not tried again; the event goes where failures go."""
        self._settlement.drop(queue.key, event, "RecursiveInvocation")

    def _system_error(self, queue: FunctionQueue, event: QueuedEvent) -> None:
        event.faults += 1
        queue.failed(self._clock.monotonic())
        self._metrics.count("events.system_errors")
        age_limit_s = self._policy(queue.key).maximum_event_age_s
        self._settlement.retry(queue.key, event, back_off_s(event.faults), age_limit_s)

    def _log_system_error(self, queue: FunctionQueue, event: QueuedEvent, error: Exception) -> None:
        log.warning(
            "events.system_error",
            function=queue.key.name,
            request_id=event.request_id,
            reason=f"{type(error).__name__}: {error}",
        )

    def _ended(self, queue: FunctionQueue, event: QueuedEvent) -> None:
        self._settlement.end(queue.key, event)
