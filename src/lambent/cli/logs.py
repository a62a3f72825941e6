"""`lambent logs`: a function's log lines, from a lambent server or from CloudWatch Logs.

A lambent server serves them as NDJSON at `/_lambent/logs/<function>`; on AWS they come through the
CloudWatch Logs API. One JSON object per line when piped.
"""

from __future__ import annotations

import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery.aws import Aws, is_loopback
from lambent.delivery.problem import USAGE, Problem

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_AWS_POLL_S = 2.0


@click.command(cls=Verb)
@click.argument("function", required=False)
@click.option("-f", "--follow", is_flag=True, help="Keep showing new lines.")
@click.option("--since", default="1h", show_default=True, help="How far back: 30s, 10m, 2h, 1d.")
@click.pass_obj
def command(options: Options, function: str | None, follow: bool, since: str) -> None:  # noqa: FBT001  click passes by name
    """Show FUNCTION's log lines; without a name, the one of template.yaml."""
    aws = options.target()
    name = function or _of_project()
    since_ms = int(time.time() * 1000) - _milliseconds(since)
    lines = (
        _cloudwatch(aws, name, since_ms, follow)
        if aws.is_aws
        else _server(aws, name, since_ms, follow)
    )
    out = Output(options)
    shown = 0
    for event in lines:
        shown += 1
        if out.as_json:
            print(json.dumps(event, ensure_ascii=False), flush=True)
        else:
            moment = out.style(_clock(event["time"]), "dim")
            print(f"{moment}  {str(event['message']).rstrip()}", flush=True)
    if not shown and not out.as_json:
        out.note(f"no lines of {name} in the last {since}")
        out.hints(f"lambent invoke {name}", f"lambent logs {name} --since 1d")


def _of_project() -> str:
    from lambent.delivery import template

    path = template.find(Path())
    if path is None:
        raise Problem(
            "FUNCTION_MISSING",
            "which function? There is no template.yaml here",
            fix="lambent logs FUNCTION",
            exit_code=USAGE,
        )
    return template.read(path).functions[0].name


def _milliseconds(since: str) -> int:
    match = re.fullmatch(r"(\d+)([smhd])", since)
    if match is None:
        raise Problem(
            "SINCE_INVALID", f"'{since}' is not a time span", fix="--since 10m", exit_code=USAGE
        )
    return int(match[1]) * _UNITS_S[match[2]] * 1000


def _clock(moment: Any) -> str:
    """Milliseconds since the epoch, or ISO text as it is."""
    if isinstance(moment, (int, float)):
        local = datetime.fromtimestamp(moment / 1000, UTC).astimezone()
        return f"{local:%H:%M:%S}.{int(moment) % 1000:03d}"
    return str(moment)


def _server(aws: Aws, name: str, since_ms: int, follow: bool) -> Iterator[dict[str, Any]]:  # noqa: FBT001  one reader's switch
    """NDJSON `{"time", "stream", "message"}` from the server, as it comes."""
    query = {"since": since_ms, **({"follow": 1} if follow else {})}
    url = f"{aws.endpoint_url}/_lambent/logs/{urllib.parse.quote(name, safe='')}"
    request = _signed(aws, f"{url}?{urllib.parse.urlencode(query)}")
    # None: a followed log may be quiet for hours.
    try:
        with _opener(aws).open(request, timeout=None if follow else 60) as answer:
            for line in answer:
                if line.strip():
                    yield json.loads(line)
    except urllib.error.HTTPError as error:
        raise _refused(error, name) from None
    except urllib.error.URLError as error:
        raise Problem(
            "SERVER_UNREACHABLE",
            f"nothing answers at {aws.endpoint_url}",
            why=str(error.reason),
            fix="lambent up -d     or     --endpoint-url URL",
        ) from None


def _signed(aws: Aws, url: str) -> urllib.request.Request:
    """Signed as for Lambda: the credential scope says whose function of which region is meant."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest("GET", url)
    if credentials := aws.session.get_credentials():
        SigV4Auth(credentials, "lambda", aws.region_name).add_auth(request)
    return urllib.request.Request(url, headers=dict(request.headers))  # noqa: S310  the endpoint that the user gave


def _opener(aws: Aws) -> urllib.request.OpenerDirector:
    """Without the environment's proxy for loopback, which a proxy cannot reach."""
    local = is_loopback(aws.endpoint_url or "")
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if local else []))


def _refused(error: urllib.error.HTTPError, name: str) -> Problem:
    with error:
        body = error.read(4096)
    try:
        said = json.loads(body)
        message = str(said.get("message") or said.get("Message") or error.reason)
    except (ValueError, AttributeError):
        message = str(error.reason)
    code = "FUNCTION_NOT_FOUND" if error.code == 404 else f"HTTP_{error.code}"
    return Problem(code, f"no logs of {name}: {message}", fix="lambent deploy, or check the name")


def _cloudwatch(aws: Aws, name: str, since_ms: int, follow: bool) -> Iterator[dict[str, Any]]:  # noqa: FBT001  the same
    """CloudWatch Logs has no stream to follow with plain calls, so it is asked again and again."""
    logs = aws.client("logs")
    configuration = aws.functions.get_function_configuration(FunctionName=name)
    group = configuration.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}")
    seen: dict[str, None] = {}
    while True:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=since_ms
        )
        for page in pages:
            for event in page["events"]:
                if event["eventId"] in seen:
                    continue
                seen[event["eventId"]] = None
                since_ms = max(since_ms, event["timestamp"])
                yield {
                    "time": event["timestamp"],
                    "stream": event["logStreamName"],
                    "message": event["message"].rstrip("\n"),
                }
        if not follow:
            return
        while len(seen) > 10_000:
            seen.pop(next(iter(seen)))
        sys.stdout.flush()
        time.sleep(_AWS_POLL_S)
