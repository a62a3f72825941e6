"""What Lambda's own log lines say, in Text and in JSON format: which request, what, how it ended.

One environment serves one request at a time, so between START and REPORT everything in its stream
belongs to that request, also what the handler printed.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

_TEXT: Final = re.compile(r"(START|END|REPORT) RequestId: ([0-9a-fA-F-]{8,64})")
_JSON: Final = {
    "platform.start": "START",
    "platform.runtimeDone": "END",
    "platform.report": "REPORT",
    "platform.initStart": "INIT_START",
    "platform.initReport": "INIT_REPORT",
}
_ERROR: Final = re.compile(
    r"\A\[(?:ERROR|CRITICAL|FATAL)\]"  # what Python's logging and an unhandled exception start with
    r"|\A[^\t\n]*\t[^\t\n]*\t(?:ERROR|FATAL)\t"  # Node's console.error
    r"|\bTask timed out after \d"
    r"|\ARequestId: \S+ Error: "
    r"|\ATraceback \(most recent call last\):"
    r"|\A(?:REPORT|INIT_REPORT) .*\tStatus: (?:error|timeout|failure)",
    re.DOTALL,
)


class Line(NamedTuple):
    """A line of the platform."""

    kind: str
    """START, END, REPORT, INIT_START or INIT_REPORT."""
    request_id: str = ""


def parse(message: str) -> Line | None:
    """The platform's line, or None for what the function wrote."""
    if match := _TEXT.match(message):
        return Line(match[1], match[2])
    for kind in ("INIT_START", "INIT_REPORT"):
        if message.startswith(kind + " "):
            return Line(kind)
    document = platform_document(message)
    if document is None:
        return None
    record = document.get("record")
    request_id = record.get("requestId", "") if isinstance(record, dict) else ""
    named = _JSON.get(str(document["type"]))
    return Line(named, str(request_id)) if named else None


def platform_document(message: str) -> dict[str, Any] | None:
    """A platform event in JSON format, decoded."""
    if not (message.startswith("{") and '"platform.' in message):
        return None
    try:
        document = json.loads(message)
    except ValueError:
        return None
    known = isinstance(document, dict) and str(document.get("type", "")).startswith("platform.")
    return document if known else None


def is_error(message: str) -> bool:
    """Whether a line tells of a failure: by its level, or by what the platform says."""
    if not message.startswith("{"):
        return _ERROR.search(message) is not None
    try:
        document = json.loads(message)
    except ValueError:
        return False
    if not isinstance(document, dict):
        return False
    if str(document.get("level", "")).upper() in {"ERROR", "CRITICAL", "FATAL"}:
        return True
    record = document.get("record")
    status = record.get("status", "success") if isinstance(record, dict) else "success"
    return str(document.get("type", "")).startswith("platform.") and status != "success"
