"""Capacity providers: the machines that functions with several invokes per environment run on.

On AWS they are EC2 instances of the account; here the provider is this host, and what concerns
instances (subnets, types, scaling policies) is kept and shown. What a function takes from it
is in its `CapacityProviderConfig`. (AWS Lambda developer guide, "Lambda Managed Instances".)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from lambent.clock import Clock, iso8601
from lambent.control.answers import shown_state
from lambent.control.capacity_requests import (
    CapacityProviderAnswer,
    CapacityProviderList,
    CreateCapacityProvider,
    ListCapacityProviders,
    ListVersionsByCapacityProvider,
    NamedCapacityProvider,
    ProviderVersion,
    ProviderVersionList,
    UpdateCapacityProvider,
)
from lambent.control.names import Scope, partition, version_name
from lambent.control.paging import page
from lambent.control.registry import Registry
from lambent.errors import (
    CapacityProviderLimitExceeded,
    InvalidParameterValue,
    ResourceConflict,
    ResourceNotFound,
)
from lambent.store import capacity_providers as rows
from lambent.store.capacity_providers import CapacityProvider
from lambent.store.database import Database
from lambent.store.records import LATEST

MAX_PROVIDERS: Final = 1_000
DEFAULT_SCALING: Final[dict[str, Any]] = {"MaxVCpuCount": 400, "ScalingMode": "Auto"}


class _Gone(NamedTuple):
    kept: CapacityProvider
    until: float


class CapacityProviders:
    """Create, get, list, update and delete; and which function versions use one."""

    def __init__(
        self, database: Database, registry: Registry, clock: Clock, state_delay_s: float
    ) -> None:
        self._database = database
        self._registry = registry
        self._clock = clock
        self._state_delay_s = state_delay_s
        self._kept: dict[Scope, dict[str, CapacityProvider]] = {}
        self._pending: dict[tuple[Scope, str], float] = {}
        """Until when one is shown as Pending."""
        self._deleting: dict[tuple[Scope, str], _Gone] = {}

    async def open(self) -> None:
        for account, region, kept in await self._database.read(_load):
            self._kept.setdefault(Scope(account, region), {})[kept.name] = kept

    async def create(self, scope: Scope, request: CreateCapacityProvider) -> CapacityProviderAnswer:
        """CreateCapacityProvider."""
        name = _name(scope, request.capacity_provider_name)
        requirements = request.instance_requirements or {}
        if requirements.get("AllowedInstanceTypes") and requirements.get("ExcludedInstanceTypes"):
            raise InvalidParameterValue(
                "AllowedInstanceTypes and ExcludedInstanceTypes cannot be given together."
            )
        kept = CapacityProvider(
            name=name,
            subnet_ids=request.vpc_config.subnet_ids,
            security_group_ids=request.vpc_config.security_group_ids,
            operator_role=request.permissions_config.capacity_provider_operator_role_arn,
            modified_ms=self._clock.time_ms(),
            requirements={"Architectures": ["x86_64"], **requirements},
            scaling=_scaling(DEFAULT_SCALING, request.capacity_provider_scaling_config),
            kms_key_arn=request.kms_key_arn or "",
            tags=request.tags or {},
            propagate_tags=request.propagate_tags,
            telemetry=request.telemetry_config,
        )
        async with self._registry.exclusive(scope):
            present = self._kept.setdefault(scope, {})
            if name in present or self._is_deleting(scope, name):
                raise ResourceConflict(f"Capacity provider already exists: {_arn(scope, name)}")
            if len(present) >= MAX_PROVIDERS:
                raise CapacityProviderLimitExceeded(
                    f"The account has {MAX_PROVIDERS} capacity providers, which is the limit."
                )
            await self._put(scope, kept)
            self._pending[scope, name] = self._clock.monotonic() + self._state_delay_s
        return CapacityProviderAnswer(capacity_provider=_shown(scope, kept, "Pending"))

    async def get(self, scope: Scope, request: NamedCapacityProvider) -> CapacityProviderAnswer:
        """GetCapacityProvider."""
        name = _name(scope, request.capacity_provider_name)
        if self._is_deleting(scope, name):
            kept = self._deleting[scope, name].kept
            return CapacityProviderAnswer(capacity_provider=_shown(scope, kept, "Deleting"))
        kept = self._find(scope, name)
        shown = _shown(scope, kept, self._state(scope, name))
        return CapacityProviderAnswer(capacity_provider=shown)

    async def list(self, scope: Scope, request: ListCapacityProviders) -> CapacityProviderList:
        """ListCapacityProviders, all or those of one state."""
        found = [
            (kept, self._state(scope, name)) for name, kept in self._kept.get(scope, {}).items()
        ]
        for where, name in list(self._deleting):
            if where == scope and self._is_deleting(scope, name):
                found.append((self._deleting[scope, name].kept, "Deleting"))
        wanted = [each for each in found if request.state in (None, each[1])]
        shown, marker = page(wanted, lambda each: [each[0].name], request.marker, request.max_items)
        return CapacityProviderList(
            capacity_providers=[_shown(scope, kept, state) for kept, state in shown],
            next_marker=marker,
        )

    async def update(self, scope: Scope, request: UpdateCapacityProvider) -> CapacityProviderAnswer:
        """UpdateCapacityProvider: only what is named changes."""
        name = _name(scope, request.capacity_provider_name)
        async with self._registry.exclusive(scope):
            old = self._find(scope, name)
            kept = msgspec.structs.replace(
                old,
                modified_ms=self._clock.time_ms(),
                scaling=_scaling(old.scaling, request.capacity_provider_scaling_config),
                propagate_tags=request.propagate_tags or old.propagate_tags,
                telemetry=request.telemetry_config or old.telemetry,
            )
            await self._put(scope, kept)
        shown = _shown(scope, kept, self._state(scope, name))
        return CapacityProviderAnswer(capacity_provider=shown)

    async def delete(self, scope: Scope, request: NamedCapacityProvider) -> CapacityProviderAnswer:
        """DeleteCapacityProvider: not while function versions use it."""
        name = _name(scope, request.capacity_provider_name)
        async with self._registry.exclusive(scope):
            kept = self._find(scope, name)
            arn = _arn(scope, name)
            if self._users(scope, arn) or self._latest_users(scope, arn):
                raise ResourceConflict(
                    f"The capacity provider {arn} is used by function versions. "
                    "Please delete them first."
                )
            await self._database.write(lambda c: rows.delete(c, *scope, name))
            del self._kept[scope][name]
            self._pending.pop((scope, name), None)
            gone = _Gone(kept, self._clock.monotonic() + self._state_delay_s)
            self._deleting[scope, name] = gone
        return CapacityProviderAnswer(capacity_provider=_shown(scope, kept, "Deleting"))

    async def versions(
        self, scope: Scope, request: ListVersionsByCapacityProvider
    ) -> ProviderVersionList:
        """ListFunctionVersionsByCapacityProvider: the published versions that run on it."""
        name = _name(scope, request.capacity_provider_name)
        self._find(scope, name)
        arn = _arn(scope, name)
        shown, marker = page(
            self._users(scope, arn),
            lambda each: [each.function_arn],
            request.marker,
            request.max_items,
        )
        return ProviderVersionList(
            capacity_provider_arn=arn, function_versions=shown, next_marker=marker
        )

    def read_tags(self, scope: Scope, name: str) -> Mapping[str, str]:
        return self._find(scope, name).tags

    async def change_tags(
        self, scope: Scope, name: str, retag: Callable[[Mapping[str, str]], dict[str, str]]
    ) -> None:
        async with self._registry.exclusive(scope):
            old = self._find(scope, name)
            await self._put(scope, msgspec.structs.replace(old, tags=retag(old.tags)))

    def check(self, scope: Scope, arn: str) -> None:
        """A function names this provider: there must be one."""
        name = _name(scope, arn)
        if name not in self._kept.get(scope, {}):
            raise ResourceNotFound(f"Capacity provider not found: {arn}")

    def _users(self, scope: Scope, arn: str) -> tuple[ProviderVersion, ...]:
        return tuple(
            ProviderVersion(
                function_arn=f"{bundle.arn}:{version_name(number)}",
                state=shown_state(bundle.function, version),
            )
            for bundle in self._registry.all(scope)
            for number, version in bundle.versions.items()
            if number != LATEST
            and version.configuration.capacity is not None
            and version.configuration.capacity.provider_arn == arn
        )

    def _latest_users(self, scope: Scope, arn: str) -> bool:
        kept = [bundle.latest.configuration.capacity for bundle in self._registry.all(scope)]
        return any(capacity is not None and capacity.provider_arn == arn for capacity in kept)

    def _find(self, scope: Scope, name: str) -> CapacityProvider:
        kept = self._kept.get(scope, {}).get(name)
        if kept is None:
            raise ResourceNotFound(f"Capacity provider not found: {_arn(scope, name)}")
        return kept

    def _state(self, scope: Scope, name: str) -> str:
        until = self._pending.get((scope, name))
        if until is None:
            return "Active"
        if self._clock.monotonic() < until:
            return "Pending"
        del self._pending[scope, name]
        return "Active"

    def _is_deleting(self, scope: Scope, name: str) -> bool:
        gone = self._deleting.get((scope, name))
        if gone is None:
            return False
        if self._clock.monotonic() < gone.until:
            return True
        del self._deleting[scope, name]
        return False

    async def _put(self, scope: Scope, kept: CapacityProvider) -> None:
        await self._database.write(lambda c: rows.put(c, *scope, kept))
        self._kept.setdefault(scope, {})[kept.name] = kept


def _load(connection: apsw.Connection) -> list[tuple[str, str, CapacityProvider]]:
    return list(rows.load(connection))


def _arn(scope: Scope, name: str) -> str:
    return (
        f"arn:{partition(scope.region)}:lambda:{scope.region}:{scope.account}"
        f":capacity-provider:{name}"
    )


def _name(scope: Scope, given: str) -> str:
    """A name or an ARN of this account and region; the API has checked the pattern."""
    if not given.startswith("arn:"):
        return given
    name = given.rpartition(":")[2]
    if given != _arn(scope, name):
        raise ResourceNotFound(f"Capacity provider not found: {given}")
    return name


def _scaling(old: dict[str, Any], given: dict[str, Any] | None) -> dict[str, Any]:
    """Policies go with Manual, and only with it."""
    made = {**old, **(given or {})}
    manual = made.get("ScalingMode") == "Manual"
    if manual and not made.get("ScalingPolicies"):
        raise InvalidParameterValue("ScalingPolicies are required when ScalingMode is Manual.")
    if not manual and (given or {}).get("ScalingPolicies"):
        raise InvalidParameterValue("ScalingPolicies are allowed only when ScalingMode is Manual.")
    if not manual:
        made.pop("ScalingPolicies", None)
    return made


def _shown(scope: Scope, kept: CapacityProvider, state: str) -> dict[str, Any]:
    shown = {
        "CapacityProviderArn": _arn(scope, kept.name),
        "State": state,
        "VpcConfig": {
            "SubnetIds": list(kept.subnet_ids),
            "SecurityGroupIds": list(kept.security_group_ids),
        },
        "PermissionsConfig": {"CapacityProviderOperatorRoleArn": kept.operator_role},
        "InstanceRequirements": kept.requirements,
        "CapacityProviderScalingConfig": kept.scaling,
        "LastModified": iso8601(kept.modified_ms),
    }
    if kept.kms_key_arn:
        shown["KmsKeyArn"] = kept.kms_key_arn
    if kept.propagate_tags is not None:
        shown["PropagateTags"] = kept.propagate_tags
    if kept.telemetry is not None:
        shown["TelemetryConfig"] = kept.telemetry
    return shown
