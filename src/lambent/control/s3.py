"""Fetch function code from S3, in threads, from wherever the server's AWS settings point."""

from __future__ import annotations

from pathlib import Path

from lambent.control.aws_clients import AwsClients
from lambent.errors import InvalidParameterValue

_CHUNK = 1024 * 1024


class S3Source:
    """Objects of S3."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    async def fetch(
        self, region: str, bucket: str, key: str, version: str | None, target: Path, limit: int
    ) -> None:
        """Write the object to `target`; at most `limit` bytes."""
        await self._clients.run(lambda: self._fetch(region, bucket, key, version, target, limit))

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
                        raise InvalidParameterValue(
                            f"Unzipped size must be smaller than {limit} bytes"
                        )
                    file.write(chunk)
        except ClientError as error:
            told = error.response["Error"]
            raise _refusal(told["Code"], told["Message"]) from None
        except BotoCoreError as error:
            raise _refusal(type(error).__name__, str(error)) from None


def _refusal(code: str, message: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
    )
