"""Fetch function code from S3 with boto3, in threads, from wherever the server's settings point.

Credentials and region are the server's own, found as boto3 finds them; the endpoint is the
`aws_endpoint_url` setting, else `AWS_ENDPOINT_URL`, else AWS.
"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lambent.errors import InvalidParameterValue

_CHUNK = 1024 * 1024


class S3Source:
    """Objects of S3; one client per region, made when first needed."""

    def __init__(self, endpoint_url: str | None) -> None:
        self._endpoint_url = endpoint_url
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="lambent-s3")
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()

    async def fetch(
        self, region: str, bucket: str, key: str, version: str | None, target: Path, limit: int
    ) -> None:
        """Write the object to `target`; at most `limit` bytes."""

        def work() -> None:
            self._fetch(region, bucket, key, version, target, limit)

        await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for client in self._clients.values():
            client.close()

    def _fetch(
        self, region: str, bucket: str, key: str, version: str | None, target: Path, limit: int
    ) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        wanted = {"Bucket": bucket, "Key": key}
        if version is not None:
            wanted["VersionId"] = version
        try:
            body = self._client(region).get_object(**wanted)["Body"]
            with body, target.open("wb") as file:
                written = 0
                for chunk in body.iter_chunks(_CHUNK):
                    written += len(chunk)
                    if written >= limit:
                        raise InvalidParameterValue(
                            f"Unzipped size must be smaller than {limit} bytes"
                        )
                    file.write(chunk)
        except ClientError as error:
            told = error.response["Error"]
            raise _refusal(told["Code"], told["Message"]) from None
        except BotoCoreError as error:
            raise _refusal(type(error).__name__, str(error)) from None

    def _client(self, region: str) -> Any:
        with self._making:  # boto3 sessions are not safe to share while making a client
            if region not in self._clients:
                self._clients[region] = self._make(region)
            return self._clients[region]

    def _make(self, region: str) -> Any:
        import boto3
        from botocore.config import Config

        endpoint = self._endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
        return boto3.session.Session().client(
            "s3",
            region_name=region,
            endpoint_url=self._endpoint_url,
            config=Config(
                connect_timeout=5,
                read_timeout=60,
                retries={"max_attempts": 3, "mode": "standard"},
                # A host other than AWS's rarely answers for bucket names in front of its own.
                s3={"addressing_style": "path" if endpoint else "auto"},
            ),
        )


def _refusal(code: str, message: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
    )
