"""`GET /_lambent/requests/ID`: one request's times and log lines, for `lambent trace`.

The id may be given by its first eight characters or more. `offsets_ms` is what the engine measured,
as long as it remembers the request; after that, and after a restart, it is null and the log is all
there is. `segments` are the X-Ray documents of its trace, where it was traced. Ours, beside AWS's API; it asks for the same credentials as that does.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import msgspec

from lambent.api import callers
from lambent.api.access import Access
from lambent.api.auth import Authenticator
from lambent.api.errors import respond_error
from lambent.api.log_lines import LogGroup
from lambent.clock import new_uuid
from lambent.errors import InvalidParameterValue, LambentError, ResourceNotFound
from lambent.http.exchange import Exchange
from lambent.observe.log_reader import LogReader
from lambent.observe.log_search import Place, around, locate
from lambent.observe.logs import LogStore
from lambent.observe.timelines import Timeline, Timelines
from lambent.observe.traces import Traces

PREFIX: Final = "/_lambent/requests/"
JSON: Final = [(b"Content-Type", b"application/json")]


class RequestLookup:
    """Serves the path above."""

    def __init__(
        self,
        logs: LogStore,
        timelines: Timelines,
        traces: Traces,
        authenticator: Authenticator,
        group: LogGroup,
        access: Access | None = None,
    ) -> None:
        self._logs = logs
        self._reader: LogReader = logs.reader
        self._timelines = timelines
        self._traces = traces
        self._authenticator = authenticator
        self._group = group
        self._access = access

    def handle(self, exchange: Exchange) -> None:
        exchange.spawn(self._serve(exchange))

    async def _serve(self, exchange: Exchange) -> None:
        try:
            account, region = callers.scope(
                self._authenticator, exchange, self._access, "logs:FilterLogEvents"
            )
            beginning = exchange.path[len(PREFIX) :].lower()
            if not re.fullmatch(r"[0-9a-f-]{8,36}", beginning):
                raise InvalidParameterValue(f"'{beginning}' is not a request id")
            body = await self._body(account, region, beginning)
        except LambentError as error:
            respond_error(exchange, new_uuid(), error)
            return
        exchange.respond(200, JSON, msgspec.json.encode(body))

    async def _body(self, account: str, region: str, beginning: str) -> dict[str, Any]:
        await self._logs.flush()
        known = self._timelines.find(account, region, beginning)
        place = self._place(account, region, known) if known else None
        if place is None:
            try:
                place = await asyncio.to_thread(locate, self._reader, account, region, beginning)
            except TimeoutError:
                raise ResourceNotFound(
                    f"Request not found: {beginning}, in the part of the logs that could be searched"
                ) from None
        if place is None:
            raise ResourceNotFound(f"Request not found: {beginning}")
        events = await asyncio.to_thread(around, self._reader, account, region, place)
        return {
            "group": place.group,
            "stream": place.stream,
            "function": _name(known) if known else None,
            "version": known.version if known else None,
            "offsets_ms": known.offsets_ms() if known else None,
            "segments": self._traces.find(account, region, known.request_id) if known else [],
            "events": [
                {"time": e.time_ms, "stream": e.stream, "message": e.message} for e in events
            ],
        }

    def _place(self, account: str, region: str, known: Timeline) -> Place | None:
        group = self._group(account, region, _name(known))
        return Place(group, known.log_stream, known.time_ms) if group else None


def _name(known: Timeline) -> str:
    return known.function_arn.split(":")[6]
