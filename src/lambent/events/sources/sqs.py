"""Polls one SQS queue: messages in batches to a function, deleted once it has done them.

AWS's rules (LAMBDA.md 89; AWS Lambda developer guide, "Using Lambda with Amazon SQS"): messages
that no filter wants are deleted; a batch that fails stays in the queue until its visibility timeout
is over; with ReportBatchItemFailures only those named stay. Batches run side by side, up to
MaximumConcurrency. What the function gets is made in `sqs_event`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from lambent.clock import Clock, new_uuid
from lambent.control import filter_patterns
from lambent.control.names import Scope
from lambent.errors import ResourceNotFound, TooManyRequests
from lambent.events.delivery import Caller
from lambent.events.function_queue import back_off_s
from lambent.events.sources import sqs_event
from lambent.observe.metrics import Metrics
from lambent.store.records import EventSourceMapping

log = structlog.get_logger()

WAIT_S: Final = 2
"""Of one long poll: short, because the server's end waits for it."""
AT_ONCE: Final = 10
"""Messages of one receive or delete, by SQS's limit."""
CONCURRENCY: Final = 50
"""Batches at once where no MaximumConcurrency says how many."""
BATCH_BYTES: Final = 6 * 1024 * 1024 - 256 * 1024
LONGEST_PAUSE_S: Final = 60.0

Message = dict[str, Any]
CallAws = Callable[[str, str, Callable[[Any], Any]], Awaitable[Any]]


class QueuePoller:
    """`run` belongs to one task; `stop` lets it finish what it has begun."""

    def __init__(
        self,
        scope: Scope,
        mapping: EventSourceMapping,
        call_aws: CallAws,
        caller: Caller,
        clock: Clock,
        metrics: Metrics,
        tell: Callable[[str | None], Awaitable[None]],
    ) -> None:
        config = mapping.config
        self._scope = scope
        self._mapping = mapping
        self._call_aws = call_aws
        self._caller = caller
        self._clock = clock
        self._metrics = metrics
        self._tell = tell
        self._arn: str = config["EventSourceArn"]
        self._region = self._arn.split(":")[3]
        self._size: int = config.get("BatchSize") or AT_ONCE
        self._window_s: int = config.get("MaximumBatchingWindowInSeconds") or 0
        self._reports = "ReportBatchItemFailures" in (config.get("FunctionResponseTypes") or ())
        filters = (config.get("FilterCriteria") or {}).get("Filters") or ()
        self._patterns = [msgspec.json.decode(each["Pattern"]) for each in filters]
        most = (config.get("ScalingConfig") or {}).get("MaximumConcurrency") or CONCURRENCY
        self._slots = asyncio.Semaphore(most)
        self._stopping = asyncio.Event()
        self._failures = 0
        self._url = ""

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Until stopped; the batches under way are waited for."""
        async with asyncio.TaskGroup() as batches:
            while not self._stopping.is_set():
                await self._slots.acquire()
                batch = await self._gather()
                if self._stopping.is_set():
                    # The mapping is another now, or off: whoever comes next decides about these.
                    await self._give_back(batch)
                elif batch:
                    batches.create_task(self._process(batch))
                else:
                    self._slots.release()

    # ── receiving ────────────────────────────────────────────────────────────────────────────

    async def _gather(self) -> list[Message]:
        """Up to a batch of messages that the filters want; whatever came when the window is over."""
        wanted: list[Message] = []
        size = 0
        end = self._clock.monotonic() + self._window_s
        while not self._stopping.is_set() and len(wanted) < self._size and size < BATCH_BYTES:
            left_s = end - self._clock.monotonic()
            if wanted and left_s <= 0:
                break
            wait_s = WAIT_S if not wanted else max(0, min(WAIT_S, int(left_s)))
            received = await self._receive(min(AT_ONCE, self._size - len(wanted)), wait_s)
            if received is None:
                break
            if not wanted:
                # The window begins with the first message.
                end = self._clock.monotonic() + self._window_s
            if self._stopping.is_set():
                wanted.extend(received)
                break
            kept = await self._filtered(received)
            wanted.extend(kept)
            size += sum(len(message["Body"]) for message in kept)
        return wanted

    async def _receive(self, most: int, wait_s: int) -> list[Message] | None:
        """What a long poll brings; None after a failure, which is waited out here."""
        from botocore.exceptions import BotoCoreError, ClientError

        def work(sqs: Any) -> list[Message]:
            if not self._url:
                _, _, _, _, account, name = self._arn.split(":", 5)
                self._url = sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)[
                    "QueueUrl"
                ]
            answer = sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=most,
                WaitTimeSeconds=wait_s,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            return list(answer.get("Messages", ()))

        try:
            received: list[Message] = await self._call_aws("sqs", self._region, work)
        except (BotoCoreError, ClientError) as error:
            await self._failed(f"PROBLEM: {error}")
            return None
        if self._failures:
            self._failures = 0
            await self._tell(None)
        return received

    async def _filtered(self, received: list[Message]) -> list[Message]:
        """Those that a filter wants; the others are done with."""
        if not self._patterns:
            return received
        kept = [m for m in received if filter_patterns.matches(self._patterns, sqs_event.seen(m))]
        await self._delete([m for m in received if m not in kept])
        return kept

    # ── running ──────────────────────────────────────────────────────────────────────────────

    async def _process(self, batch: list[Message]) -> None:
        try:
            failed = await self._invoke(batch)
            await self._delete([m for m in batch if m["MessageId"] not in failed])
        finally:
            self._slots.release()

    async def _invoke(self, batch: list[Message]) -> set[str]:
        """Run the function once; the ids of the messages that stay in the queue."""
        everything = {message["MessageId"] for message in batch}
        try:
            outcome = await self._caller.call(
                request_id=new_uuid(),
                account=self._scope.account,
                region=self._scope.region,
                name=self._mapping.function,
                qualifier=self._mapping.qualifier,
                payload=sqs_event.event(batch, self._arn, self._region),
                client_context=None,
                trace_header=batch[0].get("Attributes", {}).get("AWSTraceHeader", ""),
                tenant_id="",
            )
        except TooManyRequests:
            self._metrics.count("sources.throttled")
            await self._pause()
            return everything
        except ResourceNotFound:
            await self._failed("PROBLEM: Function not found.")
            return everything
        except Exception as error:  # noqa: BLE001  whatever it is, the messages stay in the queue
            log.warning("sources.system_error", mapping=self._mapping.uuid, reason=str(error))
            await self._pause()
            return everything
        self._metrics.count("sources.batches")
        if outcome.function_error is not None:
            self._metrics.count("sources.failed_batches")
            return everything
        if not self._reports:
            return set()
        reported = sqs_event.failures(outcome.payload, everything)
        return everything if reported is None else reported

    async def _delete(self, messages: Sequence[Message]) -> None:
        def work(part: Sequence[Message], sqs: Any) -> None:
            entries = [
                {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(part)
            ]
            sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)

        await self._in_tens(messages, work)

    async def _give_back(self, messages: Sequence[Message]) -> None:
        """Visible again at once."""

        def work(part: Sequence[Message], sqs: Any) -> None:
            entries = [
                {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": 0}
                for n, m in enumerate(part)
            ]
            sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

        await self._in_tens(messages, work)

    async def _in_tens(
        self, messages: Sequence[Message], work: Callable[[Sequence[Message], Any], None]
    ) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        for start in range(0, len(messages), AT_ONCE):
            part = messages[start : start + AT_ONCE]
            try:
                await self._call_aws("sqs", self._region, partial(work, part))
            except (BotoCoreError, ClientError) as error:
                # They come again after their visibility timeout: at least once, as on AWS.
                log.warning("sources.not_settled", mapping=self._mapping.uuid, reason=str(error))

    # ── trouble ──────────────────────────────────────────────────────────────────────────────

    async def _failed(self, problem: str) -> None:
        log.warning("sources.problem", mapping=self._mapping.uuid, source=self._arn, reason=problem)
        await self._tell(problem)
        await self._pause()

    async def _pause(self) -> None:
        """Longer each time in a row; ends early when stopped."""
        self._failures += 1
        pause_s = min(LONGEST_PAUSE_S, back_off_s(self._failures))
        try:
            async with asyncio.timeout(pause_s):
                await self._stopping.wait()
        except TimeoutError:
            return
