"""One batch of a shard, tried until each of its records is done or given up.

AWS's rules (AWS Lambda developer guide, "Kinesis stream error handling" and "Partial batch
response"): a failed batch is tried again and again, at most MaximumRetryAttempts times; halves of a
split one go on by themselves, and splitting is no retry; with ReportBatchItemFailures what stands
before the first failed record is done; records older than MaximumRecordAgeInSeconds are given up
before the next try. What is given up is told to the destination of failures. Throttles and our own
failures are waited out and never counted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from lambent.clock import Clock
from lambent.engine.invocation import Outcome
from lambent.events.sources import sqs_event
from lambent.events.sources.stream_api import Record
from lambent.events.sources.stream_failure import GivenUp

Records = Sequence[Record]


class Trial(Protocol):
    """Runs the function once; None when it could not be run, which has been waited out."""

    async def __call__(self, records: Records) -> tuple[str, Outcome] | None: ...


@dataclass(frozen=True, slots=True)
class Part:
    records: Records
    tries: int = 0
    request_id: str = ""
    outcome: Outcome | None = None


class BatchRules:
    """Of one mapping."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.retries: int = config.get("MaximumRetryAttempts", -1)
        self.age_s: int = config.get("MaximumRecordAgeInSeconds", -1)
        self.splits: bool = bool(config.get("BisectBatchOnFunctionError"))
        self.reports = "ReportBatchItemFailures" in (config.get("FunctionResponseTypes") or ())

    def failed_at(self, outcome: Outcome, records: Records) -> int | None:
        """Index of the first record that is not done; None when all are."""
        if outcome.function_error is not None:
            return 0
        if not self.reports:
            return None
        named = sqs_event.failures(outcome.payload, {each.sequence for each in records})
        if named is None:
            return 0
        places = [n for n, each in enumerate(records) if each.sequence in named]
        return places[0] if places else None

    def after(self, part: Part, index: int) -> tuple[list[Part], Part | None]:
        """What a failure at `index` leaves to be tried, and what is given up for it."""
        left = replace(part, records=part.records[index:])
        if self.splits and len(left.records) > 1:
            middle = len(left.records) // 2
            halves = (left.records[:middle], left.records[middle:])
            return [replace(left, records=half, tries=part.tries - 1) for half in halves], None
        if 0 <= self.retries < left.tries:
            return [], left
        return [left], None

    def too_old(self, records: Records, now_s: float) -> int:
        """How many at the head of a batch are past their age."""
        if self.age_s < 0:
            return 0
        young = (n for n, each in enumerate(records) if now_s - each.arrived_s <= self.age_s)
        return next(young, len(records))


class BatchRun:
    """`finish` returns True when nothing is left, False when it was stopped before."""

    def __init__(
        self,
        rules: BatchRules,
        shard: str,
        trial: Trial,
        give_up: Callable[[GivenUp], Awaitable[None]],
        pause: Callable[[int], Awaitable[None]],
        is_stopping: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._rules = rules
        self._shard = shard
        self._trial = trial
        self._give_up = give_up
        self._pause = pause
        self._is_stopping = is_stopping
        self._clock = clock

    async def finish(self, records: Records) -> bool:
        waiting = [Part(records)]
        failures = 0
        while waiting:
            if self._is_stopping():
                return False
            part = await self._young(waiting.pop(0))
            if part is None:
                continue
            tried = await self._trial(part.records)
            if tried is None:
                waiting.insert(0, part)
                continue
            request_id, outcome = tried
            part = replace(part, tries=part.tries + 1, request_id=request_id, outcome=outcome)
            index = self._rules.failed_at(outcome, part.records)
            if index is None:
                failures = 0
                continue
            again, lost = self._rules.after(part, index)
            waiting[:0] = again
            if lost is not None:
                await self._tell(lost, "RetryAttemptsExhausted")
            elif len(again) == 1:
                failures += 1
                await self._pause(failures)
        return True

    async def _young(self, part: Part) -> Part | None:
        """What of a part is not too old; the rest is given up."""
        now_s = self._clock.time_ms() / 1000
        old = self._rules.too_old(part.records, now_s)
        if old:
            await self._tell(replace(part, records=part.records[:old]), "RecordAgeExceeded")
        return replace(part, records=part.records[old:]) if old < len(part.records) else None

    async def _tell(self, part: Part, condition: Any) -> None:
        await self._give_up(
            GivenUp(
                shard=self._shard,
                records=part.records,
                condition=condition,
                tries=part.tries,
                request_id=part.request_id,
                outcome=part.outcome,
            )
        )
