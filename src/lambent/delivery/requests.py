"""One request: its log lines, and what the server measured of it.

A lambent server answers `/_lambent/requests/<id>`, whatever the function. CloudWatch Logs has to be
told where to look, and knows nothing that is not in the log.
"""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from lambent.delivery import log_events
from lambent.delivery.aws import Aws
from lambent.delivery.log_events import Event, Span
from lambent.delivery.problem import USAGE, Problem

BEFORE_MS: Final = 60_000
AFTER_MS: Final = 16 * 60_000
"""The longest function takes 15 minutes."""
ASK_S: Final = 60


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a request; `events` has its neighbours' lines too."""

    stream: str
    events: tuple[Event, ...]
    function: str | None = None
    version: str | None = None
    group: str | None = None
    offsets_ms: Mapping[str, Any] | None = None
    """Milliseconds after admission, by the server's own clock; None where nobody measured."""
    segments: tuple[Mapping[str, Any], ...] = ()
    """The X-Ray documents of its trace; none where it was not traced."""


def find(aws: Aws, request_id: str, function: str | None, since_ms: int) -> Found:
    """The request whose id begins so; `function` and `since_ms` say where to look on AWS."""
    return _cloudwatch(aws, request_id, function, since_ms) if aws.is_aws else _server(
        aws, request_id
    )  # fmt: skip


def _server(aws: Aws, request_id: str) -> Found:
    try:
        with log_events.ask(aws, f"/_lambent/requests/{request_id}", ASK_S) as answer:
            facts = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            error.close()
            raise _unknown(request_id) from None
        raise log_events.refused(
            error, f"request {request_id} cannot be looked up", "lambent doctor"
        ) from None
    return Found(
        facts["stream"],
        tuple(Event(e["time"], e["stream"], e["message"]) for e in facts["events"]),
        facts["function"],
        facts["version"],
        facts["group"],
        facts["offsets_ms"],
        tuple(facts.get("segments", ())),
    )


def _cloudwatch(aws: Aws, request_id: str, function: str | None, since_ms: int) -> Found:
    if function is None:
        raise Problem(
            "FUNCTION_MISSING",
            "on AWS the function must be named: its log is where the request is looked for",
            fix=f"lambent trace {request_id} FUNCTION",
            exit_code=USAGE,
        )
    span = Span(since_ms, containing=(request_id,))
    first = next(islice(log_events.events(aws, function, span), 1), None)
    if first is None:
        raise _unknown(request_id)
    around = Span(first.time - BEFORE_MS, first.time + AFTER_MS, first.stream)
    return Found(
        first.stream,
        tuple(log_events.events(aws, function, around)),
        function,
        group=log_events.group(aws, function),
    )


def _unknown(request_id: str) -> Problem:
    return Problem(
        "REQUEST_NOT_FOUND",
        f"no log has a request {request_id}",
        why="it is another server's or region's, was refused before it ran, or its lines are gone",
        fix="lambent logs FUNCTION --since 1d     (START and REPORT lines have the ids)",
    )
