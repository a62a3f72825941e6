"""A function's log events, from a lambent server or from CloudWatch Logs, earliest first.

A lambent server serves them as NDJSON at `/_lambent/logs/<function>`, as many as there are and as
they come; on AWS they come through the CloudWatch Logs API, which is asked again and again by those
who follow.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

from lambent.delivery.aws import Aws, is_loopback
from lambent.delivery.problem import NOT_AUTHORISED, Problem

_AWS_POLL_S = 2.0
_SEEN = 10_000


class Event(NamedTuple):
    time: int
    """Milliseconds since the epoch."""
    stream: str
    message: str


@dataclass(frozen=True, slots=True)
class Span:
    """Which events: times in milliseconds since the epoch, one stream or all."""

    since_ms: int
    until_ms: int | None = None
    stream: str | None = None
    containing: tuple[str, ...] = ()
    """Only events with one of these texts; letters, digits and blanks."""


def events(aws: Aws, function: str, span: Span, *, follow: bool = False) -> Iterator[Event]:
    """The function's events; with `follow` without end."""
    if aws.is_aws:
        return _cloudwatch(aws, function, span, follow=follow)
    return _server(aws, function, span, follow=follow)


def group(aws: Aws, function: str) -> str:
    """The function's log group; an unknown function raises botocore's error."""
    configuration = aws.functions.get_function_configuration(FunctionName=function)
    fallback = f"/aws/lambda/{configuration['FunctionName']}"
    return str((configuration.get("LoggingConfig") or {}).get("LogGroup", fallback))


def ask(
    aws: Aws,
    path: str,
    timeout_s: float | None,
    *,
    method: str = "GET",
    body: bytes | None = None,
) -> IO[bytes]:
    """Ask one of the server's own pages; raises HTTPError, or a Problem when nothing answers."""
    try:
        answer: IO[bytes] = _opener(aws).open(
            _signed(aws, f"{aws.endpoint_url}{path}", method, body), timeout=timeout_s
        )
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError as error:
        raise Problem(
            "SERVER_UNREACHABLE",
            f"nothing answers at {aws.endpoint_url}",
            why=str(error.reason),
            fix="lambent up -d     or     --endpoint-url URL",
        ) from None
    return answer


def refused(error: urllib.error.HTTPError, what: str, fix: str) -> Problem:
    """What the server said instead of an answer."""
    with error:
        body = error.read(4096)
    try:
        said = json.loads(body)
        message = str(said.get("message") or said.get("Message") or error.reason)
    except (ValueError, AttributeError):
        message = str(error.reason)
    if error.code in {401, 403}:
        return Problem("ACCESS_DENIED", f"{what}: {message}", fix=fix, exit_code=NOT_AUTHORISED)
    return Problem("SERVER_REFUSED", f"{what}: {message}", why=f"HTTP status {error.code}", fix=fix)


def _server(aws: Aws, function: str, span: Span, *, follow: bool) -> Iterator[Event]:
    query: list[tuple[str, object]] = [("since", span.since_ms), ("all", 1)]
    if span.until_ms is not None:
        query.append(("until", span.until_ms))
    if span.stream is not None:
        query.append(("stream", span.stream))
    query += [("contains", text) for text in span.containing]
    if follow:
        query.append(("follow", 1))
    path = f"/_lambent/logs/{urllib.parse.quote(function, safe='')}"
    try:
        # None: a followed log may be quiet for hours.
        with ask(aws, f"{path}?{urllib.parse.urlencode(query)}", None if follow else 60) as answer:
            for line in answer:
                if line.strip():
                    found = json.loads(line)
                    yield Event(found["time"], found["stream"], found["message"])
    except urllib.error.HTTPError as error:
        if error.code == 404:
            error.close()
            raise Problem(
                "FUNCTION_NOT_FOUND",
                f"there is no function {function}",
                fix="lambent fn ls     or     lambent deploy",
            ) from None
        raise refused(error, f"no logs of {function}", "lambent doctor") from None
    except (ConnectionError, TimeoutError) as error:
        raise Problem(
            "CONNECTION_LOST",
            "the server went away in the middle of the log",
            why=str(error),
            fix="lambent status",
        ) from None


def _signed(aws: Aws, url: str, method: str, body: bytes | None) -> urllib.request.Request:
    """Signed as for Lambda: the credential scope says whose function of which region is meant."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest(method, url, data=body)
    if credentials := aws.session.get_credentials():
        SigV4Auth(credentials, "lambda", aws.region_name).add_auth(request)
    return urllib.request.Request(url, body, dict(request.headers), method=method)  # noqa: S310  the endpoint that the user gave


def _opener(aws: Aws) -> urllib.request.OpenerDirector:
    """Without the environment's proxy for loopback, which a proxy cannot reach."""
    local = is_loopback(aws.endpoint_url or "")
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if local else []))


def _cloudwatch(aws: Aws, function: str, span: Span, *, follow: bool) -> Iterator[Event]:
    logs = aws.client("logs")
    request: dict[str, Any] = {"logGroupName": group(aws, function), "startTime": span.since_ms}
    if span.until_ms is not None:
        request["endTime"] = span.until_ms
    if span.stream is not None:
        request["logStreamNames"] = [span.stream]
    if span.containing:
        request["filterPattern"] = " ".join(f'?"{text}"' for text in span.containing)
    seen: dict[str, None] = {}
    while True:
        for page in logs.get_paginator("filter_log_events").paginate(**request):
            for event in page["events"]:
                if event["eventId"] in seen:
                    continue
                seen[event["eventId"]] = None
                request["startTime"] = max(request["startTime"], event["timestamp"])
                text = event["message"].rstrip("\n")
                yield Event(event["timestamp"], event["logStreamName"], text)
        if not follow:
            return
        while len(seen) > _SEEN:
            seen.pop(next(iter(seen)))
        time.sleep(_AWS_POLL_S)
