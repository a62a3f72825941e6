"""boto3 clients of the AWS services beside Lambda, used from threads: S3, IAM, STS and their kin.

The endpoint is the `aws_endpoint_url` setting, else `AWS_ENDPOINT_URL_<SERVICE>`, else
`AWS_ENDPOINT_URL`. Where none is named, `endpoint` is None and nobody asks, except for what a
request itself needs (code in S3), which then comes from AWS. Credentials are the server's own, found
as boto3 finds them.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

from lambent.settings import LOOPBACK, Settings

T = TypeVar("T")


class AwsClients:
    """One client per service and region, made when first needed."""

    def __init__(self, settings: Settings, environ: Mapping[str, str] | None = None) -> None:
        self._setting = settings.aws_endpoint_url
        self._own_port = settings.port if settings.loopback else 0
        self._environ = os.environ if environ is None else environ
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="lambent-aws")
        self._clients: dict[tuple[str, str], Any] = {}
        self._making = threading.Lock()

    def endpoint(self, service: str) -> str | None:
        """Where `service` is, if anybody has said so."""
        if self._setting:
            return self._setting
        variable = f"AWS_ENDPOINT_URL_{service.upper()}"
        found = self._environ.get(variable) or self._environ.get("AWS_ENDPOINT_URL")
        return None if found is None or self._is_ours(found) else found

    def _is_ours(self, url: str) -> bool:
        """A shell that `lambent env` has prepared names this server for every service."""
        parts = urlsplit(url)
        return parts.hostname in LOOPBACK and parts.port == self._own_port

    async def run(self, work: Callable[[], T]) -> T:
        """`work`, which may block, in one of our threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def client(self, service: str, region: str) -> Any:
        """Called in a thread: making the first one imports boto3."""
        with self._making:  # boto3 sessions are not safe to share while making a client
            if (service, region) not in self._clients:
                self._clients[service, region] = self._make(service, region)
            return self._clients[service, region]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for client in self._clients.values():
            client.close()

    def _make(self, service: str, region: str) -> Any:
        import boto3
        from botocore.config import Config

        endpoint = self.endpoint(service)
        return boto3.session.Session().client(
            service,  # type: ignore[call-overload]  # stubs want a literal
            region_name=region,
            endpoint_url=endpoint,
            config=Config(
                connect_timeout=5,
                read_timeout=60,
                retries={"max_attempts": 3, "mode": "standard"},
                # A host other than AWS's rarely answers for bucket names in front of its own.
                s3={"addressing_style": "path" if endpoint else "auto"},
            ),
        )
