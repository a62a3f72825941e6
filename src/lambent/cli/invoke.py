"""`lambent invoke`: call a function, show its answer, its REPORT line and what it cost.

The event comes from `-d` (JSON, @file, or - for stdin) and `-i key=value`. Exit code 5 means that
the function itself failed.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lambent.cli import report, streamed
from lambent.cli.failed import function_failed
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery.problem import USAGE, Problem


@click.command(cls=Verb)
@click.argument("function")
@click.option("-d", "--data", help="The event: JSON, @file, or - for stdin.", metavar="JSON|@F|-")
@click.option(
    "-i",
    "--input",
    "inputs",
    multiple=True,
    metavar="K=V",
    help="One member of the event; K=@FILE takes a file (base64 when it is not text).",
)
@click.option("--qualifier", help="A version or an alias.")
@click.option("--async", "asynchronous", is_flag=True, help="Queue it and do not wait.")
@click.option("--stream", is_flag=True, help="Print the answer as it comes.")
@click.option("--raw", is_flag=True, help="Print the answer's bytes and nothing else.")
@click.pass_obj
def command(
    options: Options,
    function: str,
    data: str | None,
    inputs: tuple[str, ...],
    qualifier: str | None,
    asynchronous: bool,  # noqa: FBT001  click passes by name
    stream: bool,  # noqa: FBT001  the same
    raw: bool,  # noqa: FBT001  the same
) -> None:
    """Call FUNCTION and show its answer."""
    payload = event(data, inputs)
    aws = options.target()
    out = Output(options)
    request: dict[str, Any] = {"FunctionName": function, "Payload": payload}
    if qualifier:
        request["Qualifier"] = qualifier
    if asynchronous:
        answer = aws.invoker.invoke(InvocationType="Event", **request)
        request_id = answer["ResponseMetadata"]["RequestId"]
        out.result(
            {"status": answer["StatusCode"], "request_id": request_id},
            [("accepted", f"request {request_id}")],
        )
        out.hints(f"lambent logs {function}")
        return
    if stream:
        streamed.show(out, aws, function, request, raw=raw)
        return
    with out.progress() as progress:
        progress(f"calling {function}")
        answer = aws.invoker.invoke(LogType="Tail", **request)
        body = answer["Payload"].read()
    failed = answer.get("FunctionError")
    tail = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
    if raw:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    else:
        _show(
            out, answer, body, report.parse(tail), lambda found: report.cost(aws, function, found)
        )
    if failed:
        raise function_failed(function, str(failed), body, tail, shown=out.as_json or raw)


def event(data: str | None, inputs: Sequence[str]) -> bytes:
    """The payload's bytes, checked to be JSON so that a typing error is found here."""
    text = _text(data)
    if text is None:
        value: Any = {}
    else:
        try:
            value = json.loads(text)
        except ValueError as error:
            raise Problem(
                "EVENT_INVALID",
                f"the event is not JSON: {error}",
                fix="-d '{\"key\": 1}'     or     -d @event.json",
                exit_code=USAGE,
            ) from None
        if not inputs:
            return text if isinstance(text, bytes) else text.encode()
    if not isinstance(value, dict):
        raise Problem(
            "EVENT_INVALID",
            "-i needs an event that is an object",
            fix="leave -i out",
            exit_code=USAGE,
        )
    for item in inputs:
        key, equals, given = item.partition("=")
        if not equals or not key:
            raise Problem(
                "INPUT_INVALID", f"'{item}' is not K=V", fix="-i tenure_months=3", exit_code=USAGE
            )
        value[key] = _input(given)
    return json.dumps(value).encode()


def _text(data: str | None) -> str | bytes | None:
    if data is None:
        return None
    if data == "-":
        return sys.stdin.buffer.read()
    return _file(data[1:]) if data.startswith("@") else data


def _input(given: str) -> Any:
    """A number, true, a list … when it reads as JSON; text otherwise."""
    if given.startswith("@"):
        raw = _file(given[1:])
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return base64.b64encode(raw).decode()
    try:
        return json.loads(given)
    except ValueError:
        return given


def _file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Problem(
            "FILE",
            f"cannot read {path}",
            why=str(error.strerror),
            fix="check the path",
            exit_code=USAGE,
        ) from None


def _show(out: Output, answer: Any, body: bytes, found: report.Report | None, price: Any) -> None:
    try:
        payload = json.loads(body) if body else None
    except ValueError:
        payload = body.decode(errors="replace")
    cost = price(found) if found else None
    facts: dict[str, Any] = {
        "status": answer["StatusCode"],
        "executed_version": answer.get("ExecutedVersion"),
        "request_id": answer["ResponseMetadata"]["RequestId"],
        "function_error": answer.get("FunctionError"),
        "payload": payload,
        "report": found.facts() | {"cost": cost} if found else None,
    }
    if out.as_json:
        out.result(facts, [])
        return
    print("  " + json.dumps(payload, ensure_ascii=False))
    if found:
        out.result({}, [("REPORT", found.line() + (f"  Cost {cost}" if cost else ""))])
