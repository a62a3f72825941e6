"""One execution environment: a sandbox, the runtime process in it, and where it is in its life.

Read it along a life: `start` → `on_ready` → `invoke` → `on_response` → `on_next` → … → `close`.
Both transports (channel, Runtime API) report through the same `on_*` methods, and `states` decides
what is legal. There is one deadline timer per environment, re-armed only when it fires. What ends
an invoke badly (deadline, exit) answers the caller first, then kills the processes and starts the
runtime again in the same sandbox, so that `/tmp` survives and memory does not, as on Lambda.
"""

from __future__ import annotations

import asyncio
import enum
import math
import signal
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast

import structlog
from msgspec.structs import replace

from lambent.control.targets import VersionTarget
from lambent.cost.billing import billed_ms
from lambent.engine import ageing, faults
from lambent.engine.call import Call
from lambent.engine.deadline import Deadline
from lambent.engine.door import Door
from lambent.engine.extension_api import ExtensionApi
from lambent.engine.extensions import Extensions
from lambent.engine.faults import Fault
from lambent.engine.journal import Journal
from lambent.engine.launcher import Launcher
from lambent.engine.runtime import RUNTIME_API_PORT, Runtime
from lambent.engine.shared_seat import Seat
from lambent.engine.states import Event, State, advance
from lambent.engine.streamed_answer import StreamedAnswer
from lambent.engine.streaming import Flow
from lambent.engine.telemetry import Telemetry
from lambent.engine.telemetry_api import TelemetryApi
from lambent.engine.verdict import Measured, Verdict, conclude
from lambent.engine.xray import Tracer
from lambent.errors import (
    LambentError,
    SandboxError,
    ServiceException,
    SnapStartFailure,
    SnapStartTimeout,
)
from lambent.observe.metrics import Metrics
from lambent.observe.report import Report
from lambent.observe.timelines import Timeline
from lambent.runtimes.launch import InvalidEntrypoint
from lambent.sandbox.spec import Exit, ForkingSandbox, Sandbox

if TYPE_CHECKING:
    from lambent.engine.snapshot import Snapshots, Template

log = structlog.get_logger()

INIT_LIMIT_S = 10.0
UNHURRIED_INIT_S = 130.0
"""Init ahead of calls may take this long, or as long as the function's time limit if that is more."""
SHUTDOWN_S = 0.3
"""Lambda's Shutdown phase for a runtime without extensions."""
RESTORE_LIMIT_S = 10.0
"""AWS: a restore and its hooks."""
TELEMETRY_END_S = 0.5
"""The last delivery of telemetry, before SHUTDOWN."""
MEASURE_EVERY_S = 0.05
"""How often the memory of an environment that answers many short calls is looked at."""

Initialization = Literal["on-demand", "provisioned-concurrency", "snap-start"]
"""What AWS_LAMBDA_INITIALIZATION_TYPE says."""
ON_DEMAND: Final = "on-demand"
PROVISIONED: Final = "provisioned-concurrency"

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Waits(enum.Enum):
    """What the runtime has done, and the extensions have not: it counts once they have."""

    NOTHING = enum.auto()
    READY = enum.auto()
    NEXT = enum.auto()


class Owner(Protocol):
    """Whoever keeps environments: the pool."""

    def environment_free(self, environment: Environment) -> None:
        """It can take an invoke now."""
        ...

    def environment_resetting(self, environment: Environment) -> None:
        """It broke and starts again; it will be free, or lost, later."""
        ...

    def environment_lost(self, environment: Environment, error: LambentError | None) -> None:
        """It is closing and will never be free again; `error` if it never started."""
        ...


class Environment:
    """An execution environment of one function version."""

    def __init__(
        self,
        target: VersionTarget,
        owner: Owner,
        launcher: Launcher,
        metrics: Metrics,
        spawn: Spawn,
        initialization: Initialization = ON_DEMAND,
        snapshots: Snapshots | None = None,
    ) -> None:
        self.target = target
        self.initialization = initialization
        self.state = State.NEW
        self.idle_since = 0.0
        self.frozen = False
        self.used_mb = 0
        """Most memory used, as last measured."""
        self._owner = owner
        self._launcher = launcher
        self.metrics = metrics
        self._spawn = spawn
        self._clock = launcher.clock
        self._journal = Journal(target, launcher.logs, launcher.clock)
        self._deadline = Deadline(self._clock, self._deadline_passed)
        self._snapshots = snapshots if target.snap_start else None
        self._template: Template | None = None
        """What it is forked from."""
        self._restore: tuple[float, int] | None = None
        """Milliseconds of the restore and those billed; taken by the first invoke after it."""
        self._sandbox: Sandbox | None = None
        self._runtime: Runtime | None = None
        self._call: Call | None = None
        self._answer: StreamedAnswer | None = None
        self._measure_at = 0.0
        self._init_limit_s = (
            INIT_LIMIT_S
            if initialization == ON_DEMAND and not target.max_concurrency
            else max(UNHURRIED_INIT_S, target.timeout_s)
        )
        self._made = self._clock.monotonic()
        self._init_started = 0.0
        self._ready = 0.0
        """When Init was over last; monotonic seconds, as the two before."""
        self._init_ms: float | None = None
        """Set by a successful Init, and taken by the first invoke after it."""
        self._init_document = b""
        self._ready_early = False
        self._extensions: Extensions | None = None
        """There from a launch to the end of its processes."""
        self._tracer = (
            Tracer(target, metrics.traces, self._clock)
            if target.tracing_mode == "Active" and not target.max_concurrency
            else None
        )
        self._waits = Waits.NOTHING
        self._held: tuple[Report, float] | None = None
        """A report that waits for the extensions, and when its invoke began."""
        self._call_started = 0.0
        self._end_reason = "failure"
        self.initialised = asyncio.Event()
        """Set when its first Init is over, well or not, or will never be."""
        self._ended = asyncio.Event()

    # ── birth ────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Make the sandbox and start Init; the owner hears how it went."""
        try:
            if self._snapshots is not None:
                self._template = await self._snapshots.find(self.target)
            if self._template is None:
                sandbox = await self._launcher.place(self.target)
            else:
                self._template.enter()
                sandbox = await self._launcher.place(self.target, template=self._template.origin)
            if self.state is State.CLOSED:  # closed while the sandbox was being made
                await sandbox.close()
                self._leave_template()
                return
            self._sandbox = sandbox
            self.state = advance(self.state, Event.START)
            await self._launch(self._init_limit_s)
        except LambentError as error:
            self._fail_to_start(error)
        except OSError as error:
            self._fail_to_start(SandboxError(f"the host could not start an environment: {error}"))

    def _fail_to_start(self, error: LambentError) -> None:
        self.metrics.count("environments.start_failed")
        code = getattr(error, "code", type(error).__name__)
        log.error("environment.start_failed", function=self.target.arn, code=code, error=str(error))
        self._lose(error)

    async def _launch(self, limit_s: float) -> None:
        """Start a runtime process in the sandbox; Init runs from here to `on_ready`."""
        assert self._sandbox is not None
        self._sandbox.limit_cpu(False)
        self._init_started = self._clock.monotonic()
        self._init_document = b""
        self._ready_early = False
        self._waits = Waits.NOTHING
        extensions = self._extensions = self._make_extensions(self._sandbox)
        runtime: Runtime | None
        try:
            if self._template is not None:
                self._journal.restore_started()
                self._deadline.arm(RESTORE_LIMIT_S)
                runtime = await self._template.launch(
                    cast(ForkingSandbox, self._sandbox), self, self._journal.stream_name
                )
            else:
                self._journal.init_started()
                self._deadline.arm(limit_s)
                tracer = self._tracer
                daemon = "" if tracer is None else await tracer.open(self._sandbox)
                runtime = await self._launcher.launch(
                    self._sandbox,
                    self.target,
                    self,
                    self._journal.stream_name,
                    self.initialization,
                    extensions,
                    daemon,
                )
        except InvalidEntrypoint as error:  # the function's fault, so an outcome
            self._break(Fault(error.error_type, str(error)))
            return
        if runtime is None:  # an extension failed, which has been heard
            return
        if self._extensions is not extensions or self.state is State.CLOSED:
            runtime.kill()  # too late: Init was given up meanwhile
            await runtime.close()
            return
        self._runtime = runtime
        runtime.process.exited.add_done_callback(lambda future: self._exited(runtime, future))
        if runtime.lifetime_s is not None:
            end_s = ageing.usable_s(runtime.lifetime_s)
            asyncio.get_running_loop().call_later(end_s, self._aged, runtime)
        if self._ready_early and self.state in {State.INIT, State.REINIT}:
            self.on_ready()

    def _make_extensions(self, sandbox: Sandbox) -> Extensions | None:
        """Nobody may ever register; then it is a watched descriptor and no more.

        Environments that several invokes share have none, and neither have forks of a template:
        versions with external extensions are not forked (`Launcher.unforkable`).
        """
        if isinstance(sandbox, Seat) or self._template is not None:
            return None
        door = Door(sandbox.listeners[RUNTIME_API_PORT], self._clock, self._spawn)
        extensions = Extensions(self.target, self, self._clock, door)
        ExtensionApi(extensions, door)

        def telemetry() -> Telemetry:
            if self._journal.telemetry is None:
                self._journal.telemetry = Telemetry(
                    self._clock, self._spawn, partial(sandbox.open_socket, "tcp")
                )
            return self._journal.telemetry

        TelemetryApi(extensions, telemetry, door)
        if self.target.layer_paths:  # an extension in them wants to hear of Init from its start
            telemetry()
        return extensions

    def _aged(self, runtime: Runtime) -> None:
        """Its credentials end soon: it takes no new call."""
        if runtime is not self._runtime or self.state is State.CLOSED:
            return
        if self.state is State.IDLE:
            self._lose(None)
        else:
            self._owner = ageing.LastOwner(self._owner)

    # ── what the runtime says (RuntimeEvents) ────────────────────────────────────────────────

    def on_message(self, time_us: int | None, message: bytes) -> None:
        self._journal.on_message(time_us, message)

    def on_ready(self) -> None:
        if self._runtime is None:  # quicker than the news of its start; `_launch` comes back to it
            self._ready_early = True
            return
        assert self._sandbox is not None
        extensions = self._extensions
        if extensions is not None and not extensions.settled:
            self._waits = Waits.READY
            return
        self.state = advance(self.state, Event.READY)
        if extensions is not None:
            self._close_registration(extensions)
        self._sandbox.limit_cpu(True)
        self._ready = self._clock.monotonic()
        init_ms = (self._ready - self._init_started) * 1000
        if self._template is not None:
            self._restored(init_ms)
            return
        if self.state is State.RUNNING:  # Init inside an invoke
            self._journal.init_done(init_ms, phase="invoke")
            self._journal.init_is_over()
            self._deliver()
            return
        self._journal.init_done(init_ms)
        self._journal.init_is_over()
        self._init_ms = init_ms
        self.used_mb = max(self.used_mb, self._sandbox.memory_mb())
        self.initialised.set()
        self._become_idle()

    def _restored(self, restore_ms: float) -> None:
        assert self._runtime is not None
        self._journal.restore_done(restore_ms)
        billed = math.ceil((self._ready - self._runtime.restored_from) * 1000)
        self._restore = restore_ms, billed
        assert self._sandbox is not None
        self.used_mb = max(self.used_mb, self._sandbox.memory_mb())
        self.initialised.set()
        self._become_idle()

    def on_init_error(self, document: bytes) -> None:
        """The runtime says why Init failed; it exits next, which is what we act on."""
        self._init_document = document

    def on_response(self, payload: bytes) -> None:
        self.state = advance(self.state, Event.ANSWER)
        if len(payload) > faults.PAYLOAD_LIMIT:
            self._finish(Verdict(faults.too_large(), "Unhandled"))
        else:
            self._finish(Verdict(payload))

    def on_error(self, document: bytes) -> None:
        self.state = advance(self.state, Event.ANSWER)
        self._finish(Verdict(document, "Unhandled"))

    def on_stream(self, content_type: str, flow: Flow) -> None:
        self.state = advance(self.state, Event.STREAM)
        assert self._call is not None
        self._answer = StreamedAnswer(
            self._call.invocation.sink, content_type, self.target.version, flow
        )

    def on_chunk(self, data: bytes) -> None:
        self.state = advance(self.state, Event.CHUNK)
        assert self._answer is not None
        self._answer.chunk(data)

    def on_stream_end(self, error: bytes) -> None:
        """The whole answer has come; or `error` says why it has not."""
        self.state = advance(self.state, Event.ANSWER)
        assert self._answer is not None
        self._finish(self._answer.end(error))

    def on_next(self) -> None:
        """The runtime asks for its next invoke."""
        extensions = self._extensions
        if extensions is not None and extensions.members and not extensions.settled:
            self._waits = Waits.NEXT
            return
        self.state = advance(self.state, Event.NEXT)
        self._become_idle()

    # What the extensions say (extensions.Home).

    def extensions_settled(self) -> None:
        if self._held is not None:
            self._report_held()
        waits, self._waits = self._waits, Waits.NOTHING
        if waits is Waits.READY and self.state in {State.INIT, State.REINIT}:
            self.on_ready()
        elif waits is Waits.NEXT and self.state is State.RETURNING:
            self.on_next()

    def on_extension_fault(self, fault: Fault) -> None:
        if self.state is not State.CLOSED:
            self._break(fault)

    def on_extension_message(self, time_us: int | None, message: bytes) -> None:
        self._journal.on_extension_message(time_us, message)

    def _close_registration(self, extensions: Extensions) -> None:
        """Init is over: who has not registered or subscribed by now does not."""
        extensions.open_for_registration = False
        if extensions.members:
            self._tell_of_extensions()

    def _tell_of_extensions(self, error: str = "") -> None:
        """One line for each, where Lambda writes it: at the end of Init."""
        if self._extensions is not None:
            for member in self._extensions.members.values():
                failed = error if member.phase.value.endswith(("Error", "Exited")) else ""
                self._journal.extension(member.name, member.phase.value, member.events, failed)

    def _report_held(self, fault: Fault | None = None) -> None:
        """REPORT, for which the extensions were waited for: they count as time of the invoke."""
        assert self._held is not None
        report, started = self._held
        self._held = None
        duration_ms = (self._clock.monotonic() - started) * 1000
        status = report.status if fault is None else fault.status
        self._journal.ended(
            replace(
                report,
                duration_ms=duration_ms,
                billed_ms=billed_ms(duration_ms, report.init_ms),
                status=status,
                error_type=fault.error_type if fault else report.error_type,
            )
        )

    def on_protocol_error(self, why: str) -> None:
        if self.state is State.CLOSED:  # it was told to end, and hangs up
            return
        log.warning("environment.protocol_error", function=self.target.arn, why=why)
        self._break(faults.PROTOCOL)

    def _become_idle(self) -> None:
        self._deadline.disarm()
        if self._tracer is not None:
            self._tracer.rest()
        self.idle_since = self._clock.monotonic()
        self._owner.environment_free(self)

    # ── an invoke ────────────────────────────────────────────────────────────────────────────

    def invoke(self, call: Call) -> None:
        """Run `call`; legal when IDLE, or UNREADY (then Init is tried again inside the invoke)."""
        self.state = advance(self.state, Event.INVOKE)
        self._call = call
        clock, timeout_s = self._clock, self.target.timeout_s
        call.started = clock.monotonic()
        now_ms = clock.time_ms()
        call.deadline_ms = now_ms + timeout_s * 1000
        if self._tracer is not None:
            self._tracer.begin(call)
        if self.frozen:
            self._thaw()
        if self.state is State.REINIT:
            self._spawn(self._reinit())
        else:
            self._deliver()
        # The runtime is at work already. What it prints is read in a later turn of the loop, so
        # START still stands first.
        self._deadline.arm(timeout_s)
        self._journal.started(call, now_ms)

    async def _reinit(self) -> None:
        try:
            await self._stop_processes()
            if self.state is State.REINIT:
                await self._launch(self.target.timeout_s)
        except (LambentError, OSError) as error:
            self._lose(ServiceException(f"the environment could not be started again: {error}"))

    def _deliver(self) -> None:
        call, runtime = self._call, self._runtime
        assert call is not None
        assert runtime is not None
        invocation = call.invocation
        if self._extensions is not None and self._extensions.members:
            self._extensions.invoke(invocation.request_id, call.deadline_ms, call.arn, call.trace)
        context = invocation.client_context
        runtime.transport.deliver(
            (
                invocation.request_id,
                str(call.deadline_ms),
                call.arn,
                call.trace,
                invocation.tenant_id,
                _one_line(context) if context else "",
                "",
            ),
            invocation.payload,
        )

    def _finish(self, verdict: Verdict) -> None:
        """End the running invoke."""
        call, self._call = self._call, None
        self._answer = None
        assert call is not None
        self._call_started = call.started
        now = self._clock.monotonic()
        init_ms, self._init_ms = self._init_ms, None
        if now >= self._measure_at and self._sandbox is not None:
            # Reading the kernel's accounts takes as long as everything else here together.
            self.used_mb = self._sandbox.memory_mb()
            self._measure_at = now + MEASURE_EVERY_S
        measured = Measured((now - call.started) * 1000, init_ms, self.used_mb)
        if self._restore is not None:
            restore, self._restore = self._restore, None
            measured = Measured(measured.duration_ms, init_ms, self.used_mb, *restore)
        if self._tracer is not None:
            init = None if init_ms is None else (self._init_started, self._ready)
            self._tracer.end(call, now, verdict.function_error, init)
        conclude(call, verdict, measured, self)
        self.metrics.timelines.add(
            Timeline(
                call.invocation.request_id,
                self.target.function_arn,
                self.target.version,
                self._journal.stream_name,
                call.deadline_ms - self.target.timeout_s * 1000,
                call.admitted,
                self._made,
                self._init_started,
                self._ready,
                call.started,
                now,
                self._clock.monotonic(),
                init_ms is not None,
            )
        )

    def write_report(self, report: Report) -> None:
        if self._runtime is not None:
            self._runtime.pipe.drain(partial=True)
        if self._extensions is None or not self._extensions.members:
            self._journal.ended(report)
            return
        self._journal.runtime_done(report)
        if self._extensions.settled or self._journal.tailing or self.state is not State.RETURNING:
            self._journal.ended(report)
        else:
            self._held = report, self._call_started

    @property
    def own_mb(self) -> int:
        """What it takes of the machine's memory: what it shares with its template is there once."""
        shared = 0 if self._template is None else self._template.shared_mb
        return max(self.used_mb - shared, 1) if self.used_mb else 0

    @property
    def template(self) -> Template | None:
        """What it was forked from."""
        return self._template

    @property
    def pid(self) -> int:
        """Its runtime's, on the host; 0 while there is none."""
        return 0 if self._runtime is None else self._runtime.process.pid

    @property
    def fresh(self) -> bool:
        """It stands, and has not been used yet."""
        return self._restore is not None or self._init_ms is not None

    @property
    def log_stream(self) -> str:
        return self._journal.stream_name

    # ── bad ends ─────────────────────────────────────────────────────────────────────────────

    def _deadline_passed(self) -> None:
        if self.state is State.INIT:
            self._init_failed(faults.INIT_TIMEOUT)
        else:
            self._break(faults.timed_out(self.target.timeout_s))

    def _exited(self, runtime: Runtime, future: asyncio.Future[Exit]) -> None:
        """The runtime process is gone: in the middle of something, or because we ended it."""
        if runtime is not self._runtime or future.cancelled():
            return
        runtime.transport.drain()
        runtime.pipe.drain(partial=True)
        if runtime is not self._runtime:  # its last words changed the state
            return
        exit_ = future.result()
        if self.state is State.REINIT and exit_.signal == signal.SIGSEGV:
            # Lambda reports a crash in Init as a time-out (LAMBDA.md 79); the log has the truth.
            self._journal.fault(self._request_id, faults.exited(exit_), 0)
            self._break(faults.timed_out(self.target.timeout_s))
        else:
            self._break(faults.exited(exit_))

    def _init_failed(self, fault: Fault) -> None:
        """Lambda says so in the log, and tries again inside the first invoke."""
        self._deadline.disarm()
        if self._template is not None:
            self._restore_failed(fault)
            return
        self._journal.init_done(self._since_init_ms(), self._init_fault(fault))
        self._spawn(self._end_failed_init())

    def _restore_failed(self, fault: Fault) -> None:
        """A fork that did not come up; the caller is told, and nothing is tried again."""
        error: LambentError
        if fault.status == "timeout":
            error = SnapStartTimeout(
                "Lambda couldn't restore the snapshot within the timeout limit."
            )
        else:
            what = self._init_fault(fault).error_type
            error = SnapStartFailure(f"The afterRestore() runtime hook failed: {what}")
        self._journal.init_done(self._since_init_ms(), self._init_fault(fault), phase="restore")
        self._fail_to_start(error)

    async def _end_failed_init(self) -> None:
        try:
            await self._stop_processes()
        except (LambentError, OSError) as error:
            self._fail_to_start(SandboxError(f"a failed Init could not be ended: {error}"))
            return
        if self.state is State.INIT:
            self.state = advance(self.state, Event.INIT_FAILED)
            self.initialised.set()
            self._become_idle()

    def _break(self, fault: Fault) -> None:
        """End what runs with `fault`, answer its caller, and start afresh in the same sandbox."""
        self._end_reason = "timeout" if fault.status == "timeout" else "failure"
        if self.state in {State.INIT, State.REINIT}:
            self._tell_of_extensions(fault.error_type)
        if self.state is State.INIT:
            self._init_failed(fault)
        elif self.state is State.REINIT:
            self._journal.init_done(self._since_init_ms(), self._init_fault(fault), phase="invoke")
            self.state = advance(self.state, Event.BREAK)
            self._answer_fault(fault)
            self._lose(None)  # a second failed Init: the next call gets a new environment
        elif self.state in {State.IDLE, State.RUNNING, State.STREAMING, State.RETURNING}:
            self.state = advance(self.state, Event.BREAK)
            self._deadline.disarm()
            if self._call is not None:
                self._answer_fault(fault)
            elif self._held is not None:
                self._journal.fault(self._held[0].request_id, fault, self.target.timeout_s)
                self._report_held(fault)
            self._owner.environment_resetting(self)
            self._spawn(self._reset())

    def _since_init_ms(self) -> float:
        return (self._clock.monotonic() - self._init_started) * 1000

    def _init_fault(self, fault: Fault) -> Fault:
        """`fault`, under the name that the runtime itself gave it."""
        return faults.named(fault, faults.error_type(self._init_document))

    @property
    def _request_id(self) -> str:
        return self._call.invocation.request_id if self._call is not None else ""

    def _answer_fault(self, fault: Fault) -> None:
        """The caller's answer when the runtime gave none, or only an Init error."""
        if self._runtime is not None:
            self._runtime.pipe.drain(partial=True)
        if self._init_document:
            document = self._init_document
            fault = self._init_fault(fault)
        else:
            document = fault.document(self._request_id)
            self._journal.fault(self._request_id, fault, self.target.timeout_s)
        self._finish(Verdict(document, "Unhandled", fault.error_type, fault.status))

    async def _reset(self) -> None:
        """Kill what is left and run Init again where the old one was."""
        try:
            await self._stop_processes()
            if self.state is State.RESETTING:
                self.state = advance(self.state, Event.START)
                await self._launch(self._init_limit_s)
        except (LambentError, OSError) as error:
            log.error("environment.reset_failed", function=self.target.arn, error=str(error))
            self._lose(None)

    async def _stop_processes(self) -> None:
        runtime, self._runtime = self._runtime, None
        self._thaw()
        await self._end_extensions(self._end_reason, runtime)
        if runtime is not None:
            await runtime.close()
        if self._sandbox is not None:
            await self._sandbox.kill()

    async def _end_extensions(self, reason: str, runtime: Runtime | None) -> bool:
        """Their Shutdown phase; False when there is none, and so no Shutdown phase of theirs."""
        extensions, self._extensions = self._extensions, None
        telemetry, self._journal.telemetry = self._journal.telemetry, None
        if extensions is None:
            return False
        if extensions.members:
            if telemetry is not None:
                await telemetry.flush(TELEMETRY_END_S)
            await extensions.shut_down(reason, runtime.process if runtime else None)
        if telemetry is not None:
            telemetry.close()
        await extensions.close()
        return bool(extensions.members)

    def refuse(self, error: LambentError) -> None:
        """The host has no room to start it."""
        self._lose(error)

    def _lose(self, error: LambentError | None) -> None:
        """Give up on this environment."""
        call, self._call = self._call, None
        if call is not None:
            call.fail(error or ServiceException("the execution environment was lost"))
        self._owner.environment_lost(self, error)
        self.close()

    # ── rest and death ───────────────────────────────────────────────────────────────────────

    def freeze(self) -> None:
        """Stop its processes between invokes, as Lambda does."""
        if self.state is State.IDLE and self._sandbox is not None and not self.frozen:
            self._sandbox.freeze()
            self.frozen = True

    def _thaw(self) -> None:
        if self.frozen and self._sandbox is not None:
            self._sandbox.thaw()
            self.frozen = False

    def close(self) -> None:
        """Shut down: SIGTERM, a moment, SIGKILL; then give the sandbox back. Returns at once."""
        if self.state is State.CLOSED:
            return
        self.state = advance(self.state, Event.CLOSE)
        self.initialised.set()
        self._deadline.close()
        call, self._call = self._call, None
        if call is not None:
            call.fail(ServiceException("the execution environment was shut down"))
        self._spawn(self._shut_down())

    async def _shut_down(self) -> None:
        sandbox, runtime = self._sandbox, self._runtime
        try:
            self._thaw()
            if await self._end_extensions("spindown", runtime):
                pass
            elif sandbox is not None and runtime is not None:
                sandbox.terminate()
                await asyncio.wait([runtime.process.exited], timeout=SHUTDOWN_S)
            if runtime is not None:
                await runtime.close()
            if sandbox is not None:
                await sandbox.close()
        except (LambentError, OSError) as error:
            log.error("environment.close_failed", function=self.target.arn, error=str(error))
        finally:
            if self._tracer is not None:
                self._tracer.close()
            self._sandbox = self._runtime = None
            self._leave_template()
            self._ended.set()

    def _leave_template(self) -> None:
        template, self._template = self._template, None
        if template is not None:
            template.leave()

    async def closed(self) -> None:
        """Wait until everything that it held is given back."""
        await self._ended.wait()


def _one_line(context: bytes) -> str:
    """Client context as one line: raw newlines can only stand between JSON tokens."""
    return context.decode().replace("\r", " ").replace("\n", " ")
