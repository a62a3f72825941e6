"""Kinesis streams and DynamoDB's, read alike: shards, iterators, records.

Everything here blocks and is called in threads. A record comes as the function gets it and as
filters see it (AWS Lambda developer guide, "Using Lambda with Kinesis" and "… DynamoDB"; LAMBDA.md
90). Next: `streams` reads shards with it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Record:
    sequence: str
    arrived_s: float
    key: str
    """Records of one key stay in order."""
    seen: Mapping[str, Any]
    """What filters look at."""
    event: Mapping[str, Any]
    """Less what only the mapping knows."""
    size: int


class Shard(NamedTuple):
    id: str
    parents: tuple[str, ...]


class Position(NamedTuple):
    kind: Literal["TRIM_HORIZON", "AFTER_SEQUENCE_NUMBER", "AT_TIMESTAMP"]
    sequence: str = ""
    time_s: float = 0.0
    """Older records are left out."""


class Page(NamedTuple):
    records: list[Record]
    next_iterator: str | None
    """None: the shard is closed and has been read to its end."""


class StreamApi(Protocol):
    """One stream."""

    service: str
    idle_s: float
    """Between two reads of a shard that has nothing new."""

    def shards(self, client: Any) -> list[Shard]: ...

    def iterator(self, client: Any, shard: str, position: Position) -> str: ...

    def read(self, client: Any, shard: str, iterator: str, limit: int) -> Page: ...


class KinesisStream:
    service, idle_s = "kinesis", 1.0

    def __init__(self, arn: str) -> None:
        self._arn = arn

    def shards(self, client: Any) -> list[Shard]:
        found: list[Shard] = []
        asked: dict[str, Any] = {"StreamARN": self._arn}
        while True:
            answer = client.list_shards(**asked)
            for shard in answer["Shards"]:
                parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
                found.append(Shard(shard["ShardId"], tuple(p for p in parents if p)))
            if not answer.get("NextToken"):
                return found
            asked = {"NextToken": answer["NextToken"], "StreamARN": self._arn}

    def iterator(self, client: Any, shard: str, position: Position) -> str:
        more: dict[str, Any] = {}
        if position.kind == "AFTER_SEQUENCE_NUMBER":
            more["StartingSequenceNumber"] = position.sequence
        elif position.kind == "AT_TIMESTAMP":
            more["Timestamp"] = position.time_s
        answer = client.get_shard_iterator(
            StreamARN=self._arn, ShardId=shard, ShardIteratorType=position.kind, **more
        )
        return str(answer["ShardIterator"])

    def read(self, client: Any, shard: str, iterator: str, limit: int) -> Page:
        answer = client.get_records(
            StreamARN=self._arn, ShardIterator=iterator, Limit=min(limit, 10_000)
        )
        records = [_kinesis_record(shard, each) for each in answer["Records"]]
        return Page(records, answer.get("NextShardIterator"))


class DynamoStream:
    service, idle_s = "dynamodbstreams", 0.25

    def __init__(self, arn: str) -> None:
        self._arn = arn

    def shards(self, client: Any) -> list[Shard]:
        found: list[Shard] = []
        asked: dict[str, Any] = {"StreamArn": self._arn}
        while True:
            answer = client.describe_stream(**asked)["StreamDescription"]
            for shard in answer["Shards"]:
                parent = shard.get("ParentShardId")
                found.append(Shard(shard["ShardId"], (parent,) if parent else ()))
            if not answer.get("LastEvaluatedShardId"):
                return found
            asked["ExclusiveStartShardId"] = answer["LastEvaluatedShardId"]

    def iterator(self, client: Any, shard: str, position: Position) -> str:
        # These streams know no times: all of their day is read, and the older records left out.
        asked = {"StreamArn": self._arn, "ShardId": shard}
        if position.kind == "AFTER_SEQUENCE_NUMBER":
            try:
                answer = client.get_shard_iterator(
                    **asked, ShardIteratorType=position.kind, SequenceNumber=position.sequence
                )
                return str(answer["ShardIterator"])
            except client.exceptions.TrimmedDataAccessException:
                pass  # older than what is kept: the oldest of that comes next
        answer = client.get_shard_iterator(**asked, ShardIteratorType="TRIM_HORIZON")
        return str(answer["ShardIterator"])

    def read(self, client: Any, shard: str, iterator: str, limit: int) -> Page:  # noqa: ARG002
        answer = client.get_records(ShardIterator=iterator, Limit=min(limit, 1_000))
        return Page([_dynamo_record(r) for r in answer["Records"]], answer.get("NextShardIterator"))


def api_of(kind: str, arn: str) -> StreamApi:
    return KinesisStream(arn) if kind == "kinesis" else DynamoStream(arn)


def _kinesis_record(shard: str, given: Mapping[str, Any]) -> Record:
    data: bytes = given["Data"]
    arrived_s = given["ApproximateArrivalTimestamp"].timestamp()
    kinesis = {
        "kinesisSchemaVersion": "1.0",
        "partitionKey": given["PartitionKey"],
        "sequenceNumber": given["SequenceNumber"],
        "data": base64.b64encode(data).decode(),
        "approximateArrivalTimestamp": arrived_s,
    }
    return Record(
        sequence=given["SequenceNumber"],
        arrived_s=arrived_s,
        key=given["PartitionKey"],
        seen={**kinesis, "data": data.decode("utf-8", "replace")},
        event={
            "kinesis": kinesis,
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard}:{given['SequenceNumber']}",
            "eventName": "aws:kinesis:record",
        },
        size=len(data),
    )


def _dynamo_record(given: Mapping[str, Any]) -> Record:
    change = given["dynamodb"]
    event = {
        name: _plain(given[name])
        for name in (
            "eventID", "eventName", "eventVersion", "eventSource", "awsRegion", "dynamodb",
            "userIdentity",
        )
        if name in given
    }  # fmt: skip
    made = change.get("ApproximateCreationDateTime")
    return Record(
        sequence=change["SequenceNumber"],
        arrived_s=made.timestamp() if isinstance(made, datetime) else 0.0,
        key=repr(sorted(change.get("Keys", {}).items())),
        seen=event,
        event=event,
        size=int(change.get("SizeBytes") or 0),
    )


def _plain(value: Any) -> Any:
    """JSON's kinds, as Lambda writes them: bytes in base64, times as seconds."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return value
