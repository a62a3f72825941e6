"""boto3 calls with a template's values: numbers may be text there, and errors become one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambent.stacks.errors import ResourceError


def call(client: Any, operation: str, **parameters: Any) -> dict[str, Any]:
    """The operation's answer; raises `ResourceError` in AWS's words."""
    from botocore.exceptions import BotoCoreError, ClientError

    shape = client.meta.service_model.operation_model(_pascal(client, operation)).input_shape
    try:
        answer: dict[str, Any] = getattr(client, operation)(**_coerced(shape, parameters))
    except ClientError as error:
        said = error.response["Error"]
        request = error.response.get("ResponseMetadata", {}).get("RequestId", "")
        raise ResourceError(
            f"{said.get('Message') or said['Code']} (Service: {_service(client)}, Status Code: "
            f"{error.response['ResponseMetadata']['HTTPStatusCode']}, Request ID: {request})"
        ) from error
    except BotoCoreError as error:
        raise ResourceError(str(error)) from error
    return answer


def missing(error: ResourceError) -> bool:
    """Whether what was to be deleted, or looked at, is not there."""
    from botocore.exceptions import ClientError

    cause = error.__cause__
    if not isinstance(cause, ClientError):
        return False
    code = str(cause.response["Error"]["Code"])
    return (
        code in ("404", "NoSuchEntity", "NoSuchBucket", "NotFound")
        or "NotFound" in code
        or ("NonExistent" in code)
    )


def delete(client: Any, operation: str, **parameters: Any) -> None:
    """As `call`; what is gone already is as good as deleted."""
    try:
        call(client, operation, **parameters)
    except ResourceError as error:
        if not missing(error):
            raise


def _pascal(client: Any, operation: str) -> str:
    name: str = client.meta.method_to_api_mapping[operation]
    return name


def _service(client: Any) -> str:
    name: str = client.meta.service_model.service_id
    return name


def _coerced(shape: Any, value: Any) -> Any:
    """`value` as botocore's shape wants it: CloudFormation lets `"256"` be a number."""
    if value is None or shape is None:
        return value
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        members = shape.members
        return {k: _coerced(members[k], v) if k in members else v for k, v in value.items()}
    if kind == "list" and isinstance(value, list):
        return [_coerced(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, Mapping):
        return {str(key): _coerced(shape.value, item) for key, item in value.items()}
    return _plain(kind, value)


def _plain(kind: str, value: Any) -> Any:
    if kind in ("integer", "long") and isinstance(value, str) and value.strip("-").isdecimal():
        return int(value)
    if kind in ("float", "double") and isinstance(value, str | int):
        return float(value)
    if kind == "boolean" and isinstance(value, str):
        return value.lower() == "true"
    if kind == "string" and isinstance(value, bool):
        return "true" if value else "false"
    if kind == "string" and isinstance(value, int | float):
        return str(value)
    return value
