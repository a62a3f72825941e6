"""All rooms of a server, put together: `open_platform` starts them bottom up and ends them top down.

`opening` knows how each is opened, `front_door` gives them their doors, and `server` runs it all as a
process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import structlog

from lambent.api.access import Access
from lambent.api.auth import Authenticator
from lambent.api.health import Health
from lambent.api.metrics_page import MetricsPage
from lambent.api.snapshots_page import PATH as SNAPSHOTS
from lambent.api.snapshots_page import SnapshotsPage
from lambent.clock import Clock
from lambent.control.aws_clients import AwsClients
from lambent.control.iam.identities import load as load_identities
from lambent.control.iam.keyring import NOBODY, KeyRing
from lambent.control.iam.sessions import Sessions, key_of
from lambent.control.service import Control
from lambent.control.targets import TargetListeners
from lambent.engine import credentials
from lambent.engine.bytecode import BytecodeCompiler
from lambent.engine.dispatcher import Dispatcher
from lambent.engine.file_systems import FileSystems
from lambent.engine.launcher import Launcher
from lambent.front_door import Rooms, open_front_door, own_url
from lambent.gateway.addresses import Addresses
from lambent.gateway.catalog import UrlCatalog
from lambent.http.server import Listener
from lambent.observe.prometheus import Exposition
from lambent.opening import (
    keep_logs,
    let_stacks_work,
    open_audit,
    open_buckets,
    open_database,
    open_events,
    open_gateways,
    open_host,
    open_identities,
    open_logs,
    open_metrics,
    open_stores,
)
from lambent.runtimes.catalog import Catalog
from lambent.runtimes.launch import Planner
from lambent.sandbox.choose import egress
from lambent.sandbox.spec import SandboxHost
from lambent.settings import Settings
from lambent.stacks.own_clients import OwnClients
from lambent.stacks.rooms import stack_rooms

log = structlog.get_logger()


class Platform:
    """A running server: `open_platform` makes one, and leaving its context ends it."""

    def __init__(
        self, settings: Settings, host: SandboxHost, listener: Listener, stop: asyncio.Event
    ) -> None:
        self.settings = settings
        self.host = host
        self.stop = stop
        """Set it to drain."""
        scheme = "https" if settings.tls_cert else "http"
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.url = f"{scheme}://{name}:{listener.port}"

    def facts(self) -> dict[str, Any]:
        """What `lambent up` says about it."""
        features = {feature.name: feature for feature in self.host.features()}
        missing = [
            f"{feature.missing} ({feature.fix})" if feature.fix else feature.missing
            for feature in features.values()
            if feature.missing
        ]
        limits = features.get("memory limit")
        network = features.get("egress")
        return {
            "event": "ready",
            "url": self.url,
            "pid": os.getpid(),
            "data_dir": str(self.settings.data_dir),
            "sandbox": features["isolation"].how if "isolation" in features else self.host.kind,
            "limits": limits.how if limits else "none",
            "network": network.how if network else "host",
            "missing": missing,
        }


@contextlib.asynccontextmanager
async def open_platform(settings: Settings, clock: Clock) -> AsyncIterator[Platform]:
    """Start every room, bottom up; end them top down. Nothing is left when it is over."""
    identities = NOBODY
    if settings.iam_file is not None:
        identities = load_identities(settings.iam_file, settings.account)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
    async with contextlib.AsyncExitStack() as stack:
        database = await open_database(settings, stack)
        streams = await open_logs(settings, clock, stack, database)
        logs = streams.store
        host = await open_host(settings)
        stack.push_async_callback(host.close)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())

        def spawn(coro: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            return tasks.create_task(_guarded(coro))

        keep_logs(settings, clock, stack, spawn, streams)
        metrics = await open_metrics(settings, logs, stack)
        clients = AwsClients(settings)
        sessions = Sessions(await asyncio.to_thread(key_of, settings.data_dir / "keys" / "session"))
        made = await open_identities(clock, stack, database)
        keys = KeyRing(settings.auth_keys, identities, sessions, clock, made.role)
        planner = Planner(
            settings.data_dir,
            isolated=host.kind == "namespaces",
            node_modules=settings.node_modules_dir,
        )
        dispatcher = Dispatcher(
            Launcher(
                host,
                planner,
                logs,
                clock,
                egress(settings),
                credentials.source(
                    clients, clock, sessions, keys, enforced=settings.auth == "sigv4"
                ),
                FileSystems(settings.file_systems_dir),
                settings.aws_endpoint_url,
            ),
            metrics,
            clock,
            spawn,
            concurrency_limit=settings.concurrency_limit,
            scaling_rate=settings.scaling_rate,
            idle_s=settings.idle_s,
            start_wait_s=settings.start_wait_s,
            memory_limit_mb=settings.memory_limit_mb or _most_memory_mb(),
            freeze=settings.freeze,
            snapshot_idle_s=settings.snapshot_idle_s,
            snapshots_most=settings.snapshots_most,
        )
        stack.push_async_callback(dispatcher.close)
        compiler = BytecodeCompiler(host, planner, clock)
        stack.push_async_callback(compiler.close)
        catalog = UrlCatalog(settings.url_base_domain)
        addresses = Addresses(settings, catalog)
        artifacts, image_store = open_stores(settings, stack)
        buckets = await open_buckets(settings, clock, stack, database, clients)
        control = Control(
            database=database,
            artifacts=artifacts,
            images=image_store,
            listener=TargetListeners(dispatcher, compiler, catalog),
            url_address=addresses.address,
            allocator=dispatcher,
            preparer=dispatcher,
            runtimes=Catalog(settings.runtime_block_policy),
            settings=settings,
            clock=clock,
            clients=clients,
            buckets=buckets,
            on_distrust=lambda: metrics.count("code_signing.errors"),
        )
        dispatcher.on_inactive(control.wake)
        await control.open()
        stack.push_async_callback(control.close)
        events = await open_events(
            settings, clock, stack, spawn, database, control, dispatcher, metrics
        )
        stop = asyncio.Event()
        health = Health(
            {
                "store": database.check,
                "sandbox host": host.check,
                "control": control.check,
                "events": events.check,
            },
            draining=stop.is_set,
            clock=clock,
        )
        authenticator = Authenticator(settings, clock, keys)
        access = Access(clock, dispatcher.policies)
        made.on_change = access.forget
        snapshots = SnapshotsPage(dispatcher, authenticator, access)
        pages = {
            "/healthz": health.alive,
            "/readyz": health.ready,
            "/metrics": MetricsPage(
                Exposition(metrics, dispatcher.loads), authenticator, access
            ).serve,
            SNAPSHOTS: snapshots.handle,
        }
        own = OwnClients(settings, clients, keys.secret_of)
        stacks = stack_rooms(database, clock, own)
        rooms = Rooms(
            settings=settings,
            clock=clock,
            spawn=spawn,
            control=control,
            dispatcher=dispatcher,
            events=events,
            logs=streams,
            stacks=stacks,
            buckets=buckets,
            identities=made if clients.endpoint("iam") is None else None,
            catalog=catalog,
            addresses=addresses,
            gateways=await open_gateways(database, stack),
            pages=pages,
            authenticator=authenticator,
            access=access,
            auditor=open_audit(settings, keys, clock, stack),
            keys=keys,
        )
        listener = await open_front_door(rooms, stack)
        await let_stacks_work(stacks, own_url(settings, listener), stack)
        spawn(_prepare(planner, dispatcher))
        compiler.start(spawn)
        stack.callback(spawn(control.idle_images(dispatcher.since_call).run()).cancel)
        yield Platform(settings, host, listener, stop)


async def _guarded(coro: Coroutine[Any, Any, None]) -> None:
    """One task's mistake is one line in the log, not the end of the server."""
    try:
        await coro
    except Exception:
        log.exception("server.task_failed", task=getattr(coro, "__qualname__", ""))


async def _prepare(planner: Planner, dispatcher: Dispatcher) -> None:
    """What the functions that exist need, before somebody calls them: interpreters, snapshots."""
    await asyncio.to_thread(planner.prepare, dispatcher.runtimes())
    await dispatcher.rebuild_snapshots()


def _most_memory_mb() -> int:
    """Four fifths of the machine's memory."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return pages * 4 // 5 // (1 << 20)
