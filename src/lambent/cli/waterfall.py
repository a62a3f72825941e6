"""Where the time of one request went: phases out of what was measured, and nothing else.

    queue     let in by the concurrency limits, waiting for an environment
    start     its environment's sandbox being made, before Init
    init      the runtime starting and the function's module being imported
    handler   from delivery to the answer, which is what REPORT calls Duration
    response  the answer on its way to whoever asked

A server that remembers the request has measured all five. The log alone has two durations (REPORT's
Duration and Init Duration) and the moments at which lines were written, to the millisecond.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from lambent.cli import report
from lambent.cli.platform_lines import parse, platform_document
from lambent.cli.report import Report
from lambent.delivery.log_events import Event

SERVER, LOG = "server", "log"
NAMES: Final = ("queue", "start", "init", "handler", "response")


@dataclass(frozen=True, slots=True)
class Phase:
    name: str
    start_ms: float | None
    """After the first moment that is known."""
    duration_ms: float | None
    """None: not measured."""
    source: str | None

    def facts(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Lines:
    """What the log says of a request."""

    request_id: str
    version: str | None
    started_ms: int | None
    init_started_ms: int | None
    report: Report | None
    status: str
    """As REPORT has it; `unfinished` without one."""


def read(events: Sequence[Event]) -> Lines:
    """The platform's lines among those of one request."""
    request_id, version, status = "", None, "unfinished"
    started, init_started, found = None, None, None
    for event in events:
        line = parse(event.message)
        if line is None:
            continue
        request_id = line.request_id or request_id
        if line.kind == "INIT_START":
            init_started = event.time
        elif line.kind == "START":
            started, version = event.time, _version(event.message)
        elif line.kind == "REPORT":
            found, status = report.parse(event.message), _status(event.message)
    return Lines(request_id, version, started, init_started, found, status)


def _version(message: str) -> str | None:
    if document := platform_document(message):
        version = document.get("record", {}).get("version")
        return str(version) if version else None
    match = re.search(r" Version: (\S+)", message)
    return match[1] if match else None


def _status(message: str) -> str:
    if document := platform_document(message):
        return str(document.get("record", {}).get("status", "success"))
    match = re.search(r"\tStatus: (\w+)", message)
    return match[1] if match else "success"


def measured(offsets_ms: Mapping[str, Any]) -> list[Phase]:
    """From the server's clock; what lies before the request came is cut off."""
    at = {name: float(offsets_ms[name]) for name in offsets_ms if name != "cold"}
    delivered, answered = at["delivered"], at["answered"]
    cold = bool(offsets_ms["cold"])
    again = delivered <= at["init_started"] <= answered  # Init failed before, and ran in the call
    waited_until = max(0.0, at["made"]) if cold else delivered
    phases = [Phase("queue", 0.0, waited_until, SERVER)]
    if cold:
        phases.append(_between("start", at["made"], at["init_started"]))
    if cold or again:
        phases.append(_between("init", at["init_started"], at["ready"]))
    began = max(delivered, at["ready"]) if again else delivered
    phases.append(_between("handler", began, answered))
    phases.append(_between("response", answered, at["handed_on"]))
    return phases


def _between(name: str, begin: float, end: float) -> Phase:
    begin, end = max(0.0, begin), max(0.0, end)
    return Phase(name, round(begin, 3), round(max(0.0, end - begin), 3), SERVER)


def from_log(lines: Lines) -> list[Phase]:
    """The two durations of REPORT, placed by the times of the lines."""
    known = lines.report
    warm = known is not None and known.init_ms is None
    init_ms = known.init_ms if known else None
    first = lines.started_ms
    if init_ms is not None and lines.init_started_ms is not None:
        first = lines.init_started_ms
    phases = [Phase("queue", None, None, None)]
    if not warm:
        init_at = 0.0 if first == lines.init_started_ms else None
        phases.append(Phase("start", None, None, None))
        phases.append(Phase("init", init_at, init_ms, LOG if init_ms is not None else None))
    start_at = (
        float(lines.started_ms - first) if lines.started_ms is not None and first is not None
        else None
    )  # fmt: skip
    duration = known.duration_ms if known else None
    phases.append(Phase("handler", start_at, duration, LOG if known else None))
    phases.append(Phase("response", None, None, None))
    return phases


def bar(phase: Phase, total_ms: float, width: int) -> str:
    """The phase's place in the whole, as a line of blocks."""
    if phase.start_ms is None or phase.duration_ms is None or total_ms <= 0:
        return ""
    left = min(width - 1, int(phase.start_ms / total_ms * width))
    length = max(1, round(phase.duration_ms / total_ms * width))
    return " " * left + "█" * min(length, width - left)


def total_ms(phases: Sequence[Phase]) -> float:
    """From the first moment that is known to the last."""
    ends = [p.start_ms + p.duration_ms for p in phases
            if p.start_ms is not None and p.duration_ms is not None]  # fmt: skip
    return round(max(ends, default=0.0), 3)
