"""Tells the destination of a stream's mapping of the batches that were given up.

A destination that cannot be told is tried a few times; then the loss is in the log and counted, and
the shard goes on, as on AWS. What is told is made in `stream_failure`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec
import structlog

from lambent.clock import Clock
from lambent.control.names import Scope
from lambent.events.sources import stream_failure
from lambent.events.sources.stream_api import Record
from lambent.events.sources.stream_failure import GivenUp
from lambent.observe.metrics import Metrics
from lambent.store.records import EventSourceMapping

log = structlog.get_logger()

TOLD: Final = 3
"""How often a destination is tried before the loss is only logged."""


class Losses:
    """Of one mapping."""

    def __init__(
        self,
        scope: Scope,
        mapping: EventSourceMapping,
        service: str,
        stream: str,
        event: Callable[[Sequence[Record]], bytes],
        send: Callable[[str, str], Coroutine[Any, Any, None]],
        call_aws: Callable[[str, str, Callable[[Any], Any]], Awaitable[Any]],
        clock: Clock,
        metrics: Metrics,
        pause: Callable[[int], Awaitable[None]],
    ) -> None:
        """`event` makes what the function got; `send(target, body)` tells a queue or a topic."""
        self._scope = scope
        self._mapping = mapping
        self._service = service
        self._stream = stream
        self._event = event
        self._send = send
        self._call_aws = call_aws
        self._clock = clock
        self._metrics = metrics
        self._pause = pause
        failure = (mapping.config.get("DestinationConfig") or {}).get("OnFailure") or {}
        self._target: str = failure.get("Destination") or ""

    async def tell(self, given_up: GivenUp) -> None:
        log.warning(
            "sources.given_up",
            mapping=self._mapping.uuid,
            condition=given_up.condition,
            records=len(given_up.records),
        )
        if not self._target:
            return
        for attempt in range(1, TOLD + 1):
            try:
                await self._deliver(given_up)
            except Exception as error:  # noqa: BLE001  any failure of a destination is tried again
                log.warning("sources.not_told", target=self._target, reason=str(error))
                await self._pause(attempt)
            else:
                return
        self._metrics.count("sources.destination_failures")

    async def _deliver(self, given_up: GivenUp) -> None:
        now_ms = self._clock.time_ms()
        mapping = self._mapping
        whole = stream_failure.record(
            given_up,
            service=self._service,
            stream=self._stream,
            function_arn=self._scope.arn(mapping.function, mapping.qualifier),
            now_ms=now_ms,
        )
        if self._target.split(":")[2] != "s3":
            await self._send(self._target, msgspec.json.encode(whole).decode())
            return
        whole["payload"] = self._event(given_up.records).decode()
        key = stream_failure.object_key(mapping.uuid, given_up.shard, now_ms)
        bucket = self._target.rpartition(":")[2]
        body = msgspec.json.encode(whole)
        await self._call_aws(
            "s3", self._scope.region, lambda s3: s3.put_object(Bucket=bucket, Key=key, Body=body)
        )
