"""Clients for AWS, or for a server that speaks its API: the endpoint is the whole difference.

Everything that talks to Lambda, S3 or IAM gets an `Aws`. On loopback no credentials are needed, so
a user without ~/.aws can work; `problem` turns what AWS answers into an error with a fix. boto3 is
imported when it is used: a verb's `--help`, or a typing error, need not wait for it.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lambent.delivery.problem import NOT_AUTHORISED, USAGE, Problem

if TYPE_CHECKING:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

_INVOKE_LIMIT_S = 930  # Lambda's longest function, 900 s, and the way there and back
_DENIED = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "UnrecognizedClientException", "ExpiredToken",
        "ExpiredTokenException", "InvalidSignatureException", "InvalidClientTokenId",
        "SignatureDoesNotMatch", "MissingAuthenticationTokenException", "InvalidAccessKeyId",
    }
)  # fmt: skip


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Aws:
    """Where to go and as whom. `endpoint_url` None is AWS itself."""

    endpoint_url: str | None = None
    profile: str | None = None
    region: str | None = None

    @property
    def is_aws(self) -> bool:
        return self.endpoint_url is None

    @cached_property
    def session(self) -> boto3.Session:
        import boto3
        from botocore.exceptions import ProfileNotFound

        local = self.endpoint_url is not None and is_loopback(self.endpoint_url)
        if local:
            # Otherwise a laptop without credentials waits for the instance metadata service.
            os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
        try:
            session = boto3.Session(profile_name=self.profile, region_name=self.region)
            anonymous = local and not self.profile and not _has_credentials(session)
        except ProfileNotFound as error:
            raise Problem(
                "PROFILE_NOT_FOUND", str(error), fix="aws configure list-profiles"
            ) from None
        region = self.region or session.region_name
        if anonymous:
            return boto3.Session("lambent", "lambent", region_name=region or "us-east-1")
        if region is None and not local:
            raise Problem(
                "REGION_MISSING",
                "no AWS region is set",
                fix="--region eu-central-1",
                exit_code=USAGE,
            )
        if region is None:
            return boto3.Session(profile_name=self.profile, region_name="us-east-1")
        return session

    @property
    def _proxies(self) -> dict[str, str] | None:
        """None asks the environment; a proxy cannot reach this machine's loopback."""
        return {} if self.endpoint_url and is_loopback(self.endpoint_url) else None

    @property
    def region_name(self) -> str:
        return str(self.session.region_name)

    @cached_property
    def functions(self) -> Any:
        """The Lambda client for everything but Invoke."""
        from botocore.config import Config

        config = Config(
            read_timeout=300,
            connect_timeout=5,
            proxies=self._proxies,
            retries={"total_max_attempts": 3, "mode": "standard"},
            **self._unconfigured("lambda"),
        )
        return self.session.client("lambda", endpoint_url=self.endpoint_url, config=config)

    @cached_property
    def invoker(self) -> Any:
        """The Lambda client for Invoke, which never sends one call twice."""
        from botocore.config import Config

        config = Config(
            read_timeout=_INVOKE_LIMIT_S,
            connect_timeout=5,
            proxies=self._proxies,
            retries={"total_max_attempts": 1},
            **self._unconfigured("lambda"),
        )
        return self.session.client("lambda", endpoint_url=self.endpoint_url, config=config)

    def client(self, service: str) -> Any:
        """Another service: where AWS_ENDPOINT_URL_<SERVICE> says, else on AWS or at the server."""
        from botocore.config import Config

        session: Any = self.session  # the stubs want each service's name as a literal
        aside = self._unconfigured(service)
        named = os.environ.get(_variable(service)) or os.environ.get("AWS_ENDPOINT_URL")
        if self.is_aws or (named and not aside):
            return session.client(service, config=Config(**aside))
        config = Config(proxies=self._proxies, s3={"addressing_style": "path"}, **aside)
        return session.client(service, endpoint_url=self.endpoint_url, config=config)

    def _unconfigured(self, service: str) -> dict[str, Any]:
        """For a Config: a shell that `lambent env` has prepared names a server, which AWS is not."""
        named = os.environ.get(_variable(service))
        ours = named is not None and named == os.environ.get("LAMBENT_ENDPOINT_URL")
        return {"ignore_configured_endpoint_urls": True} if ours else {}


def _variable(service: str) -> str:
    return f"AWS_ENDPOINT_URL_{'CLOUDWATCH_LOGS' if service == 'logs' else service.upper()}"


def _has_credentials(session: boto3.Session) -> bool:
    from botocore.exceptions import BotoCoreError

    try:
        return session.get_credentials() is not None
    except BotoCoreError:
        return False


def problem(error: BotoCoreError | ClientError, aws: Aws) -> Problem:
    """What AWS or the network answered, with what to do about it."""
    from botocore.exceptions import (
        ClientError,
        ConnectionError,  # noqa: A004  botocore's name for it
        HTTPClientError,
        NoCredentialsError,
        ParamValidationError,
    )

    where = aws.endpoint_url or "AWS"
    if isinstance(error, ClientError):
        return _answered(error)
    if isinstance(error, NoCredentialsError):
        return Problem(
            "CREDENTIALS_MISSING",
            f"no credentials for {where}",
            fix="aws configure     or     --profile NAME",
            exit_code=NOT_AUTHORISED,
        )
    if isinstance(error, ParamValidationError):
        return Problem("PARAMETER_INVALID", str(error).replace("\n", " "), exit_code=USAGE)
    if isinstance(error, (ConnectionError, HTTPClientError)):
        return Problem(
            "SERVER_UNREACHABLE",
            f"nothing answers at {where}",
            why=str(error),
            fix="lambent up -d     or     --endpoint-url URL"
            if aws.endpoint_url
            else "check the network",
        )
    return Problem("AWS_CLIENT", str(error))


def _answered(error: ClientError) -> Problem:
    code = str(error.response.get("Error", {}).get("Code", "Unknown"))
    message = str(
        error.response.get("Error", {}).get("Message") or error.response.get("Message") or error
    )
    if code in _DENIED:
        return Problem(
            code,
            message,
            why=f"{error.operation_name} is not allowed for these credentials",
            fix="--profile NAME, or ask for the permission",
            exit_code=NOT_AUTHORISED,
        )
    fixes = {
        "ResourceNotFoundException": "lambent deploy     (check the name, --region and --endpoint-url)",
        "TooManyRequestsException": "try again in a moment, or raise the concurrency limit",
        "ResourceConflictException": "wait for the running update and try again",
    }
    return Problem(code, message, fix=fixes.get(code, ""))
