"""Puts the rooms together and owns their life: `python -m lambent.server`.

Read `serve` top-down: start → ready → wait → drain. Settings come from `LAMBENT_*` and the user
file. On standard output stands one JSON line when the server serves; its log goes to standard
error. SIGTERM and SIGINT drain; a second one stops at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import structlog
import uvloop

from lambent.api.access import Access
from lambent.api.audit_records import Auditor
from lambent.api.auth import Authenticator
from lambent.api.health import Health
from lambent.api.metrics_page import MetricsPage
from lambent.api.snapshots_page import PATH as SNAPSHOTS
from lambent.api.snapshots_page import SnapshotsPage
from lambent.clock import Clock, SystemClock
from lambent.control.aws_clients import AwsClients
from lambent.control.gateways import Gateways
from lambent.control.iam.identities import load as load_identities
from lambent.control.iam.keyring import NOBODY, KeyRing
from lambent.control.iam.sessions import Sessions, key_of
from lambent.control.image_store import ImageStore
from lambent.control.log_groups import LogGroups
from lambent.control.names import Scope
from lambent.control.service import Control
from lambent.control.targets import TargetListeners
from lambent.engine import credentials
from lambent.engine.bytecode import BytecodeCompiler
from lambent.engine.dispatcher import Dispatcher
from lambent.engine.file_systems import FileSystems
from lambent.engine.launcher import Launcher
from lambent.errors import ConfigurationError, SandboxError
from lambent.events.destinations import Destinations
from lambent.events.outbox import Outbox
from lambent.events.policy import EventPolicy, of_bundle
from lambent.events.queue import EventQueue
from lambent.events.sources.pollers import Pollers
from lambent.front_door import Rooms, open_front_door, own_url
from lambent.gateway.addresses import Addresses
from lambent.gateway.catalog import UrlCatalog
from lambent.http.server import Listener
from lambent.observe import server_log
from lambent.observe.audit import AuditTrail
from lambent.observe.log_pages import Group
from lambent.observe.log_streams import LogStreams
from lambent.observe.log_sweep import LogSweeper
from lambent.observe.logs import LogStore
from lambent.observe.metrics import Metrics
from lambent.observe.prometheus import Exposition
from lambent.problems import reference
from lambent.runtimes.catalog import Catalog
from lambent.runtimes.launch import Planner
from lambent.sandbox.choose import choose, egress
from lambent.sandbox.spec import SandboxHost
from lambent.settings import Settings, load
from lambent.stacks.own_clients import OwnClients
from lambent.stacks.service import Stacks
from lambent.store.artifacts import Artifacts
from lambent.store.database import Database
from lambent.store.event_outbox import Message
from lambent.store.event_queue import QueueKey
from lambent.store.sealing import Sealer

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
        store_key = await asyncio.to_thread(key_of, settings.data_dir / "keys" / "store")
        database = Database(settings.data_dir / "lambent.sqlite", sealer=Sealer(store_key))
        await database.open()
        stack.push_async_callback(database.close)
        streams = await _open_logs(settings, clock, stack, database)
        logs = streams.store
        host = await _open_host(settings)
        stack.push_async_callback(host.close)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())

        def spawn(coro: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            return tasks.create_task(_guarded(coro))

        _keep_logs(settings, clock, stack, spawn, streams)
        metrics = Metrics()
        metrics.gauge("logs.dropped", lambda: logs.dropped)
        clients = AwsClients(settings)
        sessions = Sessions(await asyncio.to_thread(key_of, settings.data_dir / "keys" / "session"))
        keys = KeyRing(settings.auth_keys, identities, sessions, clock)
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
        )
        stack.push_async_callback(dispatcher.close)
        compiler = BytecodeCompiler(host, planner, clock)
        stack.push_async_callback(compiler.close)
        catalog = UrlCatalog(settings.url_base_domain)
        addresses = Addresses(settings, catalog)
        artifacts, image_store = _stores(settings, stack)
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
        )
        await control.open()
        stack.push_async_callback(control.close)
        events = await _open_events(
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
        stacks = Stacks(database, clock, own)
        await stacks.open()
        rooms = Rooms(
            settings=settings,
            clock=clock,
            spawn=spawn,
            control=control,
            dispatcher=dispatcher,
            events=events,
            logs=streams,
            stacks=stacks,
            catalog=catalog,
            addresses=addresses,
            gateways=await _open_gateways(database, stack),
            pages=pages,
            authenticator=authenticator,
            access=access,
            auditor=_auditor(settings, keys, clock, stack),
            keys=keys,
        )
        listener = await open_front_door(rooms, stack)
        own.listening(own_url(settings, listener))
        stack.push_async_callback(stacks.close)
        spawn(_prepare(planner, dispatcher))
        compiler.start(spawn)
        yield Platform(settings, host, listener, stop)


async def _open_gateways(database: Database, stack: contextlib.AsyncExitStack) -> Gateways:
    gateways = Gateways(database)
    await gateways.open()
    stack.push_async_callback(gateways.close)
    return gateways


def _stores(settings: Settings, stack: contextlib.AsyncExitStack) -> tuple[Artifacts, ImageStore]:
    """Where code is kept: packages, and images beside them."""
    artifacts = Artifacts(settings.data_dir / "artifacts")
    images = ImageStore(artifacts, settings)
    stack.callback(images.close)
    return artifacts, images


async def _open_logs(
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


def _auditor(
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


def _keep_logs(
    settings: Settings,
    clock: Clock,
    stack: contextlib.AsyncExitStack,
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
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


async def _guarded(coro: Coroutine[Any, Any, None]) -> None:
    """One task's mistake is one line in the log, not the end of the server."""
    try:
        await coro
    except Exception:
        log.exception("server.task_failed", task=getattr(coro, "__qualname__", ""))


async def _open_events(
    settings: Settings,
    clock: Clock,
    stack: contextlib.AsyncExitStack,
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
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
    pollers = Pollers(mappings, control.clients, dispatcher, clock, metrics, spawn)
    pollers.start()
    stack.push_async_callback(pollers.close, settings.drain_s)
    return events


async def _open_host(settings: Settings) -> SandboxHost:
    def warn(problem: SandboxError) -> None:
        log.warning("sandbox.not_isolated", why=str(problem), fix=problem.fix)

    host = await asyncio.to_thread(choose, settings, warn)
    await host.open()
    return host


async def _prepare(planner: Planner, dispatcher: Dispatcher) -> None:
    """Lay out the interpreters of the functions that exist before somebody calls them."""
    await asyncio.to_thread(planner.prepare, dispatcher.runtimes())


def _most_memory_mb() -> int:
    """Four fifths of the machine's memory."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return pages * 4 // 5 // (1 << 20)


async def serve(settings: Settings) -> None:
    """Run until a signal comes, then drain."""
    async with open_platform(settings, SystemClock()) as platform:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _asked_to_stop, platform, number)
        print(json.dumps(platform.facts()), flush=True)  # noqa: T201  the hand-shake with `up`
        log.info("server.ready", url=platform.url)
        _settle_interpreter()
        await platform.stop.wait()
        log.info("server.draining")
        # Load balancers look at /readyz; those that come meanwhile are still served.
        await asyncio.sleep(settings.drain_notice_s)
    log.info("server.stopped")


def _settle_interpreter() -> None:
    """What has been made so far stays: the collector need not look at it again and again.

    Invokes make no cycles, so collections are rare; the threads that write logs and commit must
    give the loop its turn sooner than after the default 5 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    sys.setswitchinterval(0.0005)


def _asked_to_stop(platform: Platform, number: signal.Signals) -> None:
    if platform.stop.is_set():
        log.warning("server.stopped_at_once", signal=number.name)
        os._exit(128 + number)
    platform.stop.set()


def _leave_no_core() -> None:
    """Keys and variables of functions are in this process's memory, and stay there.

    One byte, not none: the kernel starts a core handler behind a pipe even for a limit of 0.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def main() -> int:
    """Exit status: 0 after a drain, 1 when it could not start."""
    _leave_no_core()
    server_log.configure()
    try:
        settings = load()
        server_log.configure(level=settings.log_level)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except (ConfigurationError, SandboxError, OSError, ExceptionGroup) as error:
        print(_explained(error), file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _explained(error: Exception) -> str:
    """Why it could not start, as the command line says it; raises what has no name."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]  # the rooms' tasks wrap what ends them
    if isinstance(error, OSError) and error.filename is not None:
        code, says, fix = (
            "FILE",
            f"{error.filename}: {error.strerror}",
            "check path and permissions",
        )
    elif isinstance(error, (ConfigurationError, SandboxError)):
        code, says, fix = error.code, str(error), error.fix
    else:
        raise error
    lines = [f"error[{code}] {says}", f"  fix   {fix}" if fix else "", f"  doc   {reference(code)}"]
    return "\n".join(line for line in lines if line)


if __name__ == "__main__":
    sys.exit(main())
