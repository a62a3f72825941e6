"""Images from storage and queues: S3 notifications, SQS messages, EventBridge events → results elsewhere.

An S3 record names an object; a message holds such a notification, or asks itself:
`{"image": {"type": "s3", "value": "s3://…"}, "model_id": …}` with the legacy route's parameters beside
it. Results go to RESULTS_DESTINATION (a prefix or a queue) and into the function's own answer. Of a
queue only what failed is delivered again; S3 and EventBridge deliver the whole event again.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote_plus

import msgspec
from fastapi import FastAPI, Request
from msgspec import Struct
from pydantic import ValidationError

from lambent_inference import aws, work
from lambent_inference.errors import InferenceError, InvalidRequest
from lambent_inference.record import Record
from lambent_inference.routes.call import Call
from lambent_inference.routes.invocations import look, picture_model
from lambent_inference.routes.schema import Parameters
from lambent_inference.service import Service

log = logging.getLogger("lambent_inference")

Event = dict[str, Any]
AT_ONCE: Final = 8
"""Images of one event on their way together: they wait for storage more than for the model."""


class EventFailed(Exception):  # noqa: N818  a condition, as in errors.py
    """Some of an event's images could not be answered; the event should come again."""


class Wanted(Struct, frozen=True):
    """One image to look at."""

    kind: str
    value: Any
    name: str
    """Where the result goes, below the destination."""
    model_id: str | None = None
    options: Event | None = None

    @property
    def source(self) -> str:
        return self.value if self.kind in {"s3", "url"} else self.name


class Item(Struct, frozen=True):
    """What is delivered again as one: a message, or a record."""

    id: str
    body: Any
    """A record, or the text of a message."""


def is_records(event: Event) -> bool:
    records = event.get("Records")
    if isinstance(records, list) and records:
        first = records[0]
        return isinstance(first, dict) and first.get("eventSource") in {"aws:s3", "aws:sqs"}
    return isinstance(event.get("detail"), dict) and "detail-type" in event


async def answer(service: Service, app: FastAPI, event: Event) -> Event:
    """What the function returns; raises EventFailed where that is how to have it delivered again."""
    worker = _Worker(service, app)
    records = event.get("Records")
    if records is None:
        items = [Item(str(event.get("id", "event")), event)]
    elif records[0]["eventSource"] == "aws:sqs":
        return await _messages(worker, records)
    else:
        items = [Item(str(number), record) for number, record in enumerate(records)]
    failed = await worker.work(items)
    if failed:
        raise EventFailed(f"{len(failed)} of {len(items)} failed: " + "; ".join(failed.values()))
    return {"results": worker.results}


async def _messages(worker: _Worker, records: list[Event]) -> Event:
    items = [Item(record["messageId"], record.get("body", "")) for record in records]
    if str(records[0].get("eventSourceARN", "")).endswith(".fifo"):
        failed = await worker.in_order(items)
    else:
        failed = await worker.work(items)
    failures = [{"itemIdentifier": one.id} for one in items if one.id in failed]
    return {"batchItemFailures": failures, "results": worker.results}


class _Worker:
    """Looks at images, keeps the results and sends them on."""

    def __init__(self, service: Service, app: FastAPI) -> None:
        self.service, self.app = service, app
        self.results: list[Event] = []
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def work(self, items: list[Item]) -> dict[str, str]:
        """What failed, and why."""
        found = await asyncio.gather(*(self._item(one) for one in items))
        return {one.id: why for one, why in zip(items, found, strict=True) if why is not None}

    async def in_order(self, items: list[Item]) -> dict[str, str]:
        """The same for a queue whose order holds: nothing after a failure is done."""
        for number, one in enumerate(items):
            if (why := await self._item(one)) is not None:
                return {later.id: why for later in items[number:]}
        return {}

    async def _item(self, one: Item) -> str | None:
        try:
            for wanted in wanted_of(one):
                if not self._own(wanted):
                    async with self._turn:
                        await self._look(wanted)
        except (InferenceError, aws.AwsFailed) as error:
            log.warning("%s failed: %s", one.id, error)
            return str(error)
        except Exception:
            log.exception("%s failed", one.id)
            return "internal error"
        return None

    def _own(self, wanted: Wanted) -> bool:
        """Whether an object is a result of ours: where both lie in one bucket, that would never end."""
        to = self.service.settings.results_destination or ""
        return wanted.kind == "s3" and to.startswith("s3://") and aws.below(wanted.value, to)

    async def _look(self, wanted: Wanted) -> None:
        record = Record(uuid.uuid4().hex)
        scope = {
            "type": "http", "method": "POST", "path": "/events", "query_string": b"", "headers": [],
            "app": self.app, "lambent": record,
        }  # fmt: skip
        call = Call(Request(scope))
        model_id = wanted.model_id or self.service.settings.events_model_id
        try:
            parameters = Parameters.model_validate(wanted.options or {})
        except ValidationError as error:
            raise InvalidRequest(f"{error.error_count()} parameters cannot be read.") from None
        model_id = await picture_model(call, model_id)
        source = (wanted.kind, wanted.value)
        model, value = await look(call, model_id, source, call.key(), parameters)
        result = {
            "source": wanted.source,
            "model_id": model.model_id,
            "model_version": model.version,
            "answer": value,
        }
        await self._send(wanted.name, result)
        self.results.append(result)

    async def _send(self, name: str, result: Event) -> None:
        to = self.service.settings.results_destination
        if not to:
            return
        body = msgspec.json.encode(result)
        if to.startswith("s3://"):
            storage = self.service.images.storage
            uri = aws.join(to, f"{name.lstrip('/')}.json")
            await work.wait(storage.put, uri, body, "application/json")
        else:
            await work.wait(aws.Queues().send, to, body.decode())


# ── what an item asks for ────────────────────────────────────────────────────────────────────────


def wanted_of(item: Item) -> Iterator[Wanted]:
    """The images of a record or a message; raises InvalidRequest."""
    body = item.body
    if isinstance(body, str):
        try:
            body = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            raise InvalidRequest("The message is not JSON.") from None
    yield from _wanted(body, item.id)


def _wanted(body: Any, name: str) -> Iterator[Wanted]:
    if not isinstance(body, dict):
        raise InvalidRequest("The message is no object.")
    if body.get("Event") == "s3:TestEvent":
        return
    if isinstance(records := body.get("Records"), list):
        for record in records:
            yield from _wanted(record, name)
    elif isinstance(body.get("Message"), str) and body.get("Type") == "Notification":
        yield from wanted_of(Item(name, body["Message"]))  # SNS in between
    elif isinstance(body.get("s3"), dict):
        yield _object(body["s3"], encoded=True)
    elif isinstance(detail := body.get("detail"), dict):
        if body.get("source") == "aws.s3":
            yield _object(detail, encoded=False)
        else:
            yield from _wanted({**detail, "detail": None}, name)
    else:
        yield _asked(body, name)


def _object(facts: Event, *, encoded: bool) -> Wanted:
    """An object that S3 told about; in its own notifications the key is encoded as in a form."""
    try:
        bucket, key = facts["bucket"]["name"], facts["object"]["key"]
    except (KeyError, TypeError):
        raise InvalidRequest("The S3 record names no object.") from None
    key = unquote_plus(key) if encoded else key
    return Wanted("s3", f"s3://{bucket}/{key}", key)


def _asked(body: Event, name: str) -> Wanted:
    image = body.get("image")
    if isinstance(image, str):
        image = {"type": image.partition("://")[0].replace("https", "url"), "value": image}
    if not isinstance(image, dict) or not isinstance(image.get("type"), str):
        raise InvalidRequest('The message has no `image` of the form {"type": …, "value": …}.')
    model_id = body.get("model_id")
    options = {key: value for key, value in body.items() if key not in {"image", "model_id"}}
    return Wanted(
        image["type"],
        image.get("value"),
        name,
        model_id if isinstance(model_id, str) else None,
        options,
    )
