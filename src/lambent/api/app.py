"""The front door's handler: every request to the server starts here.

Invoke is recognised before any other routing and takes its own way (`operations/invoke`). Any
other operation goes `route` → `auth` → `parse` → `validate` → its function → `serialise`, on a
task of its exchange; how its service does that is its `Door`. Beside AWS's API there are `pages` (`/healthz`, `/readyz`, `/metrics`) and the
download links of GetFunction. There are no CORS headers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec
import structlog

from lambent.api import cloudformation, downloads, iam, sts
from lambent.api.access import Access, root
from lambent.api.audit_records import Auditor
from lambent.api.auth import HASH_OFF_LOOP_BYTES, Authenticator, Claim, Head
from lambent.api.browsers import refuse_foreign_pages
from lambent.api.cloudwatch_logs.door import is_logs, logs_door
from lambent.api.context import Context, Services
from lambent.api.credentials import Identity
from lambent.api.door import Door, lambda_door
from lambent.api.errors import respond, respond_error
from lambent.api.model import Value, load
from lambent.api.operation import Operation, Streamed
from lambent.api.operations import served
from lambent.api.operations.invoke import PREFIX, SUFFIX, Invoker, too_large
from lambent.api.operations.invoke_stream import STREAM_PREFIX, STREAM_SUFFIX, StreamCall
from lambent.api.query_door import is_query, query_door
from lambent.api.route import Match, Router
from lambent.api.s3.door import is_s3, s3_door
from lambent.api.serialise import Reply
from lambent.clock import Clock, new_uuid
from lambent.errors import LambentError, NotAvailable, RequestEntityTooLarge, ServiceException
from lambent.http.exchange import Exchange
from lambent.settings import Settings

_log: Final = structlog.get_logger()

Page = Callable[[Exchange], None]
"""Answers GET and HEAD of one path."""

REQUEST_LIMIT: Final = 70_167_211
"""Bytes of a whole request other than Invoke."""

_READS: Final = frozenset({"GET", "HEAD"})
_HOST: Final = re.compile(rb"[A-Za-z0-9._\-:\[\]]{1,255}")


@dataclass(slots=True)
class _Call:
    """A request whose body is still to come."""

    app: App
    request_id: str
    door: Door
    match: Match
    identity: Identity
    claim: Claim | None
    values: dict[str, Value] = field(default_factory=dict)

    def on_body(self, exchange: Exchange, body: bytes) -> None:
        exchange.spawn(self.app.serve(exchange, self, body))


class App:
    """The handler (`handle`) and the verdict on bodies that are too large (`too_large`)."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        services: Services,
        *,
        pages: Mapping[str, Page] | None = None,
        operations: Mapping[str, Operation] | None = None,
        authenticator: Authenticator | None = None,
        access: Access | None = None,
        auditor: Auditor | None = None,
    ) -> None:
        """`operations` None means all that are registered, `access` None that whoever signs may.

        Beside AWS's API: `pages` are whole paths, read only.
        """
        model = load()
        self._settings = settings
        # A zip travels as base64, with a little beside it.
        zip_limit = (settings.zipped_limit_mb << 20) * 4 // 3 + (256 << 10)
        self._request_limit = max(REQUEST_LIMIT, zip_limit)
        self._clock = clock
        self._services = services
        self._pages = pages or {}
        self._folders: dict[str, Page] = {"/_code/": self._download}
        self._lambda = lambda_door(model, served() if operations is None else operations)
        self._others: tuple[tuple[Callable[[Exchange], bool], Door], ...] = (
            (is_logs, logs_door()),
            (is_s3, s3_door()),
            *(
                (
                    partial(is_query, name),
                    query_door(name, room.model, room.served(), room.NAMESPACE),
                )
                for name, room in (("cloudformation", cloudformation), ("iam", iam), ("sts", sts))
            ),
        )
        self._authenticator = authenticator or Authenticator(settings, clock)
        self._access = access
        self._auditor = auditor
        self._executor = ThreadPoolExecutor(2, "api-files-and-large-bodies")
        self._invoker = Invoker(
            services, self._authenticator, Router(model), clock, self._executor, access, auditor
        )

    def add_folder(self, path: str, page: Page) -> None:
        """`page` answers everything below a path that begins with `/_` and ends with `/`.

        No path of AWS's begins so.
        """
        self._folders[path] = page

    def close(self) -> None:
        """After the last exchange is over."""
        self._executor.shutdown()

    def handle(self, exchange: Exchange) -> None:
        """Called by the HTTP server when a head is complete."""
        path = exchange.path
        if path.endswith(SUFFIX) and path.startswith(PREFIX) and exchange.method == "POST":
            self._invoker.begin(exchange)
        elif path.endswith(STREAM_SUFFIX) and path.startswith(STREAM_PREFIX):
            self._invoker.begin(exchange, StreamCall)
        elif path.startswith("/_") and (folder := self._folder(path)):
            folder(exchange)
        elif (page := self._pages.get(path)) and exchange.method in {"GET", "HEAD"}:
            page(exchange)
        else:
            self._begin(exchange)

    def _folder(self, path: str) -> Page | None:
        return next((page for at, page in self._folders.items() if path.startswith(at)), None)

    def _download(self, exchange: Exchange) -> None:
        downloads.serve(exchange, self._services.code_download, self._executor)

    def too_large(self, exchange: Exchange, limit: int) -> None:
        """For the server's `on_too_large`; a chunked body has no size to tell but its limit's."""
        length = exchange.headers.get(b"content-length") or b""
        if limit == self._request_limit:
            door = self._door(exchange)
            refusal = RequestEntityTooLarge(
                f"Request must be smaller than {limit} bytes for the "
                f"{door.match(exchange).operation.name} operation"
            )
            respond(exchange, new_uuid(), door.render(refusal))
            return
        size = int(length) if length.isdigit() else limit + 1
        error = too_large(size, exchange.headers.get(b"x-amz-invocation-type"))
        respond_error(exchange, new_uuid(), error)

    def _door(self, exchange: Exchange) -> Door:
        return next((door for told, door in self._others if told(exchange)), self._lambda)

    def _begin(self, exchange: Exchange) -> None:
        """Everything that can be refused before the body is read."""
        request_id = new_uuid()
        door = self._door(exchange)
        try:
            match = door.match(exchange)
            claim = None
            if self._authenticator.verifies:
                claim = self._authenticator.claim(_head(exchange), door.service)
                identity = claim.identity
            else:
                refuse_foreign_pages(exchange.headers)
                identity = self._authenticator.identify(
                    exchange.headers.get(b"authorization"), exchange.query
                )
        except LambentError as error:
            respond(exchange, request_id, door.render(error))
            return
        call = _Call(self, request_id, door, match, identity, claim)
        exchange.read_all(self._request_limit, call.on_body)

    async def serve(self, exchange: Exchange, call: _Call, body: bytes) -> None:
        """From the body to the answer."""
        failure: LambentError | None = None
        try:
            reply = await self._reply(exchange, call, body)
        except LambentError as error:
            failure = error
            reply = call.door.render(error)
        except Exception:  # noqa: BLE001  a mistake of ours: told to the log, not to the client
            _log.exception(
                "operation.failed",
                operation=call.match.operation.name,
                request_id=call.request_id,
            )
            failure = ServiceException("An error occurred and the request cannot be processed.")
            reply = call.door.render(failure)
        self._record(exchange, call, failure)
        if isinstance(reply, Reply):
            if call.door.renders_id is not None:
                reply = call.door.renders_id(reply, call.request_id)
            respond(exchange, call.request_id, reply)
        else:
            await _stream(exchange, call.request_id, reply)

    def _record(self, exchange: Exchange, call: _Call, failure: LambentError | None) -> None:
        if self._auditor is None:
            return
        operation = call.match.operation
        self._auditor.call(
            exchange,
            call.request_id,
            call.identity,
            call.claim.caller if call.claim is not None else None,
            (call.door.service, operation.name),
            call.values or dict(call.match.labels),
            operation.input,
            failure,
        )

    async def _reply(self, exchange: Exchange, call: _Call, body: bytes) -> Reply | Streamed:
        if len(body) > HASH_OFF_LOOP_BYTES:
            loop = asyncio.get_running_loop()
            values = await loop.run_in_executor(self._executor, self._read, exchange, call, body)
        else:
            values = self._read(exchange, call, body)
        model = call.match.operation
        operation = call.door.operations[model.name]
        request = msgspec.convert(values, operation.request_type)
        answer = await operation.call(self._context(exchange, call), request)
        if isinstance(answer, Streamed):
            return answer
        return call.door.serialise(model, answer, operation.status)

    def _read(self, exchange: Exchange, call: _Call, body: bytes) -> dict[str, Value]:
        """Verified, parsed, validated; off the loop for a large body."""
        if call.claim is not None:
            reads = exchange.method in _READS
            body = self._authenticator.verify(_head(exchange), call.claim, body, reads=reads)
        if call.door.named is not None:
            call.match = call.door.named(body)
        operation = call.match.operation
        if operation.name not in call.door.operations:
            raise NotAvailable(operation.name)
        values = call.values = call.door.parse(call.match, exchange.headers.get, body)
        if self._access is not None:
            call.identity = self._access.call(
                call.claim.caller if call.claim is not None else root(call.identity),
                call.identity,
                call.door.service,
                operation.name,
                values,
                exchange,
            )
        call.door.validate(operation, values)
        return values

    def _context(self, exchange: Exchange, call: _Call) -> Context:
        return Context(
            account=call.identity.account,
            region=call.identity.region,
            access_key=call.identity.access_key,
            caller_arn=call.claim.caller.principal.arn if call.claim is not None else "",
            request_id=call.request_id,
            settings=self._settings,
            clock=self._clock,
            base_url=self._base_url(exchange),
            services=self._services,
        )

    def _base_url(self, exchange: Exchange) -> str:
        """The server as this client calls it."""
        scheme = "https" if exchange.secure else "http"
        host = exchange.headers.get(b"host") or b""
        if _HOST.fullmatch(host):
            return f"{scheme}://{host.decode()}"
        return f"{scheme}://{self._settings.host}:{self._settings.port}"


async def _stream(exchange: Exchange, request_id: str, streamed: Streamed) -> None:
    """Until it ends; a client that leaves cancels this."""
    headers = [
        (b"x-amzn-RequestId", request_id.encode()),
        (b"content-type", streamed.content_type),
        *streamed.headers,
    ]
    measured = any(name == b"content-length" for name, _ in streamed.headers)
    exchange.start(streamed.status, headers, chunked=not measured)
    async for part in streamed.parts:
        exchange.write(part)
        await exchange.drain()
    exchange.finish()


def _head(exchange: Exchange) -> Head:
    return Head(exchange.method, exchange.path, exchange.query, exchange.headers)
