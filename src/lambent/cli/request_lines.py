"""The lines of one request, picked from the events of a log.

Also what stands before START since the request before: Init, which the first one pays for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from lambent.cli.platform_lines import parse
from lambent.delivery.log_events import Event
from lambent.delivery.problem import USAGE, Problem

MAX_BEFORE: Final = 1_000
"""Lines of Init that are kept until it is known whose they are."""


def check_id(request_id: str) -> str:
    """A request id, or how it begins, in lower case."""
    if not re.fullmatch(r"[0-9a-fA-F-]{8,36}", request_id):
        raise Problem(
            "REQUEST_ID_INVALID",
            f"'{request_id}' is not a request id",
            why="one looks like 8f5d5e8c-3c64-4b7a-9d0c-5a1d1b8a2f61; its first eight digits will do",
            fix="lambent logs FUNCTION     (START and REPORT lines have it)",
            exit_code=USAGE,
        )
    return request_id.lower()


def of_request(events: Iterable[Event], request_id: str) -> Iterator[Event]:
    """The events of the request whose id begins so, as they come."""
    streams: dict[str, _Stream] = {}
    for event in events:
        stream = streams.setdefault(event.stream, _Stream(request_id))
        yield from stream.take(event)


class _Stream:
    """One environment's log, as it is read."""

    __slots__ = ("_before", "_inside", "_wanted")

    def __init__(self, request_id: str) -> None:
        self._wanted = request_id
        self._inside: bool | None = None
        """Whether what comes belongs to the request; None between requests."""
        self._before: list[Event] = []

    def take(self, event: Event) -> list[Event]:
        """What is known to belong to the request, now that `event` has been read."""
        line = parse(event.message)
        kind = line.kind if line else ""
        mine = self._wanted in (line.request_id if line else event.message).lower()
        if kind == "START":
            self._inside = mine
        taken: list[Event] = []
        # JSON format above INFO has no START: then only what names the request is known to be its.
        if self._inside or (self._inside is None and mine):
            taken = [*(self._before if kind == "START" else ()), event]
        elif self._inside is None and len(self._before) < MAX_BEFORE:
            self._before.append(event)
        if kind in {"START", "REPORT"}:
            self._before = []
        if kind == "REPORT":
            self._inside = None
        return taken
