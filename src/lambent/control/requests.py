"""What the operations of this room are asked, member by member as AWS names them.

The API converts a validated request straight into these, so types, lengths, patterns and enums
have been checked; rules that concern several members or the state of things are checked here in
`control`. None means that a member was not given.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Request(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Members by AWS's names, snake_case inside."""


class FunctionCode(Request, frozen=True, kw_only=True):
    zip_file: bytes | None = None
    s3_bucket: str | None = None
    s3_key: str | None = None
    s3_object_version: str | None = None
    s3_object_storage_mode: str | None = None
    image_uri: str | None = None
    source_kms_key_arn: str | None = msgspec.field(name="SourceKMSKeyArn", default=None)


class VpcConfig(Request, frozen=True, kw_only=True):
    subnet_ids: tuple[str, ...] | None = None
    security_group_ids: tuple[str, ...] | None = None
    ipv6_allowed_for_dual_stack: bool | None = None


class DeadLetterConfig(Request, frozen=True, kw_only=True):
    target_arn: str | None = None


class Environment(Request, frozen=True, kw_only=True):
    variables: dict[str, str] | None = None


class TracingConfig(Request, frozen=True, kw_only=True):
    mode: Literal["PassThrough", "Active"] | None = None


class S3FilesConfig(Request, frozen=True, kw_only=True):
    direct_s3_read: str | None = msgspec.field(name="DirectS3Read", default=None)


class FileSystemConfig(Request, frozen=True, kw_only=True):
    arn: str
    local_mount_path: str
    s3_files_config: S3FilesConfig | None = msgspec.field(name="S3FilesConfig", default=None)


class EphemeralStorage(Request, frozen=True, kw_only=True):
    size: int


class SnapStart(Request, frozen=True, kw_only=True):
    apply_on: Literal["PublishedVersions", "None"] | None = None


class TenancyConfig(Request, frozen=True, kw_only=True):
    tenant_isolation_mode: Literal["PER_TENANT"]


class ImageConfig(Request, frozen=True, kw_only=True):
    entry_point: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    working_directory: str | None = None


class LoggingConfig(Request, frozen=True, kw_only=True):
    log_format: Literal["Text", "JSON"] | None = None
    application_log_level: str | None = None
    system_log_level: str | None = None
    log_group: str | None = None


class ConfigurationRequest(Request, frozen=True, kw_only=True):
    """What CreateFunction and UpdateFunctionConfiguration have in common."""

    function_name: str
    runtime: str | None = None
    role: str | None = None
    handler: str | None = None
    description: str | None = None
    timeout: int | None = None
    memory_size: int | None = None
    vpc_config: VpcConfig | None = None
    dead_letter_config: DeadLetterConfig | None = None
    environment: Environment | None = None
    kms_key_arn: str | None = msgspec.field(name="KMSKeyArn", default=None)
    tracing_config: TracingConfig | None = None
    layers: tuple[str, ...] | None = None
    file_system_configs: tuple[FileSystemConfig, ...] | None = None
    image_config: ImageConfig | None = None
    ephemeral_storage: EphemeralStorage | None = None
    snap_start: SnapStart | None = None
    logging_config: LoggingConfig | None = None
    capacity_provider_config: dict[str, Any] | None = None
    durable_config: dict[str, Any] | None = None
    runtime_config: dict[str, Any] | None = None
    accelerator_config: dict[str, Any] | None = None


class CreateFunction(ConfigurationRequest, frozen=True, kw_only=True):
    code: FunctionCode
    publish: bool = False
    publish_to: str | None = None
    package_type: Literal["Zip", "Image"] = "Zip"
    tags: dict[str, str] | None = None
    code_signing_config_arn: str | None = None
    architectures: tuple[Literal["x86_64", "arm64"], ...] | None = None
    tenancy_config: TenancyConfig | None = None


class UpdateFunctionConfiguration(ConfigurationRequest, frozen=True, kw_only=True):
    revision_id: str | None = None


class UpdateFunctionCode(FunctionCode, frozen=True, kw_only=True):
    function_name: str
    architectures: tuple[Literal["x86_64", "arm64"], ...] | None = None
    publish: bool = False
    publish_to: str | None = None
    dry_run: bool = False
    revision_id: str | None = None


class QualifiedFunction(Request, frozen=True, kw_only=True):
    """GetFunction, GetFunctionConfiguration, DeleteFunction."""

    function_name: str
    qualifier: str | None = None


class UnqualifiedFunction(Request, frozen=True, kw_only=True):
    """GetFunctionConcurrency, DeleteFunctionConcurrency."""

    function_name: str


class ListFunctions(Request, frozen=True, kw_only=True):
    master_region: str | None = None
    function_version: Literal["ALL"] | None = None
    marker: str | None = None
    max_items: int | None = None


class PublishVersion(Request, frozen=True, kw_only=True):
    function_name: str
    code_sha256: str | None = None
    description: str | None = None
    revision_id: str | None = None
    publish_to: str | None = None


class ListVersionsByFunction(Request, frozen=True, kw_only=True):
    function_name: str
    marker: str | None = None
    max_items: int | None = None


class RoutingConfig(Request, frozen=True, kw_only=True):
    additional_version_weights: dict[str, float] | None = None


class CreateAlias(Request, frozen=True, kw_only=True):
    function_name: str
    name: str
    function_version: str
    description: str | None = None
    routing_config: RoutingConfig | None = None


class UpdateAlias(Request, frozen=True, kw_only=True):
    function_name: str
    name: str
    function_version: str | None = None
    description: str | None = None
    routing_config: RoutingConfig | None = None
    revision_id: str | None = None


class NamedAlias(Request, frozen=True, kw_only=True):
    """GetAlias, DeleteAlias."""

    function_name: str
    name: str


class ListAliases(Request, frozen=True, kw_only=True):
    function_name: str
    function_version: str | None = None
    marker: str | None = None
    max_items: int | None = None


class PutFunctionConcurrency(Request, frozen=True, kw_only=True):
    function_name: str
    reserved_concurrent_executions: int


class PutProvisionedConcurrency(Request, frozen=True, kw_only=True):
    function_name: str
    qualifier: str
    provisioned_concurrent_executions: int


class ProvisionedFunction(Request, frozen=True, kw_only=True):
    """GetProvisionedConcurrencyConfig, DeleteProvisionedConcurrencyConfig."""

    function_name: str
    qualifier: str


class ListProvisionedConcurrency(Request, frozen=True, kw_only=True):
    function_name: str
    marker: str | None = None
    max_items: int | None = None


class GetAccountSettings(Request, frozen=True, kw_only=True):
    """Asks nothing."""
