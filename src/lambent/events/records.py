"""What destinations and dead letter queues are told of an event that has ended.

The invocation record and the attributes of a dead letter are AWS's (LAMBDA.md 57–58; AWS Lambda
developer guide, "Capturing records of Lambda asynchronous invocations").
"""

from __future__ import annotations

from typing import Final

import msgspec

from lambent.clock import iso8601
from lambent.control.names import LATEST, Scope
from lambent.engine.invocation import Outcome
from lambent.events.policy import EventPolicy
from lambent.store.event_outbox import Message
from lambent.store.event_queue import Payload, QueueKey

SUCCESS: Final = "Success"
_ERROR_MESSAGE_MAX: Final = 1024
_RESPONSE_MAX: Final = 256 * 1024
"""Queues, topics and buses take no more; a larger response is left out."""
_SILENT: Final = frozenset({"FunctionDeleted"})


class Ending(msgspec.Struct, frozen=True):
    """How an event ended, with all that its messages need but the payload."""

    key: QueueKey
    request_id: str
    condition: str
    invoke_count: int
    ended_ms: int
    outcome: Outcome | None
    policy: EventPolicy

    @property
    def wanted(self) -> bool:
        """Whether anybody is told."""
        if self.condition == SUCCESS:
            return self.policy.on_success is not None
        failure = self.policy.on_failure or self.policy.dead_letter
        return failure is not None and self.condition not in _SILENT


def messages(ending: Ending, found: Payload) -> list[Message]:
    """One for the destination, one for the dead letter target."""
    made = []
    succeeded = ending.condition == SUCCESS
    destination = ending.policy.on_success if succeeded else ending.policy.on_failure
    if destination is not None:
        made.append(_message(ending, found, destination, record(ending, found.payload)))
    if not succeeded and ending.policy.dead_letter is not None:
        body = found.payload.decode("utf-8", "replace")
        letter = _message(ending, found, ending.policy.dead_letter, body)
        made.append(msgspec.structs.replace(letter, attributes=_attributes(ending)))
    return made


def record(ending: Ending, payload: bytes) -> str:
    """The invocation record, as JSON."""
    outcome = ending.outcome
    whole: dict[str, object] = {
        "version": "1.0",
        "timestamp": iso8601(ending.ended_ms, offset="Z"),
        "requestContext": {
            "requestId": ending.request_id,
            "functionArn": _arn(ending.key),
            "condition": ending.condition,
            "approximateInvokeCount": ending.invoke_count,
        },
        "requestPayload": msgspec.Raw(payload),
    }
    if outcome is not None:
        context: dict[str, object] = {
            "statusCode": 200,
            "executedVersion": outcome.executed_version,
        }
        if outcome.function_error is not None:
            context["functionError"] = outcome.function_error
        whole["responseContext"] = context
        if len(outcome.payload) <= _RESPONSE_MAX:
            whole["responsePayload"] = msgspec.Raw(outcome.payload or b"null")
    return msgspec.json.encode(whole).decode()


def _attributes(ending: Ending) -> dict[str, tuple[str, str]]:
    text = ending.condition
    if ending.outcome is not None:
        text = _error_message(ending.outcome.payload)
    return {
        "RequestID": ("String", ending.request_id),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", text[:_ERROR_MESSAGE_MAX] or ending.condition),
    }


def _error_message(payload: bytes) -> str:
    try:
        read = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return payload.decode("utf-8", "replace")
    return str(read.get("errorMessage", "")) if isinstance(read, dict) else str(read)


def _message(ending: Ending, found: Payload, target: str, body: str) -> Message:
    key = ending.key
    return Message(
        account=key.account,
        region=key.region,
        function=key.name,
        function_arn=_arn(key),
        target=target,
        body=body,
        made_ms=ending.ended_ms,
        succeeded=ending.condition == SUCCESS,
        trace_header=found.trace_header,
    )


def _arn(key: QueueKey) -> str:
    return Scope(key.account, key.region).arn(key.name, key.qualifier or LATEST)
