"""PutObject, GetObject, HeadObject, CopyObject, DeleteObject(s), and tags of objects.

An object leaves in parts, so that a large package never stands in memory. Conditions on entity tags
hold; ranges are single ones. (Amazon S3 API reference.)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from lambent.api.context import Context
from lambent.api.operation import Answer, Operation, Streamed
from lambent.api.s3.buckets import Named, buckets_of, moment
from lambent.api.s3.wire import http_date
from lambent.control.buckets import StoredObject
from lambent.errors import S3Error

_PART: Final = 1 << 20
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
_KEPT: Final = {
    "CacheControl": "cache-control",
    "ContentDisposition": "content-disposition",
    "ContentEncoding": "content-encoding",
    "ContentLanguage": "content-language",
    "ContentType": "content-type",
    "Expires": "expires",
}
_META: Final = "x-amz-meta-"


class Described(Named, frozen=True, kw_only=True, rename="pascal"):
    """What an object is said to be when it is put, copied or uploaded in parts."""

    key: str
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    content_type: str | None = None
    metadata: dict[str, str] = msgspec.field(default_factory=dict)

    def headers(self) -> dict[str, str]:
        """As they are given back with the object."""
        given = msgspec.to_builtins(self)
        found = {name: given[member] for member, name in _KEPT.items() if given.get(member)}
        # How the upload was framed is no part of the object.
        codings = [one.strip() for one in found.pop("content-encoding", "").split(",")]
        if left := ", ".join(one for one in codings if one not in ("", "aws-chunked")):
            found["content-encoding"] = left
        return found | {_META + name: text for name, text in self.metadata.items()}


class PutObject(Described, frozen=True, kw_only=True, rename="pascal"):
    body: bytes = b""
    content_md5: str | None = msgspec.field(default=None, name="ContentMD5")
    checksum_crc32: str | None = msgspec.field(default=None, name="ChecksumCRC32")
    checksum_sha1: str | None = msgspec.field(default=None, name="ChecksumSHA1")
    checksum_sha256: str | None = msgspec.field(default=None, name="ChecksumSHA256")
    tagging: str = ""
    if_none_match: str | None = None
    if_match: str | None = None


class CopyObject(Described, frozen=True, kw_only=True, rename="pascal"):
    copy_source: str
    metadata_directive: str = "COPY"


class OneObject(Named, frozen=True, kw_only=True, rename="pascal"):
    key: str
    version_id: str | None = None


class GetObject(OneObject, frozen=True, kw_only=True, rename="pascal"):
    range: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None


class Deleting(Named, frozen=True, kw_only=True, rename="pascal"):
    delete: dict[str, Any]


class PutTags(OneObject, frozen=True, kw_only=True, rename="pascal"):
    tagging: dict[str, Any]


async def put_object(ctx: Context, req: PutObject) -> Answer:
    buckets = buckets_of(ctx)
    check_sums(req.body, req)
    now = buckets.find(ctx.account, req.bucket, req.key)
    if (req.if_none_match == "*" and now is not None) or (
        req.if_match is not None and (now is None or req.if_match.strip('"') != now.etag)
    ):
        raise _precondition()
    made = await buckets.put(
        ctx.account, req.bucket, req.key, req.body, req.headers(), dict(parse_qsl(req.tagging))
    )
    return {"ETag": f'"{made.etag}"'}


async def copy_object(ctx: Context, req: CopyObject) -> Answer:
    buckets = buckets_of(ctx)
    bucket, _, key = unquote(req.copy_source.partition("?")[0]).lstrip("/").partition("/")
    source = buckets.object(ctx.account, bucket, key)
    headers = req.headers() if req.metadata_directive == "REPLACE" else None
    made = await buckets.copy(source, ctx.account, req.bucket, req.key, headers)
    return {
        "CopyObjectResult": {"ETag": f'"{made.etag}"', "LastModified": moment(made.modified_ms)}
    }


async def get_object(ctx: Context, req: GetObject) -> Streamed:
    found = _found(ctx, req)
    start, length = _stretch(req.range, found.size)
    headers = _shown(found, length)
    if req.range is not None:
        end = start + length - 1
        headers.append((b"content-range", f"bytes {start}-{end}/{found.size}".encode()))

    async def parts() -> AsyncIterator[bytes]:
        buckets, at, end = buckets_of(ctx), start, start + length
        while at < end:
            part = await buckets.read(found, at, min(_PART, end - at))
            at += len(part)
            yield part

    return Streamed(
        found.headers.get("content-type", "binary/octet-stream").encode(),
        parts(),
        206 if req.range is not None else 200,
        tuple(headers),
    )


async def head_object(ctx: Context, req: GetObject) -> Streamed:
    found = _found(ctx, req)

    async def nothing() -> AsyncIterator[bytes]:
        return
        yield b""

    kind = found.headers.get("content-type", "binary/octet-stream").encode()
    return Streamed(kind, nothing(), 200, tuple(_shown(found, found.size)))


async def delete_object(ctx: Context, req: OneObject) -> Answer:
    await buckets_of(ctx).remove(ctx.account, req.bucket, req.key)
    return None


async def delete_objects(ctx: Context, req: Deleting) -> Answer:
    keys = [str(one.get("Key", "")) for one in req.delete.get("Objects", [])]
    if len(keys) > 1000:
        raise S3Error("MalformedXML", "At most 1000 objects are deleted at once", 400)
    for key in keys:
        await buckets_of(ctx).remove(ctx.account, req.bucket, key)
    return {"Deleted": [] if req.delete.get("Quiet") else [{"Key": key} for key in keys]}


async def get_object_tagging(ctx: Context, req: OneObject) -> Answer:
    found = buckets_of(ctx).object(ctx.account, req.bucket, req.key)
    return {"TagSet": [{"Key": key, "Value": value} for key, value in found.tags.items()]}


async def put_object_tagging(ctx: Context, req: PutTags) -> Answer:
    given = req.tagging.get("TagSet", [])
    if not all(one.get("Key") for one in given):
        raise S3Error("InvalidTag", "The TagKey you have provided is invalid", 400)
    tags = {str(one["Key"]): str(one.get("Value", "")) for one in given}
    await buckets_of(ctx).tag(ctx.account, req.bucket, req.key, tags)
    return None


def _found(ctx: Context, req: GetObject) -> StoredObject:
    found = buckets_of(ctx).object(ctx.account, req.bucket, req.key)
    if req.version_id not in (None, "null"):
        raise S3Error(
            "NoSuchVersion",
            "The specified version does not exist: this server's buckets keep no versions",
            404,
        )
    if req.if_match is not None and req.if_match.strip('"') not in ("*", found.etag):
        raise _precondition()
    if req.if_none_match is not None and req.if_none_match.strip('"') in ("*", found.etag):
        raise S3Error("NotModified", "Not Modified", 304)
    return found


def _precondition() -> S3Error:
    return S3Error(
        "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412
    )


def _shown(found: StoredObject, length: int) -> list[tuple[bytes, bytes]]:
    """The headers of an object."""
    return [
        (b"content-length", str(length).encode()),
        (b"etag", f'"{found.etag}"'.encode()),
        (b"last-modified", http_date(moment(found.modified_ms))),
        (b"accept-ranges", b"bytes"),
        *(
            (name.encode("latin-1"), text.encode("latin-1", "replace"))
            for name, text in found.headers.items()
            if name != "content-type"
        ),
    ]


def _stretch(wanted: str | None, size: int) -> tuple[int, int]:
    """Start and length of what is asked for."""
    if wanted is None:
        return 0, size
    match = _RANGE.fullmatch(wanted.strip())
    if match is None or match[0] == "bytes=-":
        return 0, size
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last) + 1, size) if first and last else size
    if start >= end:
        raise S3Error("InvalidRange", "The requested range is not satisfiable", 416)
    return start, end - start


def check_sums(body: bytes, given: Any) -> None:
    """Raises `S3Error` unless the body is what the client summed up."""
    sums: tuple[tuple[str | None, Callable[[], bytes]], ...] = (
        (given.content_md5, lambda: hashlib.md5(body, usedforsecurity=False).digest()),
        (given.checksum_crc32, lambda: binascii.crc32(body).to_bytes(4, "big")),
        (given.checksum_sha1, lambda: hashlib.sha1(body, usedforsecurity=False).digest()),
        (given.checksum_sha256, lambda: hashlib.sha256(body).digest()),
    )
    for told, count in sums:
        if told and base64.b64encode(count()).decode() != told:
            raise S3Error(
                "BadDigest",
                "The checksum you specified did not match what we received.",
                400,
            )


OPERATIONS = (
    Operation("PutObject", PutObject, put_object),
    Operation("CopyObject", CopyObject, copy_object),
    Operation("GetObject", GetObject, get_object),
    Operation("HeadObject", GetObject, head_object),
    Operation("DeleteObject", OneObject, delete_object, status=204),
    Operation("DeleteObjects", Deleting, delete_objects),
    Operation("GetObjectTagging", OneObject, get_object_tagging),
    Operation("PutObjectTagging", PutTags, put_object_tagging),
)
