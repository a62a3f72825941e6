"""`lambent curl`: an HTTP request to a function, as its URL would bring it, through Invoke.

An address, or `gateway:NAME` for one of `lambent gateway ls`, is asked over HTTP itself.

`-X`, `-d`, `-H`, `-o`, `-f` and `-A` mean what they mean to curl. On a terminal status, headers and
body are shown; piped, one JSON object, or with `--raw` the body and nothing else.
"""

from __future__ import annotations

import base64
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from lambent import __version__
from lambent.cli.failed import function_failed
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery import gateways, http_event, http_request
from lambent.delivery.http_event import Request, Response
from lambent.delivery.problem import FUNCTION_FAILED, USAGE, Problem

_FORM = "application/x-www-form-urlencoded"


@click.command(cls=Verb)
@click.argument("function")
@click.argument("path", default="/")
@click.option("-X", "--request", "method", help="The method; POST with -d, else GET.")
@click.option("-d", "--data", multiple=True, metavar="TEXT|@F|-", help="The body, as a form's.")
@click.option("--data-binary", metavar="TEXT|@F|-", help="The body, byte for byte.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'")
@click.option("-A", "--user-agent", default=f"lambent/{__version__}", show_default=True)
@click.option("-o", "--output", "file", type=click.Path(path_type=Path), help="Body to a file.")
@click.option("-f", "--fail", is_flag=True, help="Exit code 5 from status 400 on.")
@click.option("--raw", is_flag=True, help="Print the body's bytes and nothing else.")
@click.option("--qualifier", help="A version or an alias.")
@click.pass_obj
def command(
    options: Options, /, function: str, path: str, qualifier: str | None, **flags: Any
) -> int:
    """Send FUNCTION a request for PATH, such as '/predict?k=3'.

    In place of FUNCTION, an address (http://…) or gateway:NAME[/STAGE] is asked over HTTP.
    """
    out = Output(options)
    request = _request(out, path, flags)
    if base := _address(options, function):
        return _over_http(out, base, request, flags)
    aws = options.target()
    event = http_event.event(
        request,
        domain=f"{function}.lambda-url.{aws.region_name}.on.aws".lower(),
        source_ip="127.0.0.1",
        now=datetime.now(UTC),
    )
    call: dict[str, Any] = {"FunctionName": function, "Payload": json.dumps(event).encode()}
    if qualifier:
        call["Qualifier"] = qualifier
    with out.progress() as progress:
        progress(f"{request.method} {path}")
        answer = aws.invoker.invoke(LogType="Tail", **call)
        payload = answer["Payload"].read()
    if failed := answer.get("FunctionError"):
        tail = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
        raise function_failed(function, str(failed), payload, tail, shown=out.as_json)
    response = http_event.response(payload)
    if flags["file"] is not None:
        flags["file"].write_bytes(response.body)
    _show(out, response, answer["ResponseMetadata"]["RequestId"], flags)
    out.hints(f"lambent trace {answer['ResponseMetadata']['RequestId']} {function}")
    return FUNCTION_FAILED if flags["fail"] and response.status >= 400 else 0


def _address(options: Options, function: str) -> str | None:
    """Where to ask over HTTP; None for a function's name."""
    if function.startswith(("http://", "https://")):
        return function
    if not function.startswith("gateway:"):
        return None
    name, _, stage = function.removeprefix("gateway:").partition("/")
    found = gateways.find(options.target(), name)
    urls: dict[str, str] = found["urls"] if found else {}
    if not urls or (stage and stage not in urls):
        raise Problem(
            "USAGE",
            f"there is no gateway {name}" if not urls else f"{name} has no stage {stage}",
            fix="lambent gateway ls",
            exit_code=USAGE,
        )
    return urls[stage] if stage else next(iter(urls.values()))


def _over_http(out: Output, base: str, request: Request, flags: dict[str, Any]) -> int:
    with out.progress() as progress:
        progress(f"{request.method} {base}")
        response, request_id = http_request.send(base, request)
    if flags["file"] is not None:
        flags["file"].write_bytes(response.body)
    _show(out, response, request_id, flags)
    return FUNCTION_FAILED if flags["fail"] and response.status >= 400 else 0


def _request(out: Output, path: str, flags: dict[str, Any]) -> Request:
    body = _body(flags["data"], flags["data_binary"])
    headers = [_header(item) for item in flags["headers"]]
    named = {name.lower() for name, _ in headers}
    if "user-agent" not in named:
        headers.append(("user-agent", flags["user_agent"]))
    if "accept" not in named:
        headers.append(("accept", "*/*"))
    if body is not None and "content-type" not in named:
        headers.append(("content-type", _FORM))
        if body.lstrip()[:1] in {b"{", b"["}:
            out.note("the body looks like JSON and goes as a form, as with curl; JSON needs "
                     "-H 'content-type: application/json'")  # fmt: skip
    method = flags["method"] or ("GET" if body is None else "POST")
    target = path if path.startswith("/") else f"/{path}"
    return Request(method.upper(), target.split("#", maxsplit=1)[0], headers, body)


def _header(item: str) -> tuple[str, str]:
    name, colon, value = item.partition(":")
    if not colon or not name.strip():
        raise Problem(
            "USAGE",
            f"-H '{item}' is not NAME: VALUE",
            fix="-H 'content-type: application/json'",
            exit_code=USAGE,
        )
    return name.strip(), value.strip()


def _body(data: tuple[str, ...], binary: str | None) -> bytes | None:
    if binary is not None:
        return _bytes(binary)
    if not data:
        return None
    # curl leaves out the line ends of files, and joins several with `&`.
    return b"&".join(
        _bytes(item).replace(b"\r", b"").replace(b"\n", b"") if item[:1] in {"@", "-"} else
        item.encode()
        for item in data
    )  # fmt: skip


def _bytes(item: str) -> bytes:
    if item in {"-", "@-"}:
        return sys.stdin.buffer.read()
    if not item.startswith("@"):
        return item.encode()
    try:
        return Path(item[1:]).read_bytes()
    except OSError as error:
        raise Problem(
            "FILE",
            f"cannot read {item[1:]}",
            why=str(error.strerror),
            fix="check the path",
            exit_code=USAGE,
        ) from None


def _show(out: Output, response: Response, request_id: str, flags: dict[str, Any]) -> None:
    written = flags["file"] is not None
    if flags["raw"]:
        if not written:
            sys.stdout.buffer.write(response.body)
            sys.stdout.buffer.flush()
        return
    text = _text(response.body)
    if out.as_json:
        body = text if text is not None else base64.b64encode(response.body).decode()
        facts = {
            "status": response.status,
            "headers": response.headers,
            "cookies": list(response.cookies),
            "body": None if written else body,
            "base64": text is None and not written,
            "request_id": request_id,
        }
        out.result(facts, [])
        return
    colour = "green" if response.status < 400 else "red"
    print(out.style(f"HTTP {response.status}", colour))
    for name, value in response.headers.items():
        print(f"{out.style(name, 'cyan')}: {value}")
    for cookie in response.cookies:
        print(f"{out.style('set-cookie', 'cyan')}: {cookie}")
    print()
    if written or text is None:
        out.note(f"{len(response.body)} bytes " + (f"in {flags['file']}" if written else
                 "that are no text; -o FILE keeps them"))  # fmt: skip
    else:
        print(text)


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
