"""`GET /_lambent/logs/NAME`: a function's log as NDJSON, for `lambent logs` and for curl.

    since=MS      events from then on (milliseconds since the epoch; default: all that is kept)
    limit=N       at most the newest N (default 10,000)
    follow=1      stay, and write events as they come, until the client leaves

One object a line: `{"time": ms, "stream": …, "message": …}`. Ours, beside AWS's API; it asks for
the same credentials as that does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs, unquote

import msgspec

from lambent.api.auth import Authenticator, Head
from lambent.api.browsers import refuse_foreign_pages
from lambent.api.errors import respond_error
from lambent.clock import Clock, new_uuid
from lambent.errors import InvalidParameterValue, LambentError, ResourceNotFound
from lambent.http.exchange import Exchange
from lambent.observe.log_reader import MAX_EVENTS, LogReader, Position
from lambent.observe.log_scan import LogEvent
from lambent.observe.logs import LogStore

PREFIX: Final = "/_lambent/logs/"
FOLLOW_S: Final = 0.2
"""How often a follower reads the files."""
NDJSON: Final = [(b"Content-Type", b"application/x-ndjson")]

LogGroup = Callable[[str, str, str], str | None]
"""Account, region, function name → its log group, or None when there is no such function."""


class LogLines:
    """Serves the path above."""

    def __init__(
        self, logs: LogStore, authenticator: Authenticator, clock: Clock, group: LogGroup
    ) -> None:
        self._logs = logs
        self._reader: LogReader = logs.reader
        self._authenticator = authenticator
        self._clock = clock
        self._group = group

    def handle(self, exchange: Exchange) -> None:
        exchange.spawn(self._serve(exchange))

    async def _serve(self, exchange: Exchange) -> None:
        try:
            identity = self._identify(exchange)
            name = unquote(exchange.path[len(PREFIX) :])
            group = self._group(identity[0], identity[1], name)
            if group is None:
                raise ResourceNotFound(f"Function not found: {name}")
            query = parse_qs(exchange.query.decode("latin-1"))
            since_ms = _number(query, "since", 0)
            limit = min(MAX_EVENTS, _number(query, "limit", MAX_EVENTS))
        except LambentError as error:
            respond_error(exchange, new_uuid(), error)
            return
        await self._write(exchange, (*identity, group), since_ms, limit, "follow" in query)

    def _identify(self, exchange: Exchange) -> tuple[str, str]:
        if self._authenticator.verifies:
            head = Head(exchange.method, exchange.path, exchange.query, exchange.headers)
            claim = self._authenticator.claim(head)
            self._authenticator.verify(head, claim, b"")
            return claim.identity.account, claim.identity.region
        refuse_foreign_pages(exchange.headers)
        header = exchange.headers.get(b"authorization")
        identity = self._authenticator.identify(header, exchange.query)
        return identity.account, identity.region

    async def _write(
        self,
        exchange: Exchange,
        where: tuple[str, str, str],
        since_ms: int,
        limit: int,
        follow: bool,  # noqa: FBT001  as asked in the query
    ) -> None:
        await self._logs.flush()
        upto_ms = self._logs.written_ms
        events = await asyncio.to_thread(
            self._reader.events, *where, since_ms=since_ms, limit=limit, newest=True
        )
        if not follow:
            exchange.respond(200, NDJSON, _lines(events))
            return
        exchange.start(200, NDJSON)
        exchange.write(_lines(events) or b"\n")  # a byte at once, so that the client knows
        await exchange.drain()
        position = Position(upto_ms, sum(event.ingest_ms == upto_ms for event in events))
        while True:  # until the client leaves, which cancels this task
            await self._clock.sleep(FOLLOW_S)
            events, position = await asyncio.to_thread(
                self._reader.follow, *where, position, upto_ms=self._logs.written_ms
            )
            if events:
                exchange.write(_lines(events))
                await exchange.drain()


def _lines(events: list[LogEvent]) -> bytes:
    return msgspec.json.Encoder().encode_lines(
        [{"time": e.time_ms, "stream": e.stream, "message": e.message} for e in events]
    )


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    text = query.get(name, [str(default)])[0]
    if not text.isdigit():
        raise InvalidParameterValue(f"{name} takes a whole number, not '{text}'")
    return int(text)
