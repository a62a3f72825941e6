"""Packages over 50 MB travel through S3: find or make the bucket, upload once per content."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from lambent.delivery.aws import Aws
from lambent.delivery.package import Package
from lambent.delivery.problem import NOT_AUTHORISED, Problem

BytesDone = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Uploaded:
    bucket: str
    key: str


def default_bucket(aws: Aws) -> str:
    """The bucket for packages, one per account and region: on AWS, or the server's own."""
    account = aws.client("sts").get_caller_identity()["Account"]
    return f"lambent-{account}-{aws.region_name}"


def upload(
    aws: Aws, bucket: str, function: str, package: Package, progress: BytesDone = lambda *_: None
) -> Uploaded:
    """Put the package into `bucket` under its hash; nothing is sent when it is already there."""
    s3 = aws.client("s3")
    key = f"{function}/{package.sha256_hex}.zip"
    _ensure_bucket(s3, bucket, aws.region_name)
    if _size(s3, bucket, key) != len(package.data):
        total, sent = len(package.data), 0

        def count(more: int) -> None:
            nonlocal sent
            sent += more
            progress(sent, total)

        s3.upload_fileobj(io.BytesIO(package.data), bucket, key, Callback=count)
    return Uploaded(bucket, key)


def if_large(
    aws: Aws,
    bucket: str | None,
    function: str,
    package: Package,
    progress: BytesDone = lambda *_: None,
) -> Uploaded | None:
    """Where a package went that is too large for a request; `bucket` None is the usual one."""
    if package.direct:
        return None
    return upload(aws, bucket or default_bucket(aws), function, package, progress)


def text(aws: Aws, bucket: str, folder: str, content: str) -> str:
    """Put a text into `bucket` under its hash; its address."""
    s3 = aws.client("s3")
    key = f"{folder}/{hashlib.sha256(content.encode()).hexdigest()}.json"
    _ensure_bucket(s3, bucket, aws.region_name)
    s3.put_object(Bucket=bucket, Key=key, Body=content.encode())
    return f"{s3.meta.endpoint_url}/{bucket}/{key}"


def _ensure_bucket(s3: Any, bucket: str, region: str) -> None:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 403:
            raise Problem(
                "BUCKET_DENIED",
                f"the bucket {bucket} belongs to someone else, or these credentials may not use it",
                fix="--bucket with another name",
                exit_code=NOT_AUTHORISED,
            ) from None
        if status != 404:
            raise
        # us-east-1 is the one region that must not be named as a location.
        where = {} if region == "us-east-1" else {"LocationConstraint": region}
        s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": where} if where else {}))
        s3.get_waiter("bucket_exists").wait(Bucket=bucket)


def _size(s3: Any, bucket: str, key: str) -> int | None:
    try:
        return int(s3.head_object(Bucket=bucket, Key=key)["ContentLength"])
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise
