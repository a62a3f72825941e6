"""`GET /_lambent/logs/NAME`: a function's log as NDJSON, for `lambent logs` and for curl.

    since=MS      events from then on (milliseconds since the epoch; default: all that is kept)
    until=MS      events before then
    stream=NAME   one stream's
    contains=TEXT events with that text; given more than once, with any of them
    limit=N       at most the newest N (default 10,000)
    all=1         not the newest ones but all, however many
    follow=1      stay, and write events as they come, until the client leaves

One object a line: `{"time": ms, "stream": …, "message": …}`. Ours, beside AWS's API; it asks for
the same credentials as that does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, NamedTuple
from urllib.parse import parse_qs, unquote

import msgspec

from lambent.api import callers
from lambent.api.access import Access
from lambent.api.auth import Authenticator
from lambent.api.errors import respond_error
from lambent.clock import Clock, new_uuid
from lambent.errors import InvalidParameterValue, LambentError, ResourceNotFound
from lambent.http.exchange import Exchange
from lambent.observe.log_pages import Group, Range, group_page
from lambent.observe.log_reader import MAX_EVENTS, LogReader, Position
from lambent.observe.log_scan import LogEvent
from lambent.observe.logs import LogStore

PREFIX: Final = "/_lambent/logs/"
FOLLOW_S: Final = 0.2
"""How often a follower reads the files."""
NDJSON: Final = [(b"Content-Type", b"application/x-ndjson")]

PAGE_EVENTS: Final = 5_000
ENDLESS_MS: Final = 2**62

LogGroup = Callable[[str, str, str], str | None]
"""Account, region, function name → its log group, or None when there is no such function."""


class Query(NamedTuple):
    """What is asked for."""

    span: Range
    stream: str | None
    texts: tuple[str, ...]
    limit: int
    everything: bool
    follow: bool

    @classmethod
    def parse(cls, text: str) -> Query:
        members = parse_qs(text)
        return cls(
            Range(_number(members, "since", 0), _number(members, "until", ENDLESS_MS)),
            members.get("stream", [None])[0],
            tuple(members.get("contains", ())),
            min(MAX_EVENTS, _number(members, "limit", MAX_EVENTS)),
            "all" in members,
            "follow" in members,
        )

    def matches(self, message: str) -> bool:
        return not self.texts or any(text in message for text in self.texts)


class LogLines:
    """Serves the path above."""

    def __init__(
        self,
        logs: LogStore,
        authenticator: Authenticator,
        clock: Clock,
        group: LogGroup,
        access: Access | None = None,
    ) -> None:
        self._logs = logs
        self._reader: LogReader = logs.reader
        self._authenticator = authenticator
        self._clock = clock
        self._group = group
        self._access = access

    def handle(self, exchange: Exchange) -> None:
        exchange.spawn(self._serve(exchange))

    async def _serve(self, exchange: Exchange) -> None:
        try:
            name = unquote(exchange.path[len(PREFIX) :])
            identity = callers.scope(
                self._authenticator,
                exchange,
                self._access,
                "logs:FilterLogEvents",
                f"arn:aws:logs:{{scope}}:log-group:/aws/lambda/{name}:log-stream:",
            )
            group = self._group(identity[0], identity[1], name)
            if group is None:
                raise ResourceNotFound(f"Function not found: {name}")
            query = Query.parse(exchange.query.decode("latin-1"))
        except LambentError as error:
            respond_error(exchange, new_uuid(), error)
            return
        await self._write(exchange, Group(*identity, group), query)

    async def _write(self, exchange: Exchange, group: Group, query: Query) -> None:
        await self._logs.flush()
        upto_ms = self._logs.written_ms
        if not (query.follow or query.everything):
            exchange.respond(200, NDJSON, _lines(await self._newest(group, query)))
            return
        exchange.start(200, NDJSON)
        async for page in self._pages(group, query):
            # Of a log that is followed, what was written since comes later.
            events = [e for e in page if e.ingest_ms <= upto_ms] if query.follow else page
            exchange.write(_lines(events) or b"\n")  # a byte at once, so that the client knows
            await exchange.drain()
        if query.follow:
            await self._follow(exchange, group, query, Position(upto_ms + 1))
        exchange.finish()

    async def _pages(self, group: Group, query: Query) -> AsyncIterator[list[LogEvent]]:
        """All that is asked for, earliest first; or the newest as one page."""
        if not query.everything:
            yield await self._newest(group, query)
            return
        edge = None
        while True:
            page = await asyncio.to_thread(
                group_page,
                self._reader,
                group,
                edge,
                query.span,
                PAGE_EVENTS,
                back=False,
                wanted=lambda stream: query.stream in {None, stream},
                matches=query.matches if query.texts else None,
            )
            yield [found.event for found in page.events]
            if page.following is None:
                return
            edge = page.following

    async def _newest(self, group: Group, query: Query) -> list[LogEvent]:
        return await asyncio.to_thread(
            self._reader.events,
            *group,
            stream=query.stream,
            since_ms=query.span.since_ms,
            until_ms=query.span.until_ms,
            limit=query.limit,
            newest=True,
            keep=lambda event: query.matches(event.message),
        )

    async def _follow(
        self, exchange: Exchange, group: Group, query: Query, position: Position
    ) -> None:
        """Until the client leaves, which cancels the task."""
        while True:
            await self._clock.sleep(FOLLOW_S)
            events, position = await asyncio.to_thread(
                self._reader.follow,
                *group,
                position,
                stream=query.stream,
                upto_ms=self._logs.written_ms,
            )
            events = [event for event in events if query.matches(event.message)]
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
