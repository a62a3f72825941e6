"""CreateBucket, HeadBucket, DeleteBucket, ListBuckets, GetBucketLocation."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from lambent.api.context import Context
from lambent.api.operation import Answer, Operation
from lambent.control.buckets import Buckets
from lambent.control.names import Scope
from lambent.errors import S3Error


class Named(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    bucket: str


class Nothing(msgspec.Struct, frozen=True):
    pass


class CreateBucket(Named, frozen=True, kw_only=True, rename="pascal"):
    create_bucket_configuration: dict[str, object] | None = None


def buckets_of(ctx: Context) -> Buckets:
    """Raises `S3Error` where the settings name an S3: nobody would find here what lies there."""
    if ctx.services.buckets is None:
        raise S3Error(
            "InvalidRequest",
            "This server's settings name an S3 endpoint, so it keeps no buckets itself: set "
            "AWS_ENDPOINT_URL_S3 to that endpoint, too",
            400,
        )
    return ctx.services.buckets


def moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms // 1000, UTC)


async def create_bucket(ctx: Context, req: CreateBucket) -> Answer:
    place = (req.create_bucket_configuration or {}).get("LocationConstraint")
    await buckets_of(ctx).create(Scope(ctx.account, str(place or ctx.region)), req.bucket)
    return {"Location": f"/{req.bucket}"}


async def head_bucket(ctx: Context, req: Named) -> Answer:
    return {"BucketRegion": buckets_of(ctx).get(ctx.account, req.bucket).region}


async def delete_bucket(ctx: Context, req: Named) -> Answer:
    await buckets_of(ctx).delete(ctx.account, req.bucket)
    return None


async def list_buckets(ctx: Context, req: Nothing) -> Answer:  # noqa: ARG001  one page
    found = buckets_of(ctx).owned(ctx.account)
    return {
        "Owner": {"ID": ctx.account, "DisplayName": ctx.account},
        "Buckets": [{"Name": one.name, "CreationDate": moment(one.created_ms)} for one in found],
    }


async def get_bucket_location(ctx: Context, req: Named) -> Answer:
    """The region as the element's own text; us-east-1 is told by an empty one."""
    region = buckets_of(ctx).get(ctx.account, req.bucket).region
    return {"LocationConstraint": None if region == "us-east-1" else region}


OPERATIONS = (
    Operation("CreateBucket", CreateBucket, create_bucket),
    Operation("HeadBucket", Named, head_bucket),
    Operation("DeleteBucket", Named, delete_bucket, status=204),
    Operation("ListBuckets", Nothing, list_buckets),
    Operation("GetBucketLocation", Named, get_bucket_location),
)
