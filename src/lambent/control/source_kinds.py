"""The kinds of event sources: how each is told, what it takes and what it shows by default.

Data for `event_source_mappings` (LAMBDA.md 86–88 and the limits table; AWS API reference,
CreateEventSourceMapping). `polled` says whether this version reads from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lambent.errors import InvalidParameterValue

_COMMON: Final = frozenset(
    {
        "BatchSize", "FilterCriteria", "KMSKeyArn", "MetricsConfig", "LoggingConfig",
        "MaximumBatchingWindowInSeconds", "ProvisionedPollerConfig",
    }
)  # fmt: skip
_STREAM: Final = _COMMON | {
    "StartingPosition", "StartingPositionTimestamp", "DestinationConfig",
    "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "MaximumRetryAttempts",
    "ParallelizationFactor", "TumblingWindowInSeconds", "FunctionResponseTypes",
}  # fmt: skip
_KAFKA: Final = _COMMON | {
    "StartingPosition", "StartingPositionTimestamp", "DestinationConfig", "Topics",
    "SourceAccessConfigurations", "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError",
    "MaximumRetryAttempts", "FunctionResponseTypes",
}  # fmt: skip
_STREAM_DEFAULTS: Final[dict[str, Any]] = {
    "BatchSize": 100,
    "MaximumBatchingWindowInSeconds": 0,
    "ParallelizationFactor": 1,
    "DestinationConfig": {"OnFailure": {}},
    "MaximumRecordAgeInSeconds": -1,
    "BisectBatchOnFunctionError": False,
    "MaximumRetryAttempts": -1,
    "TumblingWindowInSeconds": 0,
    "FunctionResponseTypes": [],
}


@dataclass(frozen=True, slots=True)
class SourceKind:
    name: str
    takes: frozenset[str]
    defaults: Mapping[str, Any]
    positions: tuple[str, ...] = ()
    """Starting positions; where there are any, one must be given."""
    polled: bool = False
    reason: str = "User action"
    """StateTransitionReason of what the user asked for."""
    required: tuple[str, ...] = field(default=())


SQS: Final = SourceKind(
    "sqs",
    _COMMON | {"ScalingConfig", "FunctionResponseTypes"},
    {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": []},
    polled=True,
    reason="USER_INITIATED",
)
KINESIS: Final = SourceKind(
    "kinesis", _STREAM, _STREAM_DEFAULTS, ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"), polled=True
)
DYNAMODB: Final = SourceKind(
    "dynamodb", _STREAM, _STREAM_DEFAULTS, ("TRIM_HORIZON", "LATEST"), polled=True
)
_KAFKA_DEFAULTS: Final[dict[str, Any]] = {"BatchSize": 100, "DestinationConfig": {"OnFailure": {}}}
MSK: Final = SourceKind(
    "kafka",
    _KAFKA | {"AmazonManagedKafkaEventSourceConfig"},
    _KAFKA_DEFAULTS,
    ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"),
    required=("Topics",),
)
SELF_MANAGED: Final = SourceKind(
    "self-managed-kafka",
    _KAFKA | {"SelfManagedEventSource", "SelfManagedKafkaEventSourceConfig"},
    _KAFKA_DEFAULTS,
    ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"),
    required=("Topics",),
)
MQ: Final = SourceKind(
    "mq",
    _COMMON | {"Queues", "SourceAccessConfigurations"},
    {"BatchSize": 100},
    required=("Queues", "SourceAccessConfigurations"),
)
DOCUMENT_DB: Final = SourceKind(
    "rds",
    _COMMON
    | {
        "StartingPosition",
        "StartingPositionTimestamp",
        "SourceAccessConfigurations",
        "DocumentDBEventSourceConfig",
    },
    {"BatchSize": 100},
    ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"),
    required=("SourceAccessConfigurations", "DocumentDBEventSourceConfig"),
)

_BY_SERVICE: Final = {kind.name: kind for kind in (SQS, KINESIS, DYNAMODB, MSK, MQ, DOCUMENT_DB)}


def stream_of(arn: str) -> str:
    """The stream's own ARN, when that of one of its consumers was given."""
    return arn.partition("/consumer/")[0]


def kind_of(config: Mapping[str, Any]) -> SourceKind:
    """What a mapping reads from; raises AWS's refusal of anything else."""
    arn = config.get("EventSourceArn")
    if arn is None:
        if config.get("SelfManagedEventSource"):
            return SELF_MANAGED
        raise InvalidParameterValue("Unrecognized event source.")
    parts = arn.split(":", 5)
    kind = _BY_SERVICE.get(parts[2]) if len(parts) == 6 else None
    wrong_part = (
        kind is None
        or (kind is KINESIS and not parts[5].startswith("stream/"))
        or (kind is DYNAMODB and "/stream/" not in parts[5])
        or (kind is DOCUMENT_DB and not parts[5].startswith("cluster:"))
    )
    if kind is None or wrong_part:
        raise InvalidParameterValue("Unrecognized event source.")
    return kind
