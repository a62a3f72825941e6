"""`lambent invoke --stream`: an answer's bytes as they come, then its REPORT line.

With `--raw` nothing else. With `--json` each part is an object of its own line (`chunk`, or `chunk_base64` when it is not
text), and the last one tells how it ended.
"""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

from lambent.cli import report
from lambent.cli.failed import function_failed
from lambent.cli.output import Output
from lambent.delivery.aws import Aws


def show(out: Output, aws: Aws, function: str, request: dict[str, Any], *, raw: bool) -> None:
    """Call it and print; raises the problem of a function that failed."""
    answer = aws.invoker.invoke_with_response_stream(LogType="Tail", **request)
    complete: dict[str, str] = {}
    last = b"\n"
    for event in answer["EventStream"]:
        if "PayloadChunk" in event:
            last = event["PayloadChunk"]["Payload"]
            _print(last, as_json=out.as_json and not raw)
        else:
            complete = event.get("InvokeComplete", {})
    tail = base64.b64decode(complete.get("LogResult", "")).decode(errors="replace")
    found = report.parse(tail)
    if out.as_json and not raw:
        print(json.dumps(_end(answer, complete, found)))
    elif not raw:
        if not last.endswith(b"\n"):
            print()
        if found:
            cost = report.cost(aws, function, found)
            out.result({}, [("REPORT", found.line() + (f"  Cost {cost}" if cost else ""))])
    if "ErrorCode" in complete:
        details = complete.get("ErrorDetails", "").encode()
        shown = out.as_json or raw
        raise function_failed(function, complete["ErrorCode"], details, tail, shown=shown)


def _print(data: bytes, *, as_json: bool) -> None:
    if not as_json:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        line = {"chunk": data.decode()}
    except UnicodeDecodeError:
        line = {"chunk_base64": base64.b64encode(data).decode()}
    print(json.dumps(line), flush=True)


def _end(answer: Any, complete: dict[str, str], found: report.Report | None) -> dict[str, Any]:
    return {
        "status": answer["StatusCode"],
        "executed_version": answer.get("ExecutedVersion"),
        "request_id": answer["ResponseMetadata"]["RequestId"],
        "function_error": complete.get("ErrorCode"),
        "error_details": complete.get("ErrorDetails"),
        "report": found.facts() if found else None,
    }
