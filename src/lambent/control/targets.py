"""What the engine must know to run a function: immutable, complete, pushed by `control`.

The hot path never asks the store. Whenever something that matters to running changes, `control`
builds a new `FunctionTargets` and hands it to its `TargetListener` (the engine's routing table).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

from lambent.store.records import FunctionUrl

LATEST = "$LATEST"
LOCKED: Final = "Locked"
"""In place of a state: KMS does not open the version's variables, and `state_reason` has its words."""


@dataclass(frozen=True, slots=True)
class VersionTarget:
    """One runnable function version ($LATEST or a number).

    `generation` changes whenever running environments must not serve it any more (code or
    configuration changed); environments are pooled by (`arn`, `generation`).
    """

    account: str
    region: str
    function_name: str
    version: str
    function_arn: str
    """Unqualified."""
    generation: str
    runtime: str | None
    """None for a container image."""
    handler: str | None
    architecture: str
    code_path: Path
    """The unpacked package; the sandbox shows it at /var/task."""
    layer_paths: tuple[Path, ...]
    """Unpacked layers in order; merged at /opt."""
    environment: Mapping[str, str]
    memory_mb: int
    timeout_s: int
    ephemeral_mb: int
    role_arn: str
    log_group: str
    log_format: Literal["Text", "JSON"] = "Text"
    application_log_level: str | None = None
    system_log_level: str | None = None
    tracing_mode: str = "PassThrough"
    snap_start: bool = False
    snap_start_asked: bool = False
    """It is one of those that AWS restores, too: errors of its snapshot are AWS's."""
    sample_event: str = ""
    """A file in the package with an event that a snapshot's trial runs; empty for none."""
    max_concurrency: int = 0
    """Invokes that one environment takes at once, on a capacity provider; 0: one, and the version
    runs on demand."""
    min_environments: int = 0
    max_environments: int | None = None
    """Both only with `max_concurrency`."""
    state: str = "Active"
    """AWS's word, as GetFunctionConfiguration shows it."""
    state_reason: str | None = None
    restoring: bool = False
    """It was Inactive, and is made ready again."""
    runtime_version_arn: str = ""
    image_uri: str = ""
    """Of a container image: repository@sha256:digest; empty for a zip package."""
    entry_point: tuple[str, ...] | None = None
    """Instead of the image's own, as the two that follow."""
    command: tuple[str, ...] | None = None
    working_directory: str | None = None
    file_systems: tuple[tuple[str, str], ...] = ()
    """ARNs of access points, each with the path where the function sees it."""
    tenant_isolation: bool = False
    """Environments are never shared between tenants (TenancyConfig)."""

    @property
    def arn(self) -> str:
        """Qualified: `…:function:name:version`."""
        return f"{self.function_arn}:{self.version}"


@dataclass(frozen=True, slots=True)
class AliasTarget:
    """An alias: its own version, and at most one other with the share of calls that it gets."""

    name: str
    version: str
    additional: tuple[tuple[str, float], ...] = ()
    """(version, weight in 0..1); the alias's own version gets the rest."""


@dataclass(frozen=True, slots=True)
class ProvisionedTarget:
    """How many environments of a version are kept ready."""

    requested: int
    stamp: int
    """Changes whenever it is put again: what failed before is then tried anew."""


@dataclass(frozen=True, slots=True)
class FunctionTargets:
    """Everything runnable of one function."""

    account: str
    region: str
    name: str
    arn: str
    """Unqualified."""
    reserved_concurrency: int | None
    versions: Mapping[str, VersionTarget]
    """By version, `$LATEST` included."""
    aliases: Mapping[str, AliasTarget] = field(default_factory=dict)
    provisioned: Mapping[str, ProvisionedTarget] = field(default_factory=dict)
    """By version."""
    recursive_loop: Literal["Terminate", "Allow"] = "Terminate"
    """Whether a chain of invokes that comes back here again and again is stopped."""
    urls: Mapping[str, FunctionUrl] = field(default_factory=dict)
    """Function URLs by alias, or `$LATEST`; what the gateway serves."""
    policies: Mapping[str, str] = field(default_factory=dict)
    """Resource-based policies as JSON, by version, alias, or `$LATEST` for the function's own."""


class TargetListener(Protocol):
    """Whoever must know what is runnable: the engine's routing table."""

    def function_changed(self, targets: FunctionTargets) -> None: ...

    def function_deleted(self, account: str, region: str, name: str) -> None: ...


class Prepared(NamedTuple):
    """What came of making a version's snapshot; all empty when it has one."""

    failed: str = ""
    """Why it cannot serve at all: its Init fails."""
    code: str = ""
    """AWS's StateReasonCode then."""
    standby: str = ""
    """Why its environments are started, not restored."""


class Preparer(Protocol):
    """Whoever makes snapshots: the engine."""

    async def prepare(self, target: VersionTarget) -> Prepared: ...


class Allocation(NamedTuple):
    """How far the engine has come with the provisioned environments of a version."""

    ready: int = 0
    failure: str = ""
    """AWS's StatusReason when the latest attempt failed, and nothing is left to be tried."""


class Allocator(Protocol):
    """Whoever keeps provisioned environments: the engine."""

    def allocation(self, account: str, region: str, name: str, version: str) -> Allocation: ...


class TargetListeners:
    """Several who must know; told one after the other."""

    def __init__(self, *listeners: TargetListener) -> None:
        self._listeners = listeners

    def function_changed(self, targets: FunctionTargets) -> None:
        for listener in self._listeners:
            listener.function_changed(targets)

    def function_deleted(self, account: str, region: str, name: str) -> None:
        for listener in self._listeners:
            listener.function_deleted(account, region, name)
