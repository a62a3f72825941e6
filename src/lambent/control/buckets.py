"""Buckets of this server: where deployment tools put packages when no S3 is configured.

`sam deploy`, `aws cloudformation package` and Terraform upload what they deploy to S3 first. Without
an S3 endpoint among the settings these buckets take that in, and code, layers and templates that are
said to lie in S3 are looked for here before AWS is asked. An object is a record and a file (`Blobs`);
old versions are not kept. The rules are here, `api/s3` speaks the protocol.
(Amazon S3 user guide, "Bucket naming rules".)
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import re
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from lambent.clock import Clock
from lambent.control.names import Scope
from lambent.control.shelf import Shelf
from lambent.errors import S3Error
from lambent.store.blobs import Blob, Blobs
from lambent.store.database import Database

T = TypeVar("T")

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PAGES: Final = frozenset({"healthz", "metrics", "readyz"})
KEY_LIMIT: Final = 1024
PART_MIN: Final = 5 << 20
"""Bytes of every part of an upload but the last."""
_EVERYWHERE: Final = ""
"""Names of buckets are the same in all regions, so that is no part of where they are kept."""


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    account: str
    region: str
    created_ms: int
    settings: dict[str, str] = {}
    """What was put as configuration, by subresource (`versioning`, `policy`, …), as it came."""


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """An object without its bytes."""

    bucket: str
    key: str
    blob: str
    size: int
    etag: str
    modified_ms: int
    headers: dict[str, str] = {}
    """Content-Type and its kin, and `x-amz-meta-…`, as they came."""
    tags: dict[str, str] = {}


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A multipart upload that is not complete."""

    upload_id: str
    bucket: str
    key: str
    started_ms: int
    headers: dict[str, str] = {}
    parts: dict[int, Blob] = {}


class Buckets:
    """All of a server's buckets."""

    def __init__(self, database: Database, root: Path, clock: Clock) -> None:
        self._blobs = Blobs(root)
        self._clock = clock
        self._buckets = Shelf(database, "bucket", Bucket)
        self._objects = Shelf(database, "object", StoredObject)
        self._uploads = Shelf(database, "upload", Upload)
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="lambent-buckets")

    async def open(self) -> None:
        for shelf in (self._buckets, self._objects, self._uploads):
            await shelf.open()
        kept = [one.blob for _, one in self._objects.everything()]
        kept += [part.name for _, one in self._uploads.everything() for part in one.parts.values()]
        await self._run(lambda: self._blobs.open(kept))

    async def close(self) -> None:
        for shelf in (self._buckets, self._objects, self._uploads):
            await shelf.close()
        self._threads.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    # ── buckets ──────────────────────────────────────────────────────────────────────────────

    def has(self, bucket: str) -> bool:
        return self._find(bucket) is not None

    def get(self, account: str, name: str) -> Bucket:
        """Raises what S3 answers for one that is not there, or is someone else's."""
        bucket = self._find(name)
        if bucket is None:
            raise S3Error("NoSuchBucket", "The specified bucket does not exist", 404)
        if bucket.account != account:
            raise S3Error("AccessDenied", "Access Denied", 403)
        return bucket

    def owned(self, account: str) -> list[Bucket]:
        found = [one for _, one in self._buckets.everything() if one.account == account]
        return sorted(found, key=lambda one: one.name)

    async def create(self, scope: Scope, name: str) -> Bucket:
        """In us-east-1 the owner may do it twice, as on AWS."""
        _check_name(name)
        made = Bucket(
            name=name,
            account=scope.account,
            region=scope.region,
            created_ms=self._clock.time_ms(),
        )

        def rule(old: Bucket | None) -> tuple[Bucket, Bucket]:
            if old is None:
                return made, made
            if old.account != scope.account:
                raise S3Error(
                    "BucketAlreadyExists",
                    "The requested bucket name is not available. The bucket namespace is shared by "
                    "all users of the system. Please select a different name and try again.",
                    409,
                )
            if scope.region != "us-east-1":
                raise S3Error(
                    "BucketAlreadyOwnedByYou",
                    "Your previous request to create the named bucket succeeded and you already "
                    "own it.",
                    409,
                )
            return old, old

        return await self._buckets.change(_HOME, name, rule)

    async def configure(self, account: str, name: str, what: str, text: str | None) -> None:
        """Keep a configuration as it came; None removes it."""
        self.get(account, name)

        def rule(old: Bucket | None) -> tuple[Bucket | None, None]:
            if old is None:
                return None, None
            settings = {key: value for key, value in old.settings.items() if key != what}
            if text is not None:
                settings[what] = text
            return msgspec.structs.replace(old, settings=settings), None

        await self._buckets.change(_HOME, name, rule)

    async def delete(self, account: str, name: str) -> None:
        self.get(account, name)

        def rule(_: Bucket | None) -> tuple[None, None]:
            if any(True for _ in self.objects(name)):
                raise S3Error("BucketNotEmpty", "The bucket you tried to delete is not empty", 409)
            return None, None

        await self._buckets.change(_HOME, name, rule)
        for upload in self.uploads(name):
            await self.abort(upload)

    def _find(self, name: str) -> Bucket | None:
        return self._buckets.get(_HOME, name)

    # ── objects ──────────────────────────────────────────────────────────────────────────────

    def objects(self, bucket: str) -> Iterator[StoredObject]:
        """By key, in S3's order, which is that of the UTF-8 bytes."""
        found = [one for one in self._objects.all(_HOME) if one.bucket == bucket]
        return iter(sorted(found, key=lambda one: one.key.encode()))

    def find(self, account: str, bucket: str, key: str) -> StoredObject | None:
        self.get(account, bucket)
        return self._objects.get(_HOME, f"{bucket}/{key}")

    def object(self, account: str, bucket: str, key: str) -> StoredObject:
        found = self.find(account, bucket, key)
        if found is None:
            raise S3Error("NoSuchKey", "The specified key does not exist.", 404, Key=key)
        return found

    async def put(
        self, account: str, bucket: str, key: str, data: bytes, headers: dict[str, str],
        tags: dict[str, str],
    ) -> StoredObject:  # fmt: skip
        self.get(account, bucket)
        _check_key(key)
        blob = await self._run(lambda: self._blobs.put(data))
        return await self._place(bucket, key, blob, blob.md5, headers, tags)

    async def copy(
        self, source: StoredObject, account: str, bucket: str, key: str,
        headers: dict[str, str] | None,
    ) -> StoredObject:  # fmt: skip
        """`headers` None means the source's own."""
        self.get(account, bucket)
        _check_key(key)
        blob = await self._run(lambda: self._blobs.join([source.blob]))
        kept = source.headers if headers is None else headers
        return await self._place(bucket, key, blob, source.etag, kept, source.tags)

    async def remove(self, account: str, bucket: str, key: str) -> None:
        """Also when there is none."""
        self.get(account, bucket)
        gone = await self._objects.change(_HOME, f"{bucket}/{key}", lambda old: (None, old))
        if gone is not None:
            await self._run(lambda: self._blobs.delete(gone.blob))

    async def tag(self, account: str, bucket: str, key: str, tags: dict[str, str]) -> None:
        self.object(account, bucket, key)

        def rule(old: StoredObject | None) -> tuple[StoredObject | None, None]:
            return (None if old is None else msgspec.structs.replace(old, tags=tags)), None

        await self._objects.change(_HOME, f"{bucket}/{key}", rule)

    def path(self, found: StoredObject) -> Path:
        """Its bytes, until it is replaced or removed."""
        return self._blobs.path(found.blob)

    async def read(self, found: StoredObject, start: int, length: int) -> bytes:
        """A stretch of its bytes."""
        return await self._run(lambda: b"".join(self._blobs.parts(found.blob, start, length)))

    async def _place(
        self, bucket: str, key: str, blob: Blob, etag: str, headers: dict[str, str],
        tags: dict[str, str],
    ) -> StoredObject:  # fmt: skip
        made = StoredObject(
            bucket=bucket,
            key=key,
            blob=blob.name,
            size=blob.size,
            etag=etag,
            modified_ms=self._clock.time_ms(),
            headers=headers,
            tags=tags,
        )
        old = await self._objects.change(_HOME, f"{bucket}/{key}", lambda old: (made, old))
        if old is not None:
            await self._run(lambda: self._blobs.delete(old.blob))
        return made

    # ── uploads in parts ─────────────────────────────────────────────────────────────────────

    def uploads(self, bucket: str) -> list[Upload]:
        found = [one for one in self._uploads.all(_HOME) if one.bucket == bucket]
        return sorted(found, key=lambda one: (one.key.encode(), one.started_ms))

    def upload(self, account: str, bucket: str, key: str, upload_id: str) -> Upload:
        self.get(account, bucket)
        found = self._uploads.get(_HOME, upload_id)
        if found is None or (found.bucket, found.key) != (bucket, key):
            raise S3Error(
                "NoSuchUpload",
                "The specified upload does not exist. The upload ID may be invalid, or the upload "
                "may have been aborted or completed.",
                404,
                UploadId=upload_id,
            )
        return found

    async def begin(self, account: str, bucket: str, key: str, headers: dict[str, str]) -> Upload:
        self.get(account, bucket)
        _check_key(key)
        made = Upload(
            upload_id=uuid.uuid4().hex,
            bucket=bucket,
            key=key,
            started_ms=self._clock.time_ms(),
            headers=headers,
        )
        return await self._uploads.change(_HOME, made.upload_id, lambda _: (made, made))

    async def put_part(self, upload: Upload, number: int, data: bytes) -> Blob:
        blob = await self._run(lambda: self._blobs.put(data))

        def rule(now: Upload | None) -> tuple[Upload | None, Blob | None]:
            if now is None:
                return None, blob  # aborted meanwhile: the part has no place
            parts = {**now.parts, number: blob}
            return msgspec.structs.replace(now, parts=parts), now.parts.get(number)

        left = await self._uploads.change(_HOME, upload.upload_id, rule)
        if left is not None:
            await self._run(lambda: self._blobs.delete(left.name))
        return blob

    async def complete(self, upload: Upload, wanted: list[tuple[int, str]]) -> StoredObject:
        """`wanted` are the parts' numbers and entity tags, as the caller remembers them."""
        chosen = _chosen(upload, wanted)
        blob = await self._run(lambda: self._blobs.join([part.name for part in chosen]))
        etag = _joint_tag(chosen)
        made = await self._place(upload.bucket, upload.key, blob, etag, upload.headers, {})
        await self.abort(upload)
        return made

    async def abort(self, upload: Upload) -> None:
        """Forget it, and its parts."""
        gone = await self._uploads.change(_HOME, upload.upload_id, lambda old: (None, old))
        for part in gone.parts.values() if gone else ():
            await self._run(lambda name=part.name: self._blobs.delete(name))  # type: ignore[misc]


_HOME: Final = Scope(_EVERYWHERE, _EVERYWHERE)


def _check_name(name: str) -> None:
    good = _NAME.fullmatch(name) and ".." not in name and not name.startswith("xn--")
    if name in _PAGES:
        raise S3Error(
            "InvalidBucketName", f"/{name} is a page of this server, and cannot be a bucket.", 400
        )
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        pass
    else:
        good = None
    if not good:
        raise S3Error("InvalidBucketName", "The specified bucket is not valid.", 400)


def _check_key(key: str) -> None:
    if len(key.encode()) > KEY_LIMIT:
        raise S3Error("KeyTooLongError", "Your key is too long", 400)


def _chosen(upload: Upload, wanted: list[tuple[int, str]]) -> list[Blob]:
    """The parts that a completion names; raises what S3 answers for a wrong list."""
    numbers = [number for number, _ in wanted]
    if not numbers:
        raise S3Error("MalformedXML", "You must specify at least one part", 400)
    if numbers != sorted(set(numbers)):
        raise S3Error(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
            400,
        )
    chosen = []
    for number, etag in wanted:
        part = upload.parts.get(number)
        if part is None or part.md5 != etag.strip('"'):
            raise S3Error(
                "InvalidPart",
                "One or more of the specified parts could not be found.  The part may not have been "
                "uploaded, or the specified entity tag may not match the part's entity tag.",
                400,
            )
        chosen.append(part)
    if any(part.size < PART_MIN for part in chosen[:-1]):
        raise S3Error(
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
            400,
        )
    return chosen


def _joint_tag(parts: list[Blob]) -> str:
    """The entity tag of an object that was uploaded in parts."""
    joint = b"".join(bytes.fromhex(part.md5) for part in parts)
    return f"{hashlib.md5(joint, usedforsecurity=False).hexdigest()}-{len(parts)}"
