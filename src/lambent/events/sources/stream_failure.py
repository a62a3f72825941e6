"""What the destination of a stream's mapping is told of a batch that was given up.

(LAMBDA.md 90; AWS Lambda developer guide, "Retaining discarded batch records".) A bucket gets the
whole event too; queues and topics get where to find it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from lambent.clock import iso8601, new_uuid
from lambent.engine.invocation import Outcome
from lambent.events.sources.stream_api import Record

Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded"]


class GivenUp(msgspec.Struct, frozen=True, kw_only=True):
    """A batch, and how its last try ended."""

    shard: str
    records: Sequence[Any]
    condition: Condition
    tries: int
    request_id: str
    outcome: Outcome | None


def record(
    given_up: GivenUp, *, service: str, stream: str, function_arn: str, now_ms: int
) -> dict[str, Any]:
    """The invocation record, less the payload."""
    records: Sequence[Record] = given_up.records
    whole: dict[str, Any] = {
        "requestContext": {
            "requestId": given_up.request_id,
            "functionArn": function_arn,
            "condition": given_up.condition,
            "approximateInvokeCount": given_up.tries,
        }
    }
    outcome = given_up.outcome
    if outcome is not None and given_up.condition != "RecordAgeExceeded":
        whole["responseContext"] = {
            "statusCode": 200,
            "executedVersion": outcome.executed_version,
            "functionError": outcome.function_error,
        }
    whole["version"] = "1.0"
    whole["timestamp"] = iso8601(now_ms, offset="Z")
    member = "KinesisBatchInfo" if service == "kinesis" else "DDBStreamBatchInfo"
    whole[member] = {
        "shardId": given_up.shard,
        "startSequenceNumber": records[0].sequence,
        "endSequenceNumber": records[-1].sequence,
        "approximateArrivalOfFirstRecord": _time(records[0]),
        "approximateArrivalOfLastRecord": _time(records[-1]),
        "batchSize": len(records),
        "streamArn": stream,
    }
    return whole


def object_key(uuid: str, shard: str, now_ms: int) -> str:
    made = datetime.fromtimestamp(now_ms / 1000, UTC)
    return f"aws/lambda/{uuid}/{shard}/{made:%Y/%m/%d}/{made:%Y-%m-%dT%H.%M.%S}-{new_uuid()}"


def _time(record: Record) -> str:
    return iso8601(int(record.arrived_s * 1000), offset="Z")
