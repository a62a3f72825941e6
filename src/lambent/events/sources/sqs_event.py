"""What a function gets for SQS messages, and what its answer says about them.

AWS Lambda developer guide, "Using Lambda with Amazon SQS" and "Handling errors for an SQS event
source" (LAMBDA.md 89).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


def event(messages: Sequence[Mapping[str, Any]], arn: str, region: str) -> bytes:
    """The payload: one record per message."""
    records = [
        {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            **seen(message),
            "md5OfMessageAttributes": message.get("MD5OfMessageAttributes"),
            "md5OfBody": message.get("MD5OfBody"),
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
            "awsRegion": region,
        }
        for message in messages
    ]
    return msgspec.json.encode({"Records": records})


def seen(message: Mapping[str, Any]) -> dict[str, Any]:
    """The members that filters look at too."""
    return {
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()
        },
    }


def failures(payload: bytes, ids: set[str]) -> set[str] | None:
    """The ids that a ReportBatchItemFailures answer names; None means the whole batch.

    Nothing (null, an empty object or list) is a success; an item without an id of the batch, or
    text that is no JSON, makes the whole batch fail.
    """
    try:
        answer = msgspec.json.decode(payload or b"null")
    except (msgspec.DecodeError, RecursionError):
        return None
    if not answer:
        return set()
    items = answer.get("batchItemFailures") if isinstance(answer, dict) else None
    if not items:
        return set() if isinstance(answer, dict) else None
    named: set[Any] = {
        item.get("itemIdentifier") if isinstance(item, dict) else None
        for item in (items if isinstance(items, list) else [None])
    }
    return named if named <= ids else None


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value["DataType"],
    }
    if "StringValue" in value:
        shown["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        shown["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return shown
