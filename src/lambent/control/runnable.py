"""From what exists to what can run: the `FunctionTargets` that the engine routes by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast, get_args

import msgspec

from lambent import own_tags
from lambent.control import capacity_config, policies
from lambent.control.answers import log_group, shown_state
from lambent.control.bundle import Bundle
from lambent.control.images import resolved
from lambent.control.names import version_name
from lambent.control.state import RESTORING
from lambent.control.targets import (
    LOCKED,
    AliasTarget,
    FunctionTargets,
    ProvisionedTarget,
    VersionTarget,
)
from lambent.own_tags import Snapshots
from lambent.store.records import LATEST, Alias, ImageConfig, Scaling, Version


def targets(
    bundle: Bundle,
    tree: Callable[[str], Path],
    previous: FunctionTargets | None,
    snapshots: Snapshots = "published",
) -> FunctionTargets:
    """All of a function's targets; an update in progress, or failed, leaves the previous `$LATEST` serving."""
    served = {} if previous is None else previous.versions
    made: dict[str, VersionTarget] = {}
    for number, version in bundle.versions.items():
        name = version_name(number)
        unfinished = version.update_status == "InProgress" or (
            version.update_status == "Failed" and version.state == "Active"
        )
        if unfinished and name in served:
            made[name] = served[name]
        elif unfinished and version.served_code is not None:  # since a restart
            old = msgspec.structs.replace(version, code=version.served_code)
            made[name] = version_target(bundle, old, tree, snapshots)
        else:
            made[name] = version_target(bundle, version, tree, snapshots)
    return FunctionTargets(
        account=bundle.function.account,
        region=bundle.function.region,
        name=bundle.function.name,
        arn=bundle.arn,
        reserved_concurrency=bundle.function.reserved_concurrency,
        versions=made,
        aliases={name: _alias(alias) for name, alias in bundle.aliases.items()},
        provisioned=dict(_provisioned(bundle)),
        recursive_loop=bundle.function.recursive_loop,
        urls=bundle.function.urls,
        policies={
            where: kept.document or policies.document(kept)
            for where, kept in bundle.function.policies.items()
        },
    )


def _restored(bundle: Bundle, version: Version, snapshots: Snapshots) -> bool:
    """Published versions as AWS has it, and what the function's tag or this server adds to it."""
    tag = bundle.function.tags.get(own_tags.SNAPSHOTS)
    if tag in get_args(Snapshots):
        snapshots = cast(Snapshots, tag)
    if snapshots == "all":
        return not version.configuration.tenant_isolation
    if snapshots == "latest":
        return version.configuration.snap_start == "PublishedVersions"
    return _asked(version)


def _asked(version: Version) -> bool:
    """As on AWS: SnapStart applies to published versions."""
    return version.number != LATEST and version.configuration.snap_start == "PublishedVersions"


def version_target(
    bundle: Bundle,
    version: Version,
    tree: Callable[[str], Path],
    snapshots: Snapshots = "published",
) -> VersionTarget:
    """One version as the engine runs it."""
    kept = version.configuration
    image = kept.image or ImageConfig()
    scaling = bundle.function.scaling.get(version_name(version.number), Scaling())
    return VersionTarget(
        account=bundle.function.account,
        region=bundle.function.region,
        function_name=bundle.function.name,
        version=version_name(version.number),
        function_arn=bundle.arn,
        generation=version.generation,
        runtime=kept.runtime,
        handler=kept.handler,
        architecture=version.code.architecture,
        code_path=tree(version.code.sha256),
        layer_paths=tuple(tree(use.sha256) for use in kept.layers),
        environment=kept.environment or {},
        memory_mb=kept.memory_mb,
        timeout_s=kept.timeout_s,
        ephemeral_mb=kept.ephemeral_mb,
        role_arn=kept.role,
        log_group=log_group(kept.logging, bundle.function.name),
        log_format=kept.logging.format,
        application_log_level=kept.logging.application_level,
        system_log_level=kept.logging.system_level,
        tracing_mode=kept.tracing_mode,
        snap_start=_restored(bundle, version, snapshots),
        snap_start_asked=_asked(version),
        sample_event=bundle.function.tags.get(own_tags.SAMPLE_EVENT, ""),
        max_concurrency=capacity_config.max_concurrency(kept),
        min_environments=(scaling.least or 0) if kept.capacity is not None else 0,
        max_environments=scaling.most if kept.capacity is not None else None,
        state=LOCKED if kept.locked else shown_state(bundle.function, version),
        state_reason=kept.locked or version.state_reason,
        restoring=version.state == "Pending" and version.state_reason_code == RESTORING,
        runtime_version_arn=kept.runtime_version_arn,
        image_uri=resolved(version.code) if version.code.image_uri else "",
        entry_point=image.entry_point,
        command=image.command,
        working_directory=image.working_directory,
        file_systems=tuple((system.arn, system.mount_path) for system in kept.file_systems),
        tenant_isolation=kept.tenant_isolation,
    )


def _provisioned(bundle: Bundle) -> Iterator[tuple[str, ProvisionedTarget]]:
    """By the version that a configuration leads to, now; an alias takes its own along."""
    for qualifier, kept in bundle.function.provisioned.items():
        alias = bundle.aliases.get(qualifier)
        version = qualifier if alias is None else alias.version
        yield version, ProvisionedTarget(kept.requested, kept.modified_ms)


def _alias(alias: Alias) -> AliasTarget:
    return AliasTarget(
        name=alias.name, version=alias.version, additional=tuple(alias.weights.items())
    )
