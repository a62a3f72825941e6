"""The credentials of a function's execution role, one set for each start of a runtime.

Where an STS endpoint is configured they come from AssumeRole; elsewhere they are issued here and
sealed, so that this server knows whose they are when a function calls it. They end: whoever holds
them is told when, and gives its environment back before (`environment`). With `auth = "any"`
nobody asks, so that they are taken after their end, too.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import structlog

from lambent.clock import Clock
from lambent.control.aws_clients import AwsClients
from lambent.control.iam.keyring import KeyRing
from lambent.control.iam.sessions import Sessions
from lambent.control.targets import VersionTarget
from lambent.errors import AccessDenied, ServiceException

DURATION_S: Final = 3_600
"""What every role allows."""


log = structlog.get_logger()


class Credentials(NamedTuple):
    access_key_id: str
    secret_access_key: str
    session_token: str
    lifetime_s: float | None = None
    """None: they do not end."""


class CredentialsSource(Protocol):
    """Where the launcher gets them."""

    async def issue(self, target: VersionTarget) -> Credentials:
        """A new set; raises `LambentError` when the role cannot be had."""
        ...


class IssuedHere:
    """Sealed with this server's key, so that it knows them again (`control/iam/sessions`)."""

    def __init__(
        self, sessions: Sessions, keys: KeyRing, clock: Clock, *, enforced: bool = True
    ) -> None:
        """`enforced`: somebody asks whether they have ended, so holders are told when they do."""
        self._sessions = sessions
        self._keys = keys
        self._clock = clock
        self._enforced = enforced

    async def issue(self, target: VersionTarget) -> Credentials:
        if self._enforced:
            self._keys.check_trust(target.role_arn)
        ends_ms = self._clock.time_ms() + DURATION_S * 1000
        issued = self._sessions.issue(target.role_arn, session_name(target.function_name), ends_ms)
        return Credentials(
            issued.access_key_id,
            issued.secret_access_key,
            issued.session_token,
            float(DURATION_S) if self._enforced else None,
        )


class Unverified:
    """Random ones in AWS's form, where there is no server to present them to."""

    async def issue(self, target: VersionTarget) -> Credentials:  # noqa: ARG002  for any function
        return Credentials(
            "ASIA" + secrets.token_hex(8).upper(),
            secrets.token_urlsafe(30),
            secrets.token_urlsafe(96),
        )


class AssumedRole:
    """STS AssumeRole, in a thread."""

    def __init__(self, clients: AwsClients, clock: Clock, otherwise: CredentialsSource) -> None:
        self._clients = clients
        self._clock = clock
        self._otherwise = otherwise

    async def issue(self, target: VersionTarget) -> Credentials:
        answer = await self._clients.run(lambda: self._assume(target))
        if answer is None:
            return await self._otherwise.issue(target)
        ends: datetime = answer["Expiration"]
        return Credentials(
            answer["AccessKeyId"],
            answer["SecretAccessKey"],
            answer["SessionToken"],
            max(0.0, ends.timestamp() - self._clock.time_ms() / 1000),
        )

    def _assume(self, target: VersionTarget) -> dict[str, Any] | None:
        """None when what answers there is no STS."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            answer: dict[str, Any] = self._clients.client("sts", target.region).assume_role(
                RoleArn=target.role_arn,
                RoleSessionName=session_name(target.function_name),
                DurationSeconds=DURATION_S,
            )["Credentials"]
        except ClientError:
            raise AccessDenied(
                "The role defined for the function cannot be assumed by Lambda."
            ) from None
        except ResponseParserError as error:
            log.warning("credentials.no_sts", function=target.function_arn, reason=str(error)[:200])
            return None
        except BotoCoreError as error:
            raise ServiceException(
                f"STS, which the AWS endpoint settings name, cannot be asked: {error}"
            ) from None
        return answer


def session_name(function: str) -> str:
    """As AWS names sessions; STS wants two characters at least (LAMBDA.md 83)."""
    return f"{function}@lambda_function" if len(function) == 1 else function


def source(
    clients: AwsClients, clock: Clock, sessions: Sessions, keys: KeyRing, *, enforced: bool
) -> CredentialsSource:
    """STS where an endpoint is configured, else our own."""
    own = IssuedHere(sessions, keys, clock, enforced=enforced)
    return own if clients.endpoint("sts") is None else AssumedRole(clients, clock, own)
