"""What the operations of this room answer, member by member as AWS names them.

Made from the store's records: here stand AWS's defaults, the ARNs, and which members appear when
(LAMBDA.md 14–20, 28–30, 36, 69–71). UNSET members are left out of the answer.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from lambent.clock import iso8601
from lambent.control import capacity_config
from lambent.control.names import Scope, version_name
from lambent.store.records import (
    LATEST,
    Alias,
    Configuration,
    FileSystem,
    Function,
    ImageConfig,
    LayerUse,
    Logging,
    Version,
    Vpc,
)


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Members by AWS's names, snake_case inside."""


class FunctionConfiguration(Answer, frozen=True, kw_only=True):
    function_name: str
    function_arn: str
    runtime: str | UnsetType = UNSET
    role: str
    handler: str | UnsetType = UNSET
    code_size: int
    description: str
    timeout: int
    memory_size: int
    last_modified: str
    code_sha256: str
    version: str
    vpc_config: dict[str, Any] | UnsetType = UNSET
    dead_letter_config: dict[str, str] | UnsetType = UNSET
    environment: dict[str, dict[str, str]] | UnsetType = UNSET
    kms_key_arn: str | UnsetType = msgspec.field(name="KMSKeyArn", default=UNSET)
    tracing_config: dict[str, str]
    revision_id: str
    state: str | UnsetType = UNSET
    state_reason: str | UnsetType = UNSET
    state_reason_code: str | UnsetType = UNSET
    last_update_status: str | UnsetType = UNSET
    last_update_status_reason: str | UnsetType = UNSET
    last_update_status_reason_code: str | UnsetType = UNSET
    file_system_configs: list[dict[str, Any]] | UnsetType = UNSET
    layers: list[dict[str, Any]] | UnsetType = UNSET
    signing_profile_version_arn: str | UnsetType = UNSET
    signing_job_arn: str | UnsetType = UNSET
    package_type: str = "Zip"
    image_config_response: dict[str, Any] | UnsetType = UNSET
    architectures: list[str]
    ephemeral_storage: dict[str, int]
    snap_start: dict[str, str]
    runtime_version_config: dict[str, str] | UnsetType = UNSET
    logging_config: dict[str, str]
    capacity_provider_config: dict[str, Any] | UnsetType = UNSET
    tenancy_config: dict[str, str] | UnsetType = UNSET


class FunctionAnswer(Answer, frozen=True, kw_only=True):
    """GetFunction."""

    configuration: FunctionConfiguration
    code: dict[str, str]
    tags: dict[str, str] | UnsetType = UNSET
    concurrency: ConcurrencyAnswer | UnsetType = UNSET


class FunctionList(Answer, frozen=True, kw_only=True):
    functions: list[FunctionConfiguration]
    next_marker: str | UnsetType = UNSET


class VersionList(Answer, frozen=True, kw_only=True):
    versions: list[FunctionConfiguration]
    next_marker: str | UnsetType = UNSET


class AliasConfiguration(Answer, frozen=True, kw_only=True):
    alias_arn: str
    name: str
    function_version: str
    description: str
    routing_config: dict[str, dict[str, float]] | UnsetType = UNSET
    revision_id: str


class AliasList(Answer, frozen=True, kw_only=True):
    aliases: list[AliasConfiguration]
    next_marker: str | UnsetType = UNSET


class ConcurrencyAnswer(Answer, frozen=True, kw_only=True):
    reserved_concurrent_executions: int | UnsetType = UNSET


class ProvisionedAnswer(Answer, frozen=True, kw_only=True):
    function_arn: str | UnsetType = UNSET
    """In lists only."""
    requested_provisioned_concurrent_executions: int
    available_provisioned_concurrent_executions: int
    allocated_provisioned_concurrent_executions: int
    status: str
    status_reason: str | UnsetType = UNSET
    last_modified: str


class ProvisionedList(Answer, frozen=True, kw_only=True):
    provisioned_concurrency_configs: list[ProvisionedAnswer]
    next_marker: str | UnsetType = UNSET


class AccountAnswer(Answer, frozen=True, kw_only=True):
    account_limit: dict[str, int]
    account_usage: dict[str, int]


def configuration(
    function: Function, version: Version, qualifier: str | None, *, listed: bool = False
) -> FunctionConfiguration:
    """One version; its ARN ends as it was asked for. Lists leave the states out, as AWS does."""
    kept = version.configuration
    scope = Scope(function.account, function.region)
    described = version.published_description
    return FunctionConfiguration(
        function_name=function.name,
        function_arn=scope.arn(function.name, qualifier),
        runtime=kept.runtime or UNSET,
        role=kept.role,
        handler=kept.handler or UNSET,
        code_size=version.code.size,
        description=kept.description if described is None else described,
        timeout=kept.timeout_s,
        memory_size=kept.memory_mb,
        last_modified=iso8601(version.modified_ms),
        code_sha256=version.code.sha256
        if version.code.image_uri
        else code_sha256(version.code.sha256),
        package_type="Image" if version.code.image_uri else "Zip",
        image_config_response=UNSET if kept.image is None else _image_config(kept.image),
        version=version_name(version.number),
        vpc_config=UNSET if kept.vpc is None else _vpc(kept.vpc),
        dead_letter_config={"TargetArn": kept.dead_letter_arn} if kept.dead_letter_arn else UNSET,
        environment=_environment(kept),
        kms_key_arn=kept.kms_key_arn or UNSET,
        tracing_config={"Mode": kept.tracing_mode},
        revision_id=version.revision_id,
        file_system_configs=[_file_system(system) for system in kept.file_systems] or UNSET,
        layers=[_layer(use) for use in kept.layers] or UNSET,
        signing_profile_version_arn=version.code.signing_profile_version_arn or UNSET,
        signing_job_arn=version.code.signing_job_arn or UNSET,
        architectures=[version.code.architecture],
        ephemeral_storage={"Size": kept.ephemeral_mb},
        snap_start=_snap_start(kept, version),
        logging_config=_logging(kept.logging, function.name),
        capacity_provider_config=UNSET if kept.capacity is None else capacity_config.shown(kept),
        tenancy_config={"TenantIsolationMode": "PER_TENANT"} if kept.tenant_isolation else UNSET,
        **({} if listed else _states(function, version)),
    )


def _environment(kept: Configuration) -> dict[str, dict[str, str]] | UnsetType:
    if kept.locked:
        code, _, message = kept.locked.partition(": ")
        return {"Error": {"ErrorCode": code, "Message": message}}
    return UNSET if kept.environment is None else {"Variables": kept.environment}


def alias(scope: Scope, function: str, kept: Alias) -> AliasConfiguration:
    return AliasConfiguration(
        alias_arn=scope.arn(function, kept.name),
        name=kept.name,
        function_version=kept.version,
        description=kept.description,
        routing_config={"AdditionalVersionWeights": kept.weights} if kept.weights else UNSET,
        revision_id=kept.revision_id,
    )


def concurrency(reserved: int | None) -> ConcurrencyAnswer:
    return ConcurrencyAnswer(reserved_concurrent_executions=UNSET if reserved is None else reserved)


def code_sha256(hexadecimal: str) -> str:
    """AWS writes the digest of the zip in base64."""
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def shown_state(function: Function, version: Version) -> str:
    """On a capacity provider only published versions run, and only while they are let to."""
    if version.state != "Active" or version.configuration.capacity is None:
        return version.state
    if version.number == LATEST:
        return "ActiveNonInvocable"
    scaling = function.scaling.get(version_name(version.number))
    return "Deactivated" if scaling is not None and scaling.most == 0 else "Active"


def _states(function: Function, version: Version) -> dict[str, Any]:
    arn = version.configuration.runtime_version_arn
    return {
        "state": shown_state(function, version),
        "state_reason": version.state_reason or UNSET,
        "state_reason_code": version.state_reason_code or UNSET,
        "last_update_status": version.update_status or UNSET,
        "last_update_status_reason": version.update_reason or UNSET,
        "last_update_status_reason_code": version.update_reason_code or UNSET,
        "runtime_version_config": {"RuntimeVersionArn": arn} if arn else UNSET,
    }


def _layer(use: LayerUse) -> dict[str, Any]:
    shown: dict[str, Any] = {"Arn": use.arn, "CodeSize": use.size}
    if use.signing_job_arn:
        shown["SigningProfileVersionArn"] = use.signing_profile_version_arn
        shown["SigningJobArn"] = use.signing_job_arn
    return shown


def _vpc(vpc: Vpc) -> dict[str, Any]:
    return {
        "SubnetIds": list(vpc.subnet_ids),
        "SecurityGroupIds": list(vpc.security_group_ids),
        "VpcId": vpc.vpc_id,
        "Ipv6AllowedForDualStack": vpc.ipv6,
    }


def _file_system(kept: FileSystem) -> dict[str, Any]:
    shown: dict[str, Any] = {"Arn": kept.arn, "LocalMountPath": kept.mount_path}
    if kept.direct_s3_read:
        shown["S3FilesConfig"] = {"DirectS3Read": kept.direct_s3_read}
    return shown


def _image_config(kept: ImageConfig) -> dict[str, Any]:
    given = {
        "EntryPoint": None if kept.entry_point is None else list(kept.entry_point),
        "Command": None if kept.command is None else list(kept.command),
        "WorkingDirectory": kept.working_directory,
    }
    return {"ImageConfig": {name: value for name, value in given.items() if value is not None}}


def _snap_start(kept: Configuration, version: Version) -> dict[str, str]:
    """Snapshots exist of published versions only, once these are ready."""
    optimized = (
        kept.snap_start == "PublishedVersions"
        and version.number != LATEST
        and version.state == "Active"
        and version.state_reason is None
    )
    return {"ApplyOn": kept.snap_start, "OptimizationStatus": "On" if optimized else "Off"}


def _logging(kept: Logging, function: str) -> dict[str, str]:
    shown = {"LogFormat": kept.format, "LogGroup": log_group(kept, function)}
    if kept.application_level is not None:
        shown["ApplicationLogLevel"] = kept.application_level
    if kept.system_level is not None:
        shown["SystemLogLevel"] = kept.system_level
    return shown


def log_group(kept: Logging, function: str) -> str:
    return kept.group or f"/aws/lambda/{function}"
