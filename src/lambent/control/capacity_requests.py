"""What the operations on capacity providers and scaling configurations are asked and answer."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from lambent.control.answers import Answer
from lambent.control.requests import Request


class VpcConfig(Request, frozen=True, kw_only=True):
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]


class PermissionsConfig(Request, frozen=True, kw_only=True):
    capacity_provider_operator_role_arn: str


class CreateCapacityProvider(Request, frozen=True, kw_only=True):
    capacity_provider_name: str
    vpc_config: VpcConfig
    permissions_config: PermissionsConfig
    instance_requirements: dict[str, Any] | None = None
    capacity_provider_scaling_config: dict[str, Any] | None = None
    kms_key_arn: str | None = None
    tags: dict[str, str] | None = None
    propagate_tags: dict[str, Any] | None = None
    telemetry_config: dict[str, Any] | None = None


class NamedCapacityProvider(Request, frozen=True, kw_only=True):
    """GetCapacityProvider, DeleteCapacityProvider."""

    capacity_provider_name: str


class UpdateCapacityProvider(Request, frozen=True, kw_only=True):
    capacity_provider_name: str
    capacity_provider_scaling_config: dict[str, Any] | None = None
    propagate_tags: dict[str, Any] | None = None
    telemetry_config: dict[str, Any] | None = None


class ListCapacityProviders(Request, frozen=True, kw_only=True):
    state: Literal["Pending", "Active", "Failed", "Deleting"] | None = None
    marker: str | None = None
    max_items: int | None = None


class ListVersionsByCapacityProvider(Request, frozen=True, kw_only=True):
    capacity_provider_name: str
    marker: str | None = None
    max_items: int | None = None


class ScalingConfig(Request, frozen=True, kw_only=True, omit_defaults=True):
    min_execution_environments: int | None = None
    max_execution_environments: int | None = None


class PutScalingConfig(Request, frozen=True, kw_only=True):
    function_name: str
    qualifier: str
    function_scaling_config: ScalingConfig | None = None


class GetScalingConfig(Request, frozen=True, kw_only=True):
    function_name: str
    qualifier: str


class CapacityProviderAnswer(Answer, frozen=True, kw_only=True):
    """Create, Get, Update and Delete answer with the whole of it."""

    capacity_provider: dict[str, Any]


class CapacityProviderList(Answer, frozen=True, kw_only=True):
    capacity_providers: list[dict[str, Any]]
    next_marker: str | UnsetType = UNSET


class ProviderVersion(Answer, frozen=True, kw_only=True):
    function_arn: str
    state: str


class ProviderVersionList(Answer, frozen=True, kw_only=True):
    capacity_provider_arn: str
    function_versions: list[ProviderVersion]
    next_marker: str | UnsetType = UNSET


class FunctionStateAnswer(Answer, frozen=True, kw_only=True):
    function_state: str


class ScalingConfigAnswer(Answer, frozen=True, kw_only=True):
    function_arn: str
    applied_function_scaling_config: ScalingConfig | UnsetType = UNSET
    requested_function_scaling_config: ScalingConfig | UnsetType = UNSET


def without_none(value: msgspec.Struct) -> dict[str, Any]:
    """Members by AWS's names, without those that were not given."""
    return {name: item for name, item in msgspec.to_builtins(value).items() if item is not None}
