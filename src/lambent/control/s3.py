"""Fetch function code from S3: this server's own buckets, else wherever its AWS settings point."""

from __future__ import annotations

import shutil
from pathlib import Path

from lambent.control.aws_clients import AwsClients
from lambent.control.buckets import Buckets
from lambent.control.names import Scope
from lambent.errors import InvalidParameterValue, S3Error

_CHUNK = 1024 * 1024


class S3Source:
    """Objects of S3."""

    def __init__(self, clients: AwsClients, buckets: Buckets | None = None) -> None:
        self._clients = clients
        self._buckets = buckets

    async def fetch(
        self, scope: Scope, bucket: str, key: str, version: str | None, target: Path, limit: int
    ) -> None:
        """Write the object to `target`; at most `limit` bytes."""
        if self._buckets is not None and self._buckets.has(bucket):
            path = own_object(self._buckets, scope, bucket, key, version)
            await self._clients.run(lambda: _copy(path, target, limit))
            return
        await self._clients.run(
            lambda: self._fetch(scope.region, bucket, key, version, target, limit)
        )

    def _fetch(
        self, region: str, bucket: str, key: str, version: str | None, target: Path, limit: int
    ) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        wanted = {"Bucket": bucket, "Key": key}
        if version is not None:
            wanted["VersionId"] = version
        try:
            body = self._clients.client("s3", region).get_object(**wanted)["Body"]
            with body, target.open("wb") as file:
                written = 0
                for chunk in body.iter_chunks(_CHUNK):
                    written += len(chunk)
                    if written >= limit:
                        raise _too_large(limit)
                    file.write(chunk)
        except ClientError as error:
            told = error.response["Error"]
            raise _refusal(told["Code"], told["Message"]) from None
        except BotoCoreError as error:
            raise _refusal(type(error).__name__, str(error)) from None


def own_object(
    buckets: Buckets, scope: Scope, bucket: str, key: str, version: str | None = None
) -> Path:
    """The file of an object in a bucket of ours; raises what GetObject's failure is to Lambda."""
    if version not in (None, "null"):
        raise _refusal("NoSuchVersion", "The specified version does not exist.")
    try:
        return buckets.path(buckets.object(scope.account, bucket, key))
    except S3Error as error:
        raise _refusal(error.wire_code, error.message or "") from None


def _copy(path: Path, target: Path, limit: int) -> None:
    try:
        with path.open("rb") as source, target.open("wb") as file:
            if path.stat().st_size >= limit:
                raise _too_large(limit)
            shutil.copyfileobj(source, file, _CHUNK)
    except FileNotFoundError:  # replaced or removed this moment
        raise _refusal("NoSuchKey", "The specified key does not exist.") from None


def _too_large(limit: int) -> InvalidParameterValue:
    return InvalidParameterValue(f"Unzipped size must be smaller than {limit} bytes")


def _refusal(code: str, message: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
    )
