"""What is kept of a function, its versions and its aliases.

Frozen Structs, written as JSON documents beside their key columns. They hold facts, not answers:
ARNs, defaults that follow from the name and AWS's spelling are made in `control/answers.py`.
A field that is added later needs a default, so that documents written before still load.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

LATEST: Final = 0
"""The number under which `$LATEST` is kept; published versions count from 1."""
LATEST_PUBLISHED: Final = -1
"""`$LATEST.PUBLISHED`: the one published version without a number of its own."""

State = Literal["Pending", "Active", "Inactive", "Failed"]
Architecture = Literal["x86_64", "arm64"]
UpdateStatus = Literal["InProgress", "Successful", "Failed"]


class Vpc(msgspec.Struct, frozen=True):
    subnet_ids: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    vpc_id: str = ""
    ipv6: bool = False


class FileSystem(msgspec.Struct, frozen=True):
    arn: str
    mount_path: str
    direct_s3_read: str = ""
    """Of S3 Files access points; empty: never given."""


class Logging(msgspec.Struct, frozen=True):
    format: Literal["Text", "JSON"] = "Text"
    application_level: str | None = None
    system_level: str | None = None
    group: str | None = None
    """None means `/aws/lambda/<function>`."""


class LayerUse(msgspec.Struct, frozen=True):
    """A layer version as a function keeps it; it may have been deleted since."""

    arn: str
    sha256: str
    """Hexadecimal: its package in `store/artifacts.py`."""
    size: int
    """Bytes of the zip."""
    unpacked: int
    signing_profile_version_arn: str = ""
    signing_job_arn: str = ""


class ImageConfig(msgspec.Struct, frozen=True):
    """What a function says instead of its container image; None: what the image says."""

    entry_point: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    working_directory: str | None = None


class Capacity(msgspec.Struct, frozen=True):
    """On which capacity provider a function runs; None follows from memory and runtime."""

    provider_arn: str
    max_concurrency: int | None = None
    gib_per_vcpu: float | None = None


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """How a version runs: everything that UpdateFunctionConfiguration can change."""

    runtime: str | None
    handler: str | None
    role: str
    runtime_version_arn: str = ""
    description: str = ""
    timeout_s: int = 3
    memory_mb: int = 128
    ephemeral_mb: int = 512
    environment: dict[str, str] | None = None
    """None: never given. AWS shows an empty map that was given."""
    sealed_environment: str = ""
    """The same sealed by KMS, which is how it is kept where there is one (`control/envelopes.py`)."""
    locked: str = ""
    """`Code: message` of KMS when it did not open the variables; never kept."""
    layers: tuple[LayerUse, ...] = ()
    """In order: of equal names the last one's wins."""
    vpc: Vpc | None = None
    dead_letter_arn: str = ""
    kms_key_arn: str = ""
    tracing_mode: Literal["PassThrough", "Active"] = "PassThrough"
    file_systems: tuple[FileSystem, ...] = ()
    snap_start: Literal["None", "PublishedVersions"] = "None"
    logging: Logging = Logging()
    image: ImageConfig | None = None

    capacity: Capacity | None = None
    """None: on demand."""
    tenant_isolation: bool = False
    """TenancyConfig PER_TENANT: environments are never shared between tenants."""


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """Which package a version runs, and for which processor."""

    sha256: str
    """Hexadecimal: the package's name in `store/artifacts.py`, or a container image's digest."""
    size: int
    """Bytes of the zip."""
    unpacked: int = 0
    """Bytes of what is in it."""
    architecture: Architecture = "x86_64"
    source_kms_key_arn: str = ""
    image_uri: str = ""
    """Of a container image, as it was given; empty for a zip package."""
    signing_profile_version_arn: str = ""
    """Of a package whose signature this server could verify when it came; shown, never believed:
    a deployment judges the package anew."""
    signing_job_arn: str = ""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version: `$LATEST`, or a published one, whose configuration and code never change."""

    number: int
    configuration: Configuration
    code: Code
    revision_id: str
    generation: str
    """New with every update of `$LATEST`: environments of another generation are not reused."""
    modified_ms: int
    state: State
    state_reason: str | None = None
    state_reason_code: str | None = None
    update_status: UpdateStatus | None = None
    """None while the function is being created: AWS shows none then."""
    update_reason: str | None = None
    update_reason_code: str | None = None
    served_code: Code | None = None
    """Of a container image whose update is under way, or has failed: what serves meanwhile."""
    published_description: str | None = None
    """PublishVersion's own description; None means the configuration's."""


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    version: str
    """A number or `$LATEST`."""
    description: str = ""
    weights: dict[str, float] = {}
    """Other version → its share of calls, 0..1; at most one entry."""
    revision_id: str


class Provisioned(msgspec.Struct, frozen=True, kw_only=True):
    """A provisioned concurrency configuration; how far it has come is the engine's knowledge."""

    requested: int
    modified_ms: int


class FunctionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Who may do what with a function, version or alias; its RevisionId is that of the latter."""

    statements: tuple[dict[str, Any], ...] = ()
    """Each in AWS's order of members, as GetPolicy shows it."""
    document: str = ""
    """The text that PutResourcePolicy was given; empty when the policy grew by AddPermission."""


class EventInvoke(msgspec.Struct, frozen=True, kw_only=True):
    """What PutFunctionEventInvokeConfig keeps of one qualifier."""

    modified_ms: int
    maximum_retry_attempts: int | None = None
    maximum_event_age_s: int | None = None
    on_success: str | None = None
    """An ARN; None shows an empty `OnSuccess`."""
    on_failure: str | None = None


class FunctionUrl(msgspec.Struct, frozen=True, kw_only=True):
    """A function URL; its address follows from `url_id` (`control/function_urls.py`)."""

    url_id: str
    auth_type: Literal["NONE", "AWS_IAM"]
    created_ms: int
    modified_ms: int
    invoke_mode: Literal["BUFFERED", "RESPONSE_STREAM"] = "BUFFERED"
    cors: dict[str, Any] | None = None
    """By AWS's names."""


class RuntimeManagement(msgspec.Struct, frozen=True, kw_only=True):
    update_on: Literal["Auto", "Manual", "FunctionUpdate"] = "Auto"
    runtime_version_arn: str | None = None


class Scaling(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the environments of a version on a capacity provider; None is no bound."""

    least: int | None = None
    most: int | None = None


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to a function as a whole."""

    account: str
    region: str
    name: str
    tags: dict[str, str] = {}
    reserved_concurrency: int | None = None
    provisioned: dict[str, Provisioned] = {}
    """By qualifier: a version's number or an alias's name; at most one leads to any version."""
    scaling: dict[str, Scaling] = {}
    """By version, of those on a capacity provider."""
    last_version: int = 0
    """The highest number published; numbers are never reused."""
    policies: dict[str, FunctionPolicy] = {}
    """By qualifier, as the next three; `$LATEST` is the function without one."""
    event_invokes: dict[str, EventInvoke] = {}
    urls: dict[str, FunctionUrl] = {}
    runtime_managements: dict[str, RuntimeManagement] = {}
    code_signing_config_arn: str = ""
    recursive_loop: Literal["Terminate", "Allow"] = "Terminate"


class CodeSigningConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Whose signatures functions take, and what happens to packages without one."""

    config_id: str
    publishers: tuple[str, ...]
    untrusted: Literal["Warn", "Enforce"] = "Warn"
    description: str = ""
    modified_ms: int
    tags: dict[str, str] = {}


SHARD_END: Final = "SHARD_END"
"""Instead of a sequence number: a closed shard that has been read."""


class EventSourceMapping(msgspec.Struct, frozen=True, kw_only=True):
    """What an event source feeds, and how. `config` holds members as AWS names and shows them."""

    uuid: str
    function: str
    qualifier: str | None = None
    """As it was given: FunctionArn keeps it."""
    state: Literal[
        "Creating", "Enabling", "Enabled", "Disabling", "Disabled", "Updating", "Deleting"
    ]
    enabled: bool = True
    reason: str = ""
    last_result: str | None = None
    modified_ms: int
    config: dict[str, Any] = {}
    tags: dict[str, str] = {}
    started_ms: int = 0
    """When it was made."""
    positions: dict[str, str] = {}
    """Of a stream: shard → the last sequence number that is done, or `SHARD_END`."""
