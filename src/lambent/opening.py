"""How the single rooms of a server are opened, and what the server does for each by itself.

`platform` calls these in order, bottom up. Each leaves on the exit stack what ends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from lambent.api.audit_records import Auditor
from lambent.clock import Clock
from lambent.control.aws_clients import AwsClients
from lambent.control.buckets import Buckets
from lambent.control.gateways import Gateways
from lambent.control.iam.keyring import KeyRing
from lambent.control.iam.made import MadeIdentities
from lambent.control.iam.sessions import key_of
from lambent.control.image_store import ImageStore
from lambent.control.log_groups import LogGroups
from lambent.control.names import Scope
from lambent.control.service import Control
from lambent.engine.dispatcher import Dispatcher
from lambent.errors import SandboxError
from lambent.events.destinations import Destinations
from lambent.events.outbox import Outbox
from lambent.events.policy import EventPolicy, of_bundle
from lambent.events.queue import EventQueue
from lambent.events.sources.pollers import Pollers
from lambent.observe.audit import AuditTrail
from lambent.observe.log_pages import Group
from lambent.observe.log_streams import LogStreams
from lambent.observe.log_sweep import LogSweeper
from lambent.observe.logs import LogStore
from lambent.observe.metrics import Metrics
from lambent.observe.otlp import OtlpExporter
from lambent.sandbox.choose import choose
from lambent.sandbox.spec import SandboxHost
from lambent.settings import Settings
from lambent.stacks.rooms import StackRooms
from lambent.store.artifacts import Artifacts
from lambent.store.database import Database
from lambent.store.event_outbox import Message
from lambent.store.event_queue import QueueKey
from lambent.store.sealing import Sealer

log = structlog.get_logger()

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


async def open_metrics(
    settings: Settings, logs: LogStore, stack: contextlib.AsyncExitStack
) -> Metrics:
    """The server's numbers, and its traces' way to a collector where there is one."""
    metrics = Metrics()
    metrics.gauge("logs.dropped", lambda: logs.dropped)
    if settings.otlp_endpoint is not None:
        exporter = await asyncio.to_thread(
            OtlpExporter, settings.otlp_endpoint, settings.otlp_headers
        )
        exporter.start()
        stack.push_async_callback(asyncio.to_thread, exporter.close)
        metrics.traces.exporter = exporter.offer
        metrics.gauge("otlp.dropped", lambda: exporter.dropped)
    return metrics


async def open_gateways(database: Database, stack: contextlib.AsyncExitStack) -> Gateways:
    gateways = Gateways(database)
    await gateways.open()
    stack.push_async_callback(gateways.close)
    return gateways


def open_stores(
    settings: Settings, stack: contextlib.AsyncExitStack
) -> tuple[Artifacts, ImageStore]:
    """Where code is kept: packages, and images beside them."""
    artifacts = Artifacts(settings.data_dir / "artifacts")
    images = ImageStore(artifacts, settings)
    stack.callback(images.close)
    return artifacts, images


async def open_database(settings: Settings, stack: contextlib.AsyncExitStack) -> Database:
    key = await asyncio.to_thread(key_of, settings.data_dir / "keys" / "store")
    database = Database(settings.data_dir / "lambent.sqlite", sealer=Sealer(key))
    await database.open()
    stack.push_async_callback(database.close)
    return database


async def open_identities(
    clock: Clock, stack: contextlib.AsyncExitStack, database: Database
) -> MadeIdentities:
    """Roles and policies that were made through the API."""
    made = MadeIdentities(database, clock)
    await made.open()
    stack.push_async_callback(made.close)
    return made


async def open_buckets(
    settings: Settings,
    clock: Clock,
    stack: contextlib.AsyncExitStack,
    database: Database,
    clients: AwsClients,
) -> Buckets | None:
    """Buckets of our own, where the settings name no S3."""
    if clients.endpoint("s3") is not None:
        return None
    buckets = Buckets(database, settings.data_dir / "buckets", clock)
    await buckets.open()
    stack.push_async_callback(buckets.close)
    return buckets


async def let_stacks_work(stacks: StackRooms, url: str, stack: contextlib.AsyncExitStack) -> None:
    """Once the door is open, and ended before it is shut: stacks are made by calls to this server."""
    stacks.clients.listening(url)
    await stacks.open()
    stack.push_async_callback(stacks.close)


async def open_logs(
    settings: Settings, clock: Clock, stack: contextlib.AsyncExitStack, database: Database
) -> LogStreams:
    """The log store, and what is known of log groups besides their files."""
    groups = LogGroups(database, clock)
    await groups.open()
    stack.push_async_callback(groups.close)
    logs = LogStore(settings.data_dir / "logs", clock, settings.log_max_mb)
    await logs.start()
    logs.on_group = groups.appeared
    stack.push_async_callback(logs.close)
    for where in await asyncio.to_thread(logs.reader.all_groups):
        groups.appeared(*where)
    streams = LogStreams(groups, logs, clock)
    stack.callback(streams.close)
    return streams


def open_audit(
    settings: Settings, keys: KeyRing, clock: Clock, stack: contextlib.AsyncExitStack
) -> Auditor | None:
    """The audit trail, as the settings want it."""
    if settings.audit == "none":
        return None
    trail = AuditTrail(settings.data_dir / "audit")
    trail.start()
    stack.callback(trail.close)
    every = settings.audit == "all" or (settings.audit == "auto" and settings.auth == "sigv4")
    return Auditor(trail, keys, clock, invokes=every)


def keep_logs(
    settings: Settings,
    clock: Clock,
    stack: contextlib.AsyncExitStack,
    spawn: Spawn,
    streams: LogStreams,
) -> None:
    """What the server does for its logs by itself: groups written down, files swept."""
    groups = streams.groups

    def retentions() -> list[tuple[Group, int]]:
        return [
            (Group(*scope, group.name), groups.oldest_kept_ms(group))
            for scope, group in groups.retentions()
        ]

    sweeper = LogSweeper(streams.store, retentions, clock, settings.log_total_max_mb << 20)
    for task in (spawn(groups.run()), spawn(sweeper.run())):
        stack.callback(task.cancel)


async def open_events(
    settings: Settings,
    clock: Clock,
    stack: contextlib.AsyncExitStack,
    spawn: Spawn,
    database: Database,
    control: Control,
    dispatcher: Dispatcher,
    metrics: Metrics,
) -> EventQueue:
    """The queue of asynchronous invokes, and what tells their destinations."""

    def policy(key: QueueKey) -> EventPolicy:
        return of_bundle(control.find(Scope(key.account, key.region), key.name), key)

    async def send(message: Message) -> None:
        await destinations.send(message)

    outbox = Outbox(database, clock, metrics, send)
    events = EventQueue(
        database,
        dispatcher,
        clock,
        spawn,
        policy=policy,
        on_message=outbox.wake,
        metrics=metrics,
        retry_delays_s=settings.async_retry_delays_s,
    )
    destinations = Destinations(control.clients, events.accept)
    stack.callback(spawn(outbox.run()).cancel)
    await events.start()
    stack.push_async_callback(events.drain, settings.drain_s)
    mappings = control.event_source_mappings
    pollers = Pollers(
        mappings, control.clients, dispatcher, clock, metrics, spawn, destinations, control.find
    )
    pollers.start()
    stack.push_async_callback(pollers.close, settings.drain_s)
    return events


async def open_host(settings: Settings) -> SandboxHost:
    def warn(problem: SandboxError) -> None:
        log.warning("sandbox.not_isolated", why=str(problem), fix=problem.fix)

    host = await asyncio.to_thread(choose, settings, warn)
    await host.open()
    return host
