"""The server's front door: the API, the function URLs, the pages, behind one HTTP server.

`server` makes the rooms and hands them over as `Rooms`; here they get their doors. What is opened is
closed by the exit stack that the caller owns.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from lambent.api.access import Access
from lambent.api.app import App, Page
from lambent.api.audit_records import Auditor
from lambent.api.auth import Authenticator
from lambent.api.context import Services
from lambent.api.from_functions import FunctionCalls
from lambent.api.gateway_signature import GatewaySignature
from lambent.api.gateways_page import PREFIX as GATEWAYS
from lambent.api.gateways_page import GatewaysPage
from lambent.api.iam_pages import PREFIX as IAM
from lambent.api.iam_pages import IamPages
from lambent.api.log_lines import PREFIX as LOG_LINES
from lambent.api.log_lines import LogLines
from lambent.api.request_lookup import PREFIX as REQUESTS
from lambent.api.request_lookup import RequestLookup
from lambent.api.url_gate import UrlGate
from lambent.clock import Clock
from lambent.control.buckets import Buckets
from lambent.control.gateways import Gateways
from lambent.control.iam.keyring import KeyRing
from lambent.control.iam.made import MadeIdentities
from lambent.control.service import Control
from lambent.control.targets import LATEST
from lambent.engine.dispatcher import Dispatcher
from lambent.errors import ConfigurationError, LambentError
from lambent.events.queue import EventQueue
from lambent.gateway.addresses import Addresses, GatewayAddresses
from lambent.gateway.api_gateway import TAG, ApiGateways
from lambent.gateway.catalog import UrlCatalog
from lambent.gateway.front import Front
from lambent.gateway.function_url import FunctionUrls
from lambent.gateway.jwks import KeySets
from lambent.gateway.stages import PATH_PREFIX as GATEWAY_PREFIX
from lambent.gateway.tokens import Tokens
from lambent.gateway.urls import PATH_PREFIX
from lambent.http.server import Handler, Listener, Server
from lambent.http.tls import tls_context
from lambent.observe.log_streams import LogStreams
from lambent.settings import Settings
from lambent.stacks.rooms import StackRooms


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What stands behind the door."""

    settings: Settings
    clock: Clock
    spawn: Callable[[Coroutine[Any, Any, None]], object]
    control: Control
    dispatcher: Dispatcher
    events: EventQueue
    logs: LogStreams
    stacks: StackRooms
    buckets: Buckets | None
    identities: MadeIdentities | None
    catalog: UrlCatalog
    addresses: Addresses
    gateways: Gateways
    pages: Mapping[str, Page]
    authenticator: Authenticator
    access: Access
    auditor: Auditor | None
    keys: KeyRing


async def open_front_door(rooms: Rooms, stack: contextlib.AsyncExitStack) -> Listener:
    """Listen; everything answers from here on."""

    def log_group(account: str, region: str, name: str) -> str | None:
        try:
            return rooms.dispatcher.find(account, region, name).targets.versions[LATEST].log_group
        except LambentError:
            return None

    authenticator, access = rooms.authenticator, rooms.access
    lines = LogLines(rooms.logs.store, authenticator, rooms.clock, log_group, access)
    requests = RequestLookup(
        rooms.logs.store,
        rooms.dispatcher.timelines,
        rooms.dispatcher.traces,
        authenticator,
        log_group,
        access,
    )
    iam = IamPages(
        authenticator,
        access,
        rooms.keys,
        rooms.clock,
        None if rooms.auditor is None else rooms.auditor.trail,
        rooms.dispatcher.told_calls,
    )
    app = App(
        rooms.settings,
        rooms.clock,
        Services(
            dispatcher=rooms.dispatcher,
            events=rooms.events,
            functions=rooms.control.functions,
            versions=rooms.control.versions,
            aliases=rooms.control.aliases,
            concurrency=rooms.control.concurrency,
            provisioned=rooms.control.provisioned,
            capacity_providers=rooms.control.capacity_providers,
            scaling=rooms.control.scaling,
            account_settings=rooms.control.account_settings,
            layers=rooms.control.layers,
            permissions=rooms.control.permissions,
            resource_policies=rooms.control.resource_policies,
            code_signing=rooms.control.code_signing,
            tags=rooms.control.tags,
            recursion=rooms.control.recursion,
            runtime_managements=rooms.control.runtime_managements,
            event_invokes=rooms.control.event_invokes,
            function_urls=rooms.control.function_urls,
            event_source_mappings=rooms.control.event_source_mappings,
            logs=rooms.logs,
            stacks=rooms.stacks,
            buckets=rooms.buckets,
            identities=rooms.identities,
            code_download=rooms.control.open_code,
        ),
        pages=rooms.pages,
        authenticator=authenticator,
        access=access,
        auditor=rooms.auditor,
    )
    rooms.dispatcher.answer_functions(FunctionCalls(app, authenticator).handle)
    stack.callback(app.close)
    app.add_folder(LOG_LINES, lines.handle)
    app.add_folder(REQUESTS, requests.handle)
    app.add_folder(IAM, iam.handle)
    tls = None
    if rooms.settings.tls_cert and rooms.settings.tls_key:
        tls = tls_context(rooms.settings.tls_cert, rooms.settings.tls_key)
    gate = UrlGate(authenticator, access)
    apis = ApiGateways(
        rooms.gateways,
        rooms.dispatcher,
        rooms.clock,
        GatewaySignature(authenticator, access),
        Tokens(rooms.clock, KeySets(rooms.clock, rooms.settings.jwt_keys)),
    )
    front = Front(
        FunctionUrls(rooms.catalog, gate, rooms.dispatcher, rooms.clock),
        apis,
        app.handle,
        app.too_large,
    )
    app.add_folder(PATH_PREFIX, front.by_path)
    app.add_folder(GATEWAY_PREFIX, apis.by_path)
    places = GatewayAddresses(rooms.settings, rooms.gateways)
    listed = GatewaysPage(
        rooms.gateways, authenticator, access, places.stages, apis.authorizers.forget
    )
    app.add_folder(GATEWAYS, listed.handle)
    server = Server(front.handle, tls=tls, clock=rooms.clock)
    server.on_too_large = front.too_large
    stack.push_async_callback(server.drain, rooms.settings.drain_s)
    stack.callback(rooms.logs.end_following)
    try:
        listener = await server.listen(rooms.settings.host, rooms.settings.port)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {rooms.settings.host}:{rooms.settings.port}: {os.strerror(error.errno or 0)}",
            code="CANNOT_LISTEN",
            fix="stop what listens there, or choose another port: lambent up --port 9001",
        ) from None

    def open_port(sock: socket.socket, url_id: str) -> None:
        rooms.spawn(_serve(server, sock, front.at_port, url_id))

    def open_gateway(sock: socket.socket, gateway_id: str) -> None:
        rooms.spawn(_serve(server, sock, apis.at_port, f"{TAG}{gateway_id}"))

    rooms.addresses.serve(listener.port, open_port)
    places.serve(listener.port, open_gateway)
    return listener


async def _serve(server: Server, sock: socket.socket, handler: Handler, tag: str) -> None:
    await server.serve_socket(sock, handler=handler, tag=tag)


def own_url(settings: Settings, listener: Listener) -> str:
    """Where this server reaches itself."""
    scheme = "https" if settings.tls_cert else "http"
    host = "127.0.0.1" if listener.host in {"0.0.0.0", "::"} else listener.host  # noqa: S104  is asked, not bound
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{listener.port}"
