"""What the members of an event source mapping may be, by the kind of its source.

From a request to the configuration that is kept, under AWS's names, or AWS's refusal
(LAMBDA.md 87 and the limits table; AWS API reference, CreateEventSourceMapping).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from lambent.control import filter_patterns
from lambent.control.requests import Request
from lambent.control.source_kinds import (
    DYNAMODB,
    KINESIS,
    MSK,
    SELF_MANAGED,
    SQS,
    SourceKind,
    kind_of,
)
from lambent.errors import InvalidParameterValue


class MappingMembers(Request, frozen=True, kw_only=True):
    """What both writing operations take."""

    enabled: bool | None = None
    batch_size: int | None = None
    filter_criteria: dict[str, Any] | None = None
    kms_key_arn: str | None = msgspec.field(name="KMSKeyArn", default=None)
    metrics_config: dict[str, Any] | None = None
    logging_config: dict[str, Any] | None = None
    scaling_config: dict[str, Any] | None = None
    maximum_batching_window_in_seconds: int | None = None
    parallelization_factor: int | None = None
    destination_config: dict[str, Any] | None = None
    maximum_record_age_in_seconds: int | None = None
    bisect_batch_on_function_error: bool | None = None
    maximum_retry_attempts: int | None = None
    tumbling_window_in_seconds: int | None = None
    source_access_configurations: list[dict[str, Any]] | None = None
    function_response_types: list[str] | None = None
    amazon_managed_kafka_event_source_config: dict[str, Any] | None = None
    self_managed_kafka_event_source_config: dict[str, Any] | None = None
    document_db_event_source_config: dict[str, Any] | None = msgspec.field(
        name="DocumentDBEventSourceConfig", default=None
    )
    provisioned_poller_config: dict[str, Any] | None = None


class CreateMapping(MappingMembers, frozen=True, kw_only=True):
    function_name: str
    event_source_arn: str | None = None
    starting_position: str | None = None
    starting_position_timestamp: datetime | None = None
    tags: dict[str, str] | None = None
    topics: list[str] | None = None
    queues: list[str] | None = None
    self_managed_event_source: dict[str, Any] | None = None


class UpdateMapping(MappingMembers, frozen=True, kw_only=True):
    uuid: str = msgspec.field(name="UUID")
    function_name: str | None = None


_NOT_KEPT: Final = frozenset({"UUID", "FunctionName", "Enabled", "Tags"})
_POSITION: Final = (
    "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: "
    "Member must not be null."
)


def created(request: CreateMapping) -> dict[str, Any]:
    """What a create asks for, checked against its kind of source; without defaults."""
    config = _members(request)
    kind = kind_of(config)
    _check_taken(kind, config)
    for member in kind.required:
        if not config.get(member):
            raise InvalidParameterValue(f"{member} must be specified for this event source.")
    _check_position(kind, config)
    _check_values(kind, {**kind.defaults, **config})
    return config


def updated(old: Mapping[str, Any], request: UpdateMapping) -> dict[str, Any]:
    """The old configuration with what an update names; an empty filter or scaling takes one away."""
    given = _members(request)
    kind = kind_of(old)
    _check_taken(kind, given)
    merged = {**old, **given}
    for member in ("FilterCriteria", "ScalingConfig", "ProvisionedPollerConfig"):
        if member in given and not any(given[member].values()):
            del merged[member]
    _check_values(kind, merged)
    if kind.defaults.get("DestinationConfig") is not None:
        merged["DestinationConfig"] = _destinations(merged.get("DestinationConfig"))
    return merged


def completed(
    kind: SourceKind, config: Mapping[str, Any], new_id: Callable[[], str]
) -> dict[str, Any]:
    """With the defaults that AWS shows."""
    full = {**kind.defaults, **config}
    if "DestinationConfig" in full:
        full["DestinationConfig"] = _destinations(full["DestinationConfig"])
    if full.get("BatchSize") == 0:
        full["BatchSize"] = kind.defaults["BatchSize"]
    for member, owner in (
        ("AmazonManagedKafkaEventSourceConfig", MSK),
        ("SelfManagedKafkaEventSourceConfig", SELF_MANAGED),
    ):
        if kind is owner:
            full[member] = {"ConsumerGroupId": new_id(), **full.get(member, {})}
    return full


def first_result(kind: SourceKind) -> str | None:
    """LastProcessingResult of a new mapping; AWS shows none for queues."""
    return None if kind is SQS else "No records processed"


def _members(request: MappingMembers) -> dict[str, Any]:
    values = msgspec.to_builtins(request, builtin_types=(datetime,))
    given = {k: v for k, v in values.items() if v is not None and k not in _NOT_KEPT}
    if isinstance(given.get("StartingPositionTimestamp"), datetime):
        given["StartingPositionTimestamp"] = given["StartingPositionTimestamp"].timestamp()
    return given


def _check_taken(kind: SourceKind, config: Mapping[str, Any]) -> None:
    for member in config.keys() - kind.takes - {"EventSourceArn"}:
        if config[member] in ([], {}):
            continue
        raise InvalidParameterValue(
            f"Unsupported {member} parameter for given event source mapping type."
        )
    _check_destination(config.get("DestinationConfig") or {})


def _check_destination(config: Mapping[str, Any]) -> None:
    """Mappings tell of failures only; an empty Destination takes one away, a missing one is none."""
    if config.get("OnSuccess"):
        raise InvalidParameterValue(
            "Unsupported DestinationConfig parameter for given event source mapping type."
        )
    if "OnFailure" in config and "Destination" not in config["OnFailure"]:
        raise InvalidParameterValue(
            "The Destination field is required for an OnFailure configuration."
        )


def _check_position(kind: SourceKind, config: Mapping[str, Any]) -> None:
    position = config.get("StartingPosition")
    if not kind.positions:
        return
    if position is None:
        raise InvalidParameterValue(_POSITION)
    if position not in kind.positions:
        raise InvalidParameterValue(
            f"Unsupported starting position for arn type: {config.get('EventSourceArn')}"
        )
    if (position == "AT_TIMESTAMP") != ("StartingPositionTimestamp" in config):
        raise InvalidParameterValue(
            "StartingPositionTimestamp must be specified if, and only if, StartingPosition is "
            "AT_TIMESTAMP."
        )


def _check_values(kind: SourceKind, config: Mapping[str, Any]) -> None:
    filters = (config.get("FilterCriteria") or {}).get("Filters") or []
    filter_patterns.check([each.get("Pattern") or "" for each in filters])
    size, window = config.get("BatchSize") or 0, config.get("MaximumBatchingWindowInSeconds") or 0
    if kind is SQS:
        _check_queue(config, size, window)
    tumbling = config.get("TumblingWindowInSeconds") or 0
    if tumbling and (config.get("ParallelizationFactor") or 1) > 1:
        raise InvalidParameterValue(
            "ParallelizationFactor must be 1 when TumblingWindowInSeconds is set."
        )
    age = config.get("MaximumRecordAgeInSeconds", -1)
    if kind in (KINESIS, DYNAMODB) and -1 < age < 60:
        raise InvalidParameterValue(
            "MaximumRecordAgeInSeconds must be -1 or between 60 and 604800."
        )
    _check_pollers(config)


def _check_queue(config: Mapping[str, Any], size: int, window: int) -> None:
    if config["EventSourceArn"].endswith(".fifo"):
        if size > 10:
            raise InvalidParameterValue("Maximum batch size for FIFO queues is 10.")
        if window:
            raise InvalidParameterValue("Batching window is not supported for FIFO queues.")
    elif size > 10 and not window:
        raise InvalidParameterValue(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            "greater than 10"
        )
    if config.get("ScalingConfig") and config.get("ProvisionedPollerConfig"):
        raise InvalidParameterValue(
            "ScalingConfig and ProvisionedPollerConfig cannot be specified together."
        )


def _check_pollers(config: Mapping[str, Any]) -> None:
    pollers = config.get("ProvisionedPollerConfig") or {}
    least, most = pollers.get("MinimumPollers"), pollers.get("MaximumPollers")
    if least is not None and most is not None and least > most:
        raise InvalidParameterValue("MinimumPollers must not be greater than MaximumPollers.")


def _destinations(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Mappings show the place of a failure's destination, and no other."""
    failure = (config or {}).get("OnFailure") or {}
    return {"OnFailure": {k: v for k, v in failure.items() if v}}
