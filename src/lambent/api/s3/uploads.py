"""Uploads in parts: CreateMultipartUpload, UploadPart, Complete…, Abort…, ListParts, ListMultipartUploads."""

from __future__ import annotations

from typing import Any

import msgspec

from lambent.api.context import Context
from lambent.api.operation import Answer, Operation
from lambent.api.s3.buckets import Named, buckets_of, moment
from lambent.api.s3.objects import Described, check_sums
from lambent.errors import S3Error


class OneUpload(Named, frozen=True, kw_only=True, rename="pascal"):
    key: str
    upload_id: str


class UploadPart(OneUpload, frozen=True, kw_only=True, rename="pascal"):
    part_number: int
    body: bytes = b""
    content_md5: str | None = msgspec.field(default=None, name="ContentMD5")
    checksum_crc32: str | None = msgspec.field(default=None, name="ChecksumCRC32")
    checksum_sha1: str | None = msgspec.field(default=None, name="ChecksumSHA1")
    checksum_sha256: str | None = msgspec.field(default=None, name="ChecksumSHA256")


class Complete(OneUpload, frozen=True, kw_only=True, rename="pascal"):
    multipart_upload: dict[str, Any] = msgspec.field(default_factory=dict)


async def create_multipart_upload(ctx: Context, req: Described) -> Answer:
    made = await buckets_of(ctx).begin(ctx.account, req.bucket, req.key, req.headers())
    return {"Bucket": req.bucket, "Key": req.key, "UploadId": made.upload_id}


async def upload_part(ctx: Context, req: UploadPart) -> Answer:
    buckets = buckets_of(ctx)
    upload = buckets.upload(ctx.account, req.bucket, req.key, req.upload_id)
    if not 1 <= req.part_number <= 10_000:
        raise S3Error(
            "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive", 400
        )
    check_sums(req.body, req)
    part = await buckets.put_part(upload, req.part_number, req.body)
    return {"ETag": f'"{part.md5}"'}


async def complete_multipart_upload(ctx: Context, req: Complete) -> Answer:
    buckets = buckets_of(ctx)
    upload = buckets.upload(ctx.account, req.bucket, req.key, req.upload_id)
    wanted = [
        (int(one.get("PartNumber", 0)), str(one.get("ETag", "")))
        for one in req.multipart_upload.get("Parts", [])
    ]
    made = await buckets.complete(upload, wanted)
    return {
        "Location": f"{ctx.base_url}/{req.bucket}/{req.key}",
        "Bucket": req.bucket,
        "Key": req.key,
        "ETag": f'"{made.etag}"',
    }


async def abort_multipart_upload(ctx: Context, req: OneUpload) -> Answer:
    buckets = buckets_of(ctx)
    await buckets.abort(buckets.upload(ctx.account, req.bucket, req.key, req.upload_id))
    return None


async def list_parts(ctx: Context, req: OneUpload) -> Answer:
    upload = buckets_of(ctx).upload(ctx.account, req.bucket, req.key, req.upload_id)
    return {
        "Bucket": req.bucket,
        "Key": req.key,
        "UploadId": req.upload_id,
        "IsTruncated": False,
        "Parts": [
            {"PartNumber": number, "ETag": f'"{part.md5}"', "Size": part.size}
            for number, part in sorted(upload.parts.items())
        ],
    }


async def list_multipart_uploads(ctx: Context, req: Named) -> Answer:
    buckets = buckets_of(ctx)
    buckets.get(ctx.account, req.bucket)
    return {
        "Bucket": req.bucket,
        "IsTruncated": False,
        "Uploads": [
            {"Key": one.key, "UploadId": one.upload_id, "Initiated": moment(one.started_ms)}
            for one in buckets.uploads(req.bucket)
        ],
    }


OPERATIONS = (
    Operation("CreateMultipartUpload", Described, create_multipart_upload),
    Operation("UploadPart", UploadPart, upload_part),
    Operation("CompleteMultipartUpload", Complete, complete_multipart_upload),
    Operation("AbortMultipartUpload", OneUpload, abort_multipart_upload, status=204),
    Operation("ListParts", OneUpload, list_parts),
    Operation("ListMultipartUploads", Named, list_multipart_uploads),
)
