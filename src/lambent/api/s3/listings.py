"""ListObjectsV2, ListObjects, ListObjectVersions: keys of a bucket, by prefix, in pages."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from lambent.api.context import Context
from lambent.api.operation import Answer, Operation
from lambent.api.s3.buckets import Named, buckets_of, moment
from lambent.control.buckets import StoredObject
from lambent.errors import S3Error

PAGE: Final = 1000


class Listing(Named, frozen=True, kw_only=True, rename="pascal"):
    prefix: str = ""
    delimiter: str = ""
    max_keys: int = PAGE


class ListObjects(Listing, frozen=True, kw_only=True, rename="pascal"):
    marker: str = ""


class ListObjectsV2(Listing, frozen=True, kw_only=True, rename="pascal"):
    continuation_token: str | None = None
    start_after: str = ""


class ListVersions(Listing, frozen=True, kw_only=True, rename="pascal"):
    key_marker: str = ""


@dataclass(slots=True)
class _Page:
    contents: list[StoredObject]
    prefixes: list[str]
    last: str = ""
    more: bool = False


def _page(ctx: Context, req: Listing, after: str) -> _Page:
    """Objects after the key `after`; those below a delimiter are one entry together."""
    buckets = buckets_of(ctx)
    buckets.get(ctx.account, req.bucket)
    size = max(0, min(req.max_keys, PAGE))
    page = _Page([], [])
    for one in _below(buckets.objects(req.bucket), req.prefix):
        shared = _shared(one.key, req)
        entry = shared or one.key
        if entry.encode() <= after.encode() or (shared and shared == page.last):
            continue
        if len(page.contents) + len(page.prefixes) == size:
            page.more = size > 0
            break
        if shared:
            page.prefixes.append(shared)
        else:
            page.contents.append(one)
        page.last = entry
    return page


def _below(objects: Iterable[StoredObject], prefix: str) -> Iterable[StoredObject]:
    return (one for one in objects if one.key.startswith(prefix))


def _shared(key: str, req: Listing) -> str:
    """The common prefix that stands for the key; empty when it stands for itself."""
    if not req.delimiter:
        return ""
    head, found, _ = key[len(req.prefix) :].partition(req.delimiter)
    return req.prefix + head + found if found else ""


async def list_objects_v2(ctx: Context, req: ListObjectsV2) -> Answer:
    token = req.continuation_token
    page = _page(ctx, req, req.start_after if token is None else _decoded(token))
    return {
        **_common(req, page),
        "KeyCount": len(page.contents) + len(page.prefixes),
        "ContinuationToken": token,
        "NextContinuationToken": _encoded(page.last) if page.more else None,
        "StartAfter": req.start_after or None,
    }


async def list_objects(ctx: Context, req: ListObjects) -> Answer:
    page = _page(ctx, req, req.marker)
    return {
        **_common(req, page),
        "Marker": req.marker,
        "NextMarker": page.last if page.more and req.delimiter else None,
    }


async def list_object_versions(ctx: Context, req: ListVersions) -> Answer:
    """Each object has the one version `null`, as in a bucket without versions."""
    page = _page(ctx, req, req.key_marker)
    found = _common(req, page)
    versions = [{**one, "VersionId": "null", "IsLatest": True} for one in found.pop("Contents")]
    return {
        **found,
        "Versions": versions,
        "KeyMarker": req.key_marker,
        "NextKeyMarker": page.last if page.more else None,
    }


def _common(req: Listing, page: _Page) -> dict[str, Any]:
    return {
        "Name": req.bucket,
        "Prefix": req.prefix,
        "Delimiter": req.delimiter or None,
        "MaxKeys": req.max_keys,
        "IsTruncated": page.more,
        "Contents": [
            {
                "Key": one.key,
                "LastModified": moment(one.modified_ms),
                "ETag": f'"{one.etag}"',
                "Size": one.size,
                "StorageClass": "STANDARD",
            }
            for one in page.contents
        ],
        "CommonPrefixes": [{"Prefix": prefix} for prefix in page.prefixes],
    }


def _encoded(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _decoded(token: str) -> str:
    try:
        return base64.b64decode(token, b"-_", validate=True).decode()
    except ValueError:  # of base64, or of UTF-8
        raise S3Error(
            "InvalidArgument", "The continuation token provided is incorrect", 400
        ) from None


OPERATIONS = (
    Operation("ListObjectsV2", ListObjectsV2, list_objects_v2),
    Operation("ListObjects", ListObjects, list_objects),
    Operation("ListObjectVersions", ListVersions, list_object_versions),
)
