"""The only place that turns an error into an answer.

AWS's shapes (LAMBDA.md 1–5): the code in `x-amzn-ErrorType`; modelled errors say `Type`, and
`message` or `Message` as the model spells it; a throttle adds `Reason` and Retry-After.
"""

from __future__ import annotations

from typing import Any

import msgspec

from lambent.api.model import load
from lambent.api.serialise import JSON, Reply
from lambent.errors import AwsError, LambentError, SandboxError, ServiceException, TooManyRequests
from lambent.http.exchange import Exchange


def render(error: LambentError) -> Reply:
    """`error` as AWS would answer it; what is not AWS's is a ServiceException."""
    error = as_aws_error(error)
    key = load().message_keys.get(error.code, error.message_key)
    body: dict[str, Any] = dict(error.members)
    if error.typed:
        body["Type"] = error.type
    body[key] = error.message
    headers = [JSON, (b"x-amzn-errortype", error.code.encode())]
    if isinstance(error, TooManyRequests) and error.retry_after_s is not None:
        headers.append((b"retry-after", str(error.retry_after_s).encode()))
    return Reply(error.status, headers, msgspec.json.encode(body))


def as_aws_error(error: LambentError) -> AwsError:
    """What is not AWS's is a ServiceException."""
    return error if isinstance(error, AwsError) else _own_fault(error)


def _own_fault(error: LambentError) -> ServiceException:
    """What the host could not do is worth telling: it names its fix, and nothing secret."""
    if isinstance(error, SandboxError):
        fix = f" ({error.fix})" if error.fix else ""
        return ServiceException(f"{error.code}: {error}{fix}")
    return ServiceException(str(error) or type(error).__name__)


def respond_error(exchange: Exchange, request_id: str, error: LambentError) -> None:
    """`error` as the whole answer."""
    respond(exchange, request_id, render(error))


def respond(exchange: Exchange, request_id: str, reply: Reply) -> None:
    """`reply` with what every answer carries."""
    headers = [(b"x-amzn-RequestId", request_id.encode()), *reply.headers]
    exchange.respond(reply.status, headers, reply.body)
