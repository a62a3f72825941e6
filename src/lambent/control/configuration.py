"""A version's configuration from what a client asks: defaults, merging, and the rules.

CreateFunction applies a request to an empty configuration, UpdateFunctionConfiguration to the
present one; the rules are the same. Types, lengths and patterns have been checked by the API.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal

import msgspec

from lambent.control import capacity_config, images
from lambent.control.layers import Layers
from lambent.control.names import Scope
from lambent.control.requests import (
    ConfigurationRequest,
    CreateFunction,
    LoggingConfig,
    VpcConfig,
)
from lambent.control.runtime_rules import Runtimes, check
from lambent.errors import InvalidParameterValue, ValidationException
from lambent.store.records import Configuration, FileSystem, Logging, Vpc

EMPTY: Final = Configuration(runtime=None, handler=None, role="")
ENVIRONMENT_LIMIT: Final = 4_096
TIMEOUT_LIMIT_S: Final = 900
MEMORY_LIMIT_MB: Final = 10_240
MANAGED_MEMORY_LIMIT_MB: Final = 32_768
"""On a capacity provider."""
EPHEMERAL_LIMIT_MB: Final = 10_240

RESERVED_KEYS: Final = frozenset(
    {
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_METADATA_API",
        "AWS_LAMBDA_METADATA_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
    }
)
"""What Lambda itself sets (developer guide, Defined runtime environment variables)."""

_NOT_HERE: Final = {
    "durable_config": (
        "DurableConfig is not available in lambent: an invoke runs once, to its end, and no "
        "steps of it are kept. Please create the function without it."
    ),
    "runtime_config": (
        "RuntimeConfig is not available in lambent: there are no customer-managed runtimes. "
        "Please name a Runtime instead."
    ),
    "accelerator_config": (
        "AcceleratorConfig is not available in lambent: functions here have no accelerator "
        "devices. Please create the function without it."
    ),
}
"""Members that the model knows and that cannot be honoured: the sentence that says so."""


def apply(
    base: Configuration,
    request: ConfigurationRequest,
    *,
    scope: Scope,
    runtimes: Runtimes,
    layers: Layers,
    time_ms: int,
    change: Literal["create", "update"],
) -> Configuration:
    """`base` with everything that the request names; raises what AWS refuses."""
    refuse_unavailable(request)
    capacity = capacity_config.applied(base.capacity, request.capacity_provider_config)
    changed: dict[str, Any] = {
        "capacity": capacity,
        **_plain(request),
        **_limits(request, MEMORY_LIMIT_MB if capacity is None else MANAGED_MEMORY_LIMIT_MB),
        **_nested(request),
    }
    if request.runtime is not None:
        check(runtimes, request.runtime, change, time_ms)
        changed["runtime_version_arn"] = runtimes.version_arn(request.runtime, scope.region)
    if request.environment is not None:
        changed["environment"] = _environment(request.environment.variables or {})
        changed["sealed_environment"] = changed["locked"] = ""
    if request.layers is not None:
        changed["layers"] = layers.uses(scope, request.layers)
    if request.logging_config is not None:
        changed["logging"] = _logging(base.logging, request.logging_config)
    if request.vpc_config is not None:
        changed["vpc"] = _vpc(base.vpc, request.vpc_config)
    if isinstance(request, CreateFunction) and request.tenancy_config is not None:
        changed["tenant_isolation"] = True
    made = msgspec.structs.replace(base, **changed)
    if made.file_systems and not (made.vpc and made.vpc.subnet_ids):
        raise InvalidParameterValue(
            "Function must be configured to execute in a VPC to reference access point "
            f"{made.file_systems[0].arn}."
        )
    if made.tenant_isolation and made.snap_start == "PublishedVersions":
        raise InvalidParameterValue("SnapStart is not supported for functions with TenancyConfig.")
    return made


def in_vpc(made: Configuration, vpc_id: str | None) -> Configuration:
    """With the VPC that EC2 told; without EC2 `_vpc_id` has made one up."""
    if vpc_id is None or made.vpc is None or not made.vpc.subnet_ids:
        return made
    return msgspec.structs.replace(made, vpc=msgspec.structs.replace(made.vpc, vpc_id=vpc_id))


def refuse_unavailable(request: msgspec.Struct) -> None:
    """Say plainly what would otherwise be accepted and then not happen."""
    for field, refusal in _NOT_HERE.items():
        if getattr(request, field, None):
            raise InvalidParameterValue(refusal)
    for system in getattr(request, "file_system_configs", None) or ():
        if system.s3_files_config is not None and ":s3files:" not in system.arn:
            raise InvalidParameterValue(
                "S3FilesConfig is valid only for Amazon S3 Files access points."
            )


def _plain(request: ConfigurationRequest) -> dict[str, Any]:
    given = {
        "runtime": request.runtime,
        "role": request.role,
        "handler": request.handler,
        "description": request.description,
        "kms_key_arn": request.kms_key_arn,
    }
    return {name: value for name, value in given.items() if value is not None}


def _limits(request: ConfigurationRequest, memory_limit_mb: int) -> dict[str, int]:
    """Numbers; the model allows more than functions on demand may have."""
    changed: dict[str, int] = {}
    if request.timeout is not None:
        _at_most("timeout", request.timeout, TIMEOUT_LIMIT_S)
        changed["timeout_s"] = request.timeout
    if request.memory_size is not None:
        if request.memory_size > memory_limit_mb:
            raise InvalidParameterValue(
                "'MemorySize' value failed to satisfy constraint: "
                f"Member must have value less than or equal to {memory_limit_mb}"
            )
        changed["memory_mb"] = request.memory_size
    if request.ephemeral_storage is not None:
        _at_most("ephemeralStorage.size", request.ephemeral_storage.size, EPHEMERAL_LIMIT_MB)
        changed["ephemeral_mb"] = request.ephemeral_storage.size
    return changed


def _at_most(path: str, value: int, limit: int) -> None:
    if value > limit:
        raise ValidationException(
            f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy "
            f"constraint: Member must have value less than or equal to {limit}"
        )


def _nested(request: ConfigurationRequest) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    if request.dead_letter_config is not None:
        changed["dead_letter_arn"] = request.dead_letter_config.target_arn or ""
    if request.tracing_config is not None:
        changed["tracing_mode"] = request.tracing_config.mode or "PassThrough"
    if request.snap_start is not None:
        changed["snap_start"] = request.snap_start.apply_on or "None"
    if request.file_system_configs is not None:
        changed["file_systems"] = tuple(
            FileSystem(
                system.arn,
                system.local_mount_path,
                (system.s3_files_config and system.s3_files_config.direct_s3_read) or "",
            )
            for system in request.file_system_configs
        )
    if request.image_config is not None:
        changed["image"] = images.config(request.image_config)
    return changed


def _environment(variables: dict[str, str]) -> dict[str, str]:
    reserved = [name for name in variables if name in RESERVED_KEYS]
    if reserved:
        raise InvalidParameterValue(
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided contains reserved keys that are currently not supported "
            f"for modification. Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = msgspec.json.encode(variables).decode()
    if len(measured.encode()) > ENVIRONMENT_LIMIT:
        raise InvalidParameterValue(
            "Lambda was unable to configure your environment variables because the environment "
            f"variables you have provided exceeded the 4KB limit. String measured: {measured}"
        )
    return variables


def _logging(old: Logging, request: LoggingConfig) -> Logging:
    """Partial updates keep the rest; JSON has levels, Text has none."""
    log_format = request.log_format or old.format
    group = request.log_group or old.group
    if log_format == "Text":
        if request.application_log_level or request.system_log_level:
            raise InvalidParameterValue(
                "ApplicationLogLevel and SystemLogLevel can only be set when LogFormat is JSON."
            )
        return Logging("Text", group=group)
    return Logging(
        "JSON",
        application_level=request.application_log_level or old.application_level or "INFO",
        system_level=request.system_log_level or old.system_level or "INFO",
        group=group,
    )


def _vpc(old: Vpc | None, request: VpcConfig) -> Vpc:
    """Kept and shown; functions here reach the network as the server's `network` setting says."""
    kept = old or Vpc()
    subnets = kept.subnet_ids if request.subnet_ids is None else request.subnet_ids
    groups = (
        kept.security_group_ids
        if request.security_group_ids is None
        else request.security_group_ids
    )
    if bool(subnets) != bool(groups):
        raise InvalidParameterValue(
            "SecurityGroupIds and SubnetIds must coexist or be both empty list."
        )
    wanted = request.ipv6_allowed_for_dual_stack
    return Vpc(
        subnet_ids=subnets,
        security_group_ids=groups,
        vpc_id=_vpc_id(subnets),
        ipv6=(kept.ipv6 if wanted is None else wanted) if subnets else False,
    )


def _vpc_id(subnets: tuple[str, ...]) -> str:
    """There is no EC2 to ask: a stable id stands in, so that clients see the member they expect."""
    if not subnets:
        return ""
    return f"vpc-{hashlib.sha256(subnets[0].encode()).hexdigest()[:17]}"
