"""SnapStart here: one initialised process per version, the template, and environments forked from it.

    Snapshots.template(target)   the template of a version; makes it when there is none
    Template.place / launch      an environment's sandbox, and its process, as a fork
    retire                       the version is gone or long unused: its memory is given back

What cannot be forked (threads that hold work, a runtime that is not ours, a machine without
namespaces) is told by `Standby`, and such a version starts its environments as any other.
`snapshot_trial` proves a template by a fork before its version becomes Active. The process of a
template is `runtimes/python/lambent_runtime/template.py`.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import structlog

from lambent.control.targets import VersionTarget
from lambent.engine import faults
from lambent.engine.channel import Channel
from lambent.engine.credentials import Credentials
from lambent.engine.credentials_endpoint import OF_TEMPLATE_S, CredentialsEndpoint, CredentialsPage
from lambent.engine.credentials_endpoint import PATH as CREDENTIALS
from lambent.engine.extensions import Extensions, names
from lambent.engine.faults import Fault
from lambent.engine.forked_programs import ForkedPrograms
from lambent.engine.journal import Journal
from lambent.engine.launcher import Launcher
from lambent.engine.log_pipe import LogPipe
from lambent.engine.owner import SNAP_START
from lambent.engine.runtime import RUNTIME_API_PORT, LogSink, Runtime, start_process
from lambent.engine.snapshot_link import InitFailed, SnapshotLink, TemplateGone
from lambent.errors import LambentError, ServiceException, SnapStartRegenerationFailure
from lambent.runtimes import frames
from lambent.runtimes.frames import CHANNEL_FD
from lambent.sandbox.namespaces import SPACES
from lambent.sandbox.spec import ForkingSandbox, Process
from lambent.sandbox.spec import Template as Origin

log = structlog.get_logger()

Spawn = Callable[[Coroutine[Any, Any, None]], object]

INIT_LIMIT_S: Final = 130.0
LONGEST_INIT_S: Final = 900.0
"""AWS: 130 s, or the function's time limit if that is more, up to 15 minutes."""
IDLE_S: Final = 3600.0
"""How long a template that no environment uses is kept."""
CLOSING: Final = "the server is shutting down"
UNUSED_S: Final = 1.0
"""Before that, whoever asked for a template may not have come to use it."""
MOST_TEMPLATES: Final = 64
"""More than this at a time cost more memory than they are worth: the longest unused goes."""


class Standby(Exception):  # noqa: N818  an outcome
    """This version cannot be forked here; its environments are started instead."""


class Failed(Exception):  # noqa: N818  an outcome
    """The function's Init failed while its snapshot was made."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        """AWS's StateReasonCode."""


class Report(msgspec.Struct):
    """What a template found of itself."""

    threads: list[str] = []
    connections: list[str] = []
    unsupported: str = ""


class Template:
    """One initialised process, and the place that it lives in."""

    def __init__(
        self,
        target: VersionTarget,
        launcher: Launcher,
        spawn: Spawn,
        idle_s: float,
        unused: Callable[[], None],
    ) -> None:
        """`unused` is called when no environment has stood below it for `idle_s`."""
        self.target = target
        self._idle_s = idle_s
        self._unused = unused
        self._idle: asyncio.TimerHandle | None = None
        self._rests_since = 0.0
        self.shared_mb = 0
        self.report = Report()
        self.extensions: tuple[str, ...] = ()
        """External ones, which every environment starts for itself, after its fork."""
        self.users = 0
        """Environments that stand below its namespaces: its place stays until they are gone."""
        self._launcher = launcher
        self._spawn = spawn
        self._sandbox: ForkingSandbox | None = None
        self._link: SnapshotLink | None = None
        self._process: Process | None = None
        self._pipe: LogPipe | None = None
        self._endpoint: CredentialsEndpoint | None = None
        self._retired = False
        self._journal = Journal(target, launcher.logs, launcher.clock, SNAP_START)

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        return not self._retired and self._process is not None and not self._process.exited.done()

    async def make(self) -> None:
        """Run Init; raises `Failed`, `Standby`, or what hinders the host."""
        try:
            self.extensions = await asyncio.to_thread(names, self.target)
            await self._start()
            await self._await_init()
        except BaseException:
            await self.close()
            raise

    async def _start(self) -> None:
        launcher, target, loop = self._launcher, self.target, asyncio.get_running_loop()
        place = await launcher.create(target, forkable=True)
        self._sandbox = sandbox = cast(ForkingSandbox, place)
        self._endpoint = CredentialsEndpoint(
            sandbox.listeners[RUNTIME_API_PORT],
            lambda: launcher.credentials(target),
            launcher.clock,
            self._spawn,
            longest_s=OF_TEMPLATE_S,
            otherwise=partial(launcher.call_api, target),
        )
        plan = launcher.plan_template(
            target, self._journal.stream_name, self._endpoint.page.url, self._endpoint.page.token
        )
        self._pipe = pipe = LogPipe(self._journal.on_message, loop)
        self._link = link = SnapshotLink(loop)
        sandbox.limit_cpu(False)
        self._journal.init_started()
        plan = replace(plan, env={**plan.env, "_LAMBENT_TEMPLATE": "1"})
        fds = {CHANNEL_FD: link.runtime_end.fileno()}
        self._process = await start_process(sandbox, plan, pipe, fds)
        link.runtime_end.close()

    async def _await_init(self) -> None:
        assert self._link is not None
        assert self._process is not None
        assert self._pipe is not None
        clock = self._launcher.clock
        started = clock.monotonic()
        limit_s = min(max(INIT_LIMIT_S, self.target.timeout_s), LONGEST_INIT_S)
        waiting: set[asyncio.Future[Any]] = {self._link.ready, self._process.exited}
        await asyncio.wait(waiting, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        self._link.drain()
        self._pipe.drain(partial=True)
        init_ms = (clock.monotonic() - started) * 1000
        fault, document = self._init_fault(limit_s)
        self._journal.init_done(init_ms, fault)
        if fault is not None:
            raise failed(fault, document)
        self.report = msgspec.json.decode(self._link.ready.result(), type=Report)
        if self.report.unsupported:
            raise Standby(self.report.unsupported)
        if self.report.threads:
            raise Standby("it starts threads in Init: " + ", ".join(self.report.threads))
        self.shared_mb = await asyncio.to_thread(_anonymous_mb, self._process.pid)
        assert self._sandbox is not None
        self._sandbox.settle()

    def _init_fault(self, limit_s: float) -> tuple[Fault | None, bytes]:
        assert self._link is not None
        assert self._process is not None
        if self._link.ready.done():
            error = self._link.ready.exception()
            if isinstance(error, InitFailed):
                kind = faults.error_type(error.document)
                return Fault(kind or "Runtime.ExitError", ""), error.document
            return None, b""
        if self._process.exited.done():
            return faults.exited(self._process.exited.result()), b""
        return faults.timed_out(limit_s), b""

    # ── environments ─────────────────────────────────────────────────────────────────────────

    @property
    def origin(self) -> Origin:
        """What a place for a fork needs to know."""
        assert self._sandbox is not None
        return Origin(self._sandbox, self.shared_mb)

    def enter(self) -> None:
        """An environment is about to stand below it."""
        self.users += 1
        self._disarm()

    def leave(self) -> None:
        self.users -= 1
        if self._retired and not self.users:
            self._spawn(self.close())
        elif not self.users:
            self.rest()

    def rest(self) -> None:
        """Nobody uses it now."""
        self._disarm()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self._idle_s, self._unused)
        self._rests_since = loop.time()

    @property
    def unused_s(self) -> float:
        """How long no environment has stood below it; 0 while one does."""
        if self.users or self._idle is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._rests_since

    def _disarm(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    async def launch(
        self,
        place: ForkingSandbox,
        events: LogSink,
        log_stream: str,
        extensions: Extensions | None = None,
    ) -> Runtime | None:
        """Fork a process into an environment's place; it says READY when it may be given work.

        Its extensions are there before it. None when one failed, of which the environment has heard.
        """
        if self._link is None or self._sandbox is None:
            raise TemplateGone
        launcher = self._launcher
        listener = place.listeners[RUNTIME_API_PORT]
        endpoint: CredentialsEndpoint | None = None
        if extensions is None:
            endpoint = CredentialsEndpoint(
                listener,
                self._issue,
                launcher.clock,
                self._spawn,
                otherwise=partial(launcher.call_api, self.target),
            )
            page = endpoint.page
        else:
            port = listener.getsockname()[1]
            page = CredentialsPage(port, self._issue, launcher.clock, self._spawn)
            extensions.door.route(CREDENTIALS, page.handle)
            await extensions.door.open()
            plan = launcher.plan_template(self.target, log_stream, page.url, page.token)
            programs = ForkedPrograms(self._link, place, self._sandbox)
            if not await extensions.start(programs, self.extensions, plan.env):
                return None
        return await self._fork(place, events, page, endpoint, log_stream)

    async def _issue(self) -> Credentials:
        return await self._launcher.credentials(self.target)

    async def _fork(
        self,
        place: ForkingSandbox,
        events: LogSink,
        page: CredentialsPage,
        endpoint: CredentialsEndpoint | None,
        log_stream: str,
    ) -> Runtime:
        """The runtime; `endpoint` is its own, where the page does not stand at the extensions' door."""
        loop = asyncio.get_running_loop()
        pipe, channel = LogPipe(events.on_message, loop), Channel(events, loop)
        runtime = None
        try:
            if self._link is None or self._sandbox is None:
                raise TemplateGone
            fds = (*place.spaces, channel.runtime_end.fileno(), pipe.write_end)
            forked = await self._link.fork([kind for _, kind in SPACES], fds)
            try:
                process = await place.adopt(forked.pidfd, forked.pid, self._sandbox)
            finally:
                os.close(forked.pidfd)
            runtime = Runtime(process, channel, pipe, endpoint=endpoint)
        finally:
            if runtime is None:
                if endpoint is not None:
                    await endpoint.close()
                await channel.close()
                pipe.close()
        pipe.release_write_end()
        channel.runtime_end.close()
        runtime.restored_from = self._launcher.clock.monotonic()
        channel.tell(frames.RESTORE, msgspec.json.encode(_variables(page, log_stream)))
        return runtime

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    async def retire(self) -> None:
        """End the process, whose memory is given back; its place goes with the last environment."""
        if self._retired:
            return
        self._retired = True
        await self._cut()
        if not self.users:
            await self.close()
        elif self._process is not None and not self._process.exited.done():
            await asyncio.wait([self._process.exited], timeout=1.0)

    async def _cut(self) -> None:
        """A template that is cut off ends by itself."""
        self._disarm()
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._endpoint is not None:
            endpoint, self._endpoint = self._endpoint, None
            await endpoint.close()
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    async def close(self) -> None:
        self._retired = True
        await self._cut()
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            await sandbox.close()


class Snapshots:
    """The templates of one server."""

    def __init__(
        self,
        launcher: Launcher,
        spawn: Spawn,
        *,
        most: int = MOST_TEMPLATES,
        idle_s: float = IDLE_S,
    ) -> None:
        self._idle_s = idle_s
        self._launcher = launcher
        self._spawn = spawn
        self._most = most
        self._turns = asyncio.Semaphore(2 * len(os.sched_getaffinity(0)))
        """Of Inits side by side: fifty versions published at once do not exhaust the host."""
        self._made: OrderedDict[tuple[str, str], asyncio.Future[Template]] = OrderedDict()
        """By ARN and generation; the one used last is the last."""
        self._making: set[asyncio.Task[Any]] = set()
        self._closing = False
        self._standby: dict[tuple[str, str], str] = {}
        """Why a version is not forked."""

    def why_not(self, target: VersionTarget) -> str:
        """Why a version's environments are started, not forked; empty if they are forked."""
        return self._standby.get(_key(target), "")

    def standing_by(self) -> Mapping[str, str]:
        """Versions that are started in the plain way, by ARN, and why."""
        return {arn: why for (arn, _), why in self._standby.items()}

    def standing(self) -> Mapping[tuple[str, str], Template]:
        """The templates that are ready, by ARN and generation."""
        return {
            key: made.result()
            for key, made in self._made.items()
            if made.done() and not made.cancelled() and made.exception() is None
        }

    def forks(self, target: VersionTarget) -> bool:
        """Whether its environments are forked from a template that stands already."""
        made = self._made.get(_key(target)) if target.snap_start else None
        return made is not None and made.done() and _usable(made)

    def ready(self, target: VersionTarget) -> bool:
        """Whether an Active version has its template, or its standby, already."""
        if not target.snap_start or target.state != "Active":
            return False
        return _key(target) in self._standby or self.forks(target)

    async def find(self, target: VersionTarget) -> Template | None:
        """The template to fork from; None for a version that is started in the plain way.

        Raises SnapStartRegenerationFailureException where AWS would: Init, well once, fails now.
        """
        if not target.snap_start or _key(target) in self._standby:
            return None
        try:
            template = await self.template(target)
        except Standby:
            return None
        except Failed as error:
            if not target.snap_start_asked:
                return None  # a snapshot that AWS does not know of changes no answer
            raise SnapStartRegenerationFailure(
                f"Lambda couldn't regenerate the SnapStart snapshot for the function. {error.reason}"
            ) from None
        return template

    async def template(self, target: VersionTarget) -> Template:
        """The template of a version, made now if there is none; raises `Failed` or `Standby`."""
        key = _key(target)
        if self._closing:
            raise ServiceException(CLOSING)
        if key in self._standby:
            raise Standby(self._standby[key])
        made = self._made.get(key)
        if made is not None and made.done() and not _usable(made):
            self._drop(key)
            made = None
        if made is None:
            made = self._made[key] = asyncio.get_running_loop().create_future()
            self._spawn(self._make(target, key, made))
        self._made.move_to_end(key)
        return await asyncio.shield(made)

    async def _make(
        self, target: VersionTarget, key: tuple[str, str], made: asyncio.Future[Template]
    ) -> None:
        template = Template(
            target, self._launcher, self._spawn, self._idle_s, lambda: self._drop(key)
        )
        task = asyncio.current_task()
        assert task is not None
        self._making.add(task)
        task.add_done_callback(self._making.discard)
        try:
            _refuse(await asyncio.to_thread(self._launcher.unforkable, target))
            async with self._turns:
                await template.make()
        except Standby as why:
            self.stand_by(target, str(why))
            made.set_exception(why)
            made.exception()
        except asyncio.CancelledError:  # by `stop`; whoever waits must not take it for their own
            made.set_exception(ServiceException(CLOSING))
            made.exception()
        except (Failed, LambentError, OSError) as error:
            self._made.pop(key, None)
            made.set_exception(error)
            made.exception()
        else:
            if self._made.get(key) is not made:  # retired meanwhile
                await template.close()
                made.set_exception(Standby("its version is gone"))
                made.exception()
                return
            made.set_result(template)
            template.rest()
            log.info(
                "snapshot.ready", function=target.arn, memory_mb=template.shared_mb,
                connections=template.report.connections,
            )  # fmt: skip
            self._bound()

    def memory_mb(self) -> int:
        """What all templates take; their forks are counted without it."""
        return sum(template.shared_mb for template in self.standing().values())

    def give_back_unused(self) -> int:
        """Under memory pressure: end the longest unused; its megabytes, or 0 when all are used."""
        for key, template in self.standing().items():
            if template.unused_s >= UNUSED_S:
                self._drop(key)
                return max(template.shared_mb, 1)
        return 0

    def _bound(self) -> None:
        """Give back the longest unused when there are too many."""
        for key, made in list(self._made.items()):
            if len(self._made) <= self._most:
                return
            if made.done():
                self._drop(key)

    def stand_by(self, target: VersionTarget, why: str) -> None:
        """This version is started in the plain way from now on."""
        log.warning("snapshot.standby", function=target.arn, why=why)
        self._standby[_key(target)] = why
        self._drop(_key(target))

    def retire(self, arn: str, generation: str) -> None:
        """The version is gone, or has other code now."""
        self._standby.pop((arn, generation), None)
        self._drop((arn, generation))

    def _drop(self, key: tuple[str, str]) -> None:
        made = self._made.pop(key, None)
        if made is not None and made.done() and not made.cancelled() and not made.exception():
            self._spawn(made.result().retire())

    def stop(self) -> None:
        """Give up Inits that run, however long they would take; none begins any more."""
        self._closing = True
        for task in self._making:
            task.cancel()

    async def close(self) -> None:
        """After the last environment: end every template."""
        for made in list(self._made.values()):
            if not made.done():
                await asyncio.wait([made])
        for template in list(self.standing().values()):
            await template.close()
        self._made.clear()


def _refuse(why: str) -> None:
    if why:
        raise Standby(why)


def _key(target: VersionTarget) -> tuple[str, str]:
    return target.arn, target.generation


def _usable(made: asyncio.Future[Template]) -> bool:
    return not made.cancelled() and made.exception() is None and made.result().alive


def failed(fault: Fault, document: bytes) -> Failed:
    """Of an Init that ended with `fault`: what it said, for a StateReason."""
    try:
        said = msgspec.json.decode(document, type=dict[str, Any]) if document else {}
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = {}
    kind = said.get("errorType") or fault.error_type
    text = said.get("errorMessage") or fault.message
    code = "InitTimeout" if fault.status == "timeout" else "RuntimeInitError"
    reason = f"The function's initialization failed for the snapshot: {kind}: {text}"
    return Failed(reason, f"FunctionError.{code}")


def _anonymous_mb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) // 1024
    return 0


def _variables(page: CredentialsPage, log_stream: str) -> dict[str, str]:
    """What is a fork's own of its environment variables."""
    return {
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": page.url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": page.token,
    }
