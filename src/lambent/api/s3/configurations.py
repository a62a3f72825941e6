"""What can be put on a bucket: kept as it came and shown again, so that templates find it.

None of it acts: versions are not kept, nothing is encrypted beyond the disk, and who may do what is
said by the server's own policies. A configuration that S3 has and that is not here is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from lambent.api.context import Context
from lambent.api.operation import Answer, Operation
from lambent.api.s3.buckets import Named, buckets_of
from lambent.errors import S3Error

Call = Callable[[Context, Any], Awaitable[Answer]]


class Kind(msgspec.Struct, frozen=True):
    """One subresource; `put`, `shown` and `missing` are S3's names."""

    name: str
    member: str
    """Of the request to put it."""
    missing: tuple[str, str] | None
    """Code and text of the answer when there is none; None for an empty answer."""
    shown: str | None = None
    """The member of the answer that holds it; None when its parts are the answer."""
    delete: str | None = None


KINDS: Final = (
    Kind("BucketVersioning", "VersioningConfiguration", None),
    Kind(
        "BucketEncryption",
        "ServerSideEncryptionConfiguration",
        ("ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"),
        "ServerSideEncryptionConfiguration",
        "DeleteBucketEncryption",
    ),
    Kind(
        "PublicAccessBlock",
        "PublicAccessBlockConfiguration",
        ("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"),
        "PublicAccessBlockConfiguration",
        "DeletePublicAccessBlock",
    ),
    Kind(
        "BucketTagging",
        "Tagging",
        ("NoSuchTagSet", "The TagSet does not exist"),
        None,
        "DeleteBucketTagging",
    ),
    Kind(
        "BucketPolicy",
        "Policy",
        ("NoSuchBucketPolicy", "The bucket policy does not exist"),
        "Policy",
        "DeleteBucketPolicy",
    ),
    Kind("BucketOwnershipControls", "OwnershipControls",
         ("OwnershipControlsNotFoundError", "The bucket ownership controls were not found"),
         "OwnershipControls", "DeleteBucketOwnershipControls"),
    Kind("BucketLifecycleConfiguration", "LifecycleConfiguration",
         ("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
         None, "DeleteBucketLifecycle"),
)  # fmt: skip


class Put(Named, frozen=True, kw_only=True, rename="pascal"):
    versioning_configuration: dict[str, Any] | None = None
    server_side_encryption_configuration: dict[str, Any] | None = None
    public_access_block_configuration: dict[str, Any] | None = None
    tagging: dict[str, Any] | None = None
    policy: str | None = None
    ownership_controls: dict[str, Any] | None = None
    lifecycle_configuration: dict[str, Any] | None = None


def _put(kind: Kind) -> Call:
    async def put(ctx: Context, req: Put) -> Answer:
        value = msgspec.to_builtins(req).get(kind.member)
        text = msgspec.json.encode(value).decode()
        await buckets_of(ctx).configure(ctx.account, req.bucket, kind.name, text)
        return None

    return put


def _get(kind: Kind) -> Call:
    async def get(ctx: Context, req: Named) -> Answer:
        text = buckets_of(ctx).get(ctx.account, req.bucket).settings.get(kind.name)
        if text is None:
            if kind.missing is None:
                return {}
            code, said = kind.missing
            raise S3Error(code, said, 404, BucketName=req.bucket)
        value = msgspec.json.decode(text)
        return {kind.shown: value} if kind.shown else value

    return get


def _delete(kind: Kind) -> Call:
    async def delete(ctx: Context, req: Named) -> Answer:
        await buckets_of(ctx).configure(ctx.account, req.bucket, kind.name, None)
        return None

    return delete


def _operations() -> tuple[Operation, ...]:
    found = []
    for kind in KINDS:
        found.append(Operation(f"Put{kind.name}", Put, _put(kind)))
        found.append(Operation(f"Get{kind.name}", Named, _get(kind)))
        if kind.delete is not None:
            found.append(Operation(kind.delete, Named, _delete(kind), status=204))
    return tuple(found)


OPERATIONS = _operations()
