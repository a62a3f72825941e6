"""What the layer operations are asked, member by member as AWS names them."""

from __future__ import annotations

from lambent.control.requests import Request


class LayerContent(Request, frozen=True, kw_only=True):
    zip_file: bytes | None = None
    s3_bucket: str | None = None
    s3_key: str | None = None
    s3_object_version: str | None = None
    s3_object_storage_mode: str | None = None


class PublishLayerVersion(Request, frozen=True, kw_only=True):
    layer_name: str
    content: LayerContent
    description: str = ""
    compatible_runtimes: tuple[str, ...] | None = None
    compatible_architectures: tuple[str, ...] | None = None
    license_info: str | None = None


class OneLayerVersion(Request, frozen=True, kw_only=True):
    """GetLayerVersion, DeleteLayerVersion, GetLayerVersionPolicy."""

    layer_name: str
    version_number: int


class GetLayerVersionByArn(Request, frozen=True, kw_only=True):
    arn: str


class ListLayers(Request, frozen=True, kw_only=True):
    compatible_runtime: str | None = None
    compatible_architecture: str | None = None
    marker: str | None = None
    max_items: int | None = None


class ListLayerVersions(ListLayers, frozen=True, kw_only=True):
    layer_name: str


class AddLayerVersionPermission(Request, frozen=True, kw_only=True):
    layer_name: str
    version_number: int
    statement_id: str
    action: str
    principal: str
    organization_id: str | None = None
    revision_id: str | None = None


class RemoveLayerVersionPermission(Request, frozen=True, kw_only=True):
    layer_name: str
    version_number: int
    statement_id: str
    revision_id: str | None = None
