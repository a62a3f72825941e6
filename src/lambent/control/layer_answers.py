"""What the layer operations answer, member by member as AWS names them; UNSET is left out."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from lambent.clock import iso8601
from lambent.control.answers import Answer, code_sha256
from lambent.control.layer_names import LayerRef
from lambent.store.layers import LayerVersion


class Content(Answer, frozen=True, kw_only=True):
    location: str
    code_sha256: str
    code_size: int
    signing_profile_version_arn: str | UnsetType = UNSET
    signing_job_arn: str | UnsetType = UNSET


class LayerVersionListed(Answer, frozen=True, kw_only=True):
    layer_version_arn: str
    version: int
    description: str
    created_date: str
    compatible_architectures: tuple[str, ...] | UnsetType = UNSET
    compatible_runtimes: tuple[str, ...] | UnsetType = UNSET
    license_info: str | UnsetType = UNSET


class LayerVersionAnswer(LayerVersionListed, frozen=True, kw_only=True):
    """PublishLayerVersion, GetLayerVersion, GetLayerVersionByArn."""

    content: Content
    layer_arn: str


class LayerVersionList(Answer, frozen=True, kw_only=True):
    layer_versions: list[LayerVersionListed]
    next_marker: str | UnsetType = UNSET


class LayerListed(Answer, frozen=True, kw_only=True):
    layer_name: str
    layer_arn: str
    latest_matching_version: LayerVersionListed


class LayerList(Answer, frozen=True, kw_only=True):
    layers: list[LayerListed]
    next_marker: str | UnsetType = UNSET


class LayerPermission(Answer, frozen=True, kw_only=True):
    statement: str
    revision_id: str


class LayerPolicy(Answer, frozen=True, kw_only=True):
    policy: str
    revision_id: str


def listed(ref: LayerRef, kept: LayerVersion) -> LayerVersionListed:
    return LayerVersionListed(**_facts(ref, kept))


def whole(ref: LayerRef, kept: LayerVersion, location: str) -> LayerVersionAnswer:
    content = Content(
        location=location,
        code_sha256=code_sha256(kept.sha256),
        code_size=kept.size,
        signing_profile_version_arn=kept.signing_profile_version_arn or UNSET,
        signing_job_arn=kept.signing_job_arn or UNSET,
    )
    return LayerVersionAnswer(**_facts(ref, kept), content=content, layer_arn=ref.arn)


def layer(ref: LayerRef, latest: LayerVersion) -> LayerListed:
    return LayerListed(
        layer_name=ref.name, layer_arn=ref.arn, latest_matching_version=listed(ref, latest)
    )


def _facts(ref: LayerRef, kept: LayerVersion) -> dict[str, Any]:
    return {
        "layer_version_arn": ref.version_arn(kept.number),
        "version": kept.number,
        "description": kept.description,
        "created_date": iso8601(kept.created_ms),
        "compatible_architectures": UNSET if kept.architectures is None else kept.architectures,
        "compatible_runtimes": UNSET if kept.runtimes is None else kept.runtimes,
        "license_info": kept.license_info or UNSET,
    }
