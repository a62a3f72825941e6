"""One execution environment: a sandbox, the runtime process in it, and where it is in its life.

Read it along a life: `start` → `on_ready` → `invoke` → `on_response` → `on_next` → … → `close`.
Both transports (channel, Runtime API) report through the same `on_*` methods, and `states` decides
what is legal. There is one deadline timer per environment, re-armed only when it fires. This file
is the good life, an invoke after the other; the rest of it stands beside:

    beginning    its sandbox, Init or a restore, until it is ready
    processes    what it has on the host
    companions   waiting for its extensions, and telling of them
    bad_ends     deadlines, exits, failed Inits
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from lambent.control.targets import VersionTarget
from lambent.engine import faults
from lambent.engine.bad_ends import BadEnds
from lambent.engine.beginning import Beginning
from lambent.engine.call import Call
from lambent.engine.companions import Companions
from lambent.engine.deadline import Deadline
from lambent.engine.faults import Fault
from lambent.engine.journal import Journal
from lambent.engine.launcher import Launcher
from lambent.engine.owner import ON_DEMAND, SNAP_START, Initialization, Owner, Spawn
from lambent.engine.processes import Processes
from lambent.engine.states import Event, State, advance
from lambent.engine.streamed_answer import StreamedAnswer
from lambent.engine.streaming import Flow
from lambent.engine.verdict import Measured, Verdict, conclude
from lambent.engine.xray import Tracer
from lambent.errors import LambentError, ServiceException
from lambent.observe.metrics import Metrics
from lambent.observe.report import Report
from lambent.observe.timelines import Timeline

if TYPE_CHECKING:
    from lambent.engine.snapshot import Snapshots
    from lambent.engine.snapshot_template import Template

log = structlog.get_logger()

MEASURE_EVERY_S = 0.05
"""How often the memory of an environment that answers many short calls is looked at."""


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
        self.used_mb = 0
        """Most memory used, as last measured."""
        self.owner = owner
        self.metrics = metrics
        self.spawn = spawn
        self.clock = launcher.clock
        kind = SNAP_START if target.snap_start else initialization
        self.journal = Journal(target, launcher.logs, launcher.clock, kind)
        self._tracer = (
            Tracer(target, metrics.traces, metrics.told_calls, self.clock)
            if launcher.traces(target)
            else None
        )
        self._traced = False
        """The running call is sampled."""
        self.processes = Processes(
            target,
            launcher,
            self.journal,
            spawn,
            snapshots=snapshots if target.snap_start else None,
            initialization=kind,
            tracer=self._tracer,
        )
        self.beginning = Beginning(self)
        self.companions = Companions(self)
        self.bad_ends = BadEnds(self)
        self.deadline = Deadline(self.clock, self.bad_ends.deadline_passed)
        self.call: Call | None = None
        """What runs in it."""
        self._call_started = 0.0
        self._answer: StreamedAnswer | None = None
        self._answer_began = 0.0
        self._measure_at = 0.0
        self.initialised = asyncio.Event()
        """Set when its first Init is over, well or not, or will never be."""
        self._ended = asyncio.Event()

    async def start(self) -> None:
        """Make the sandbox and start Init; the owner hears how it went."""
        await self.beginning.start()

    # ── what the runtime says (RuntimeEvents) ────────────────────────────────────────────────

    def on_message(self, time_us: int | None, message: bytes) -> None:
        self.journal.on_message(time_us, message)

    def on_ready(self) -> None:
        self.beginning.on_ready()

    def on_restore_next(self) -> None:
        self.beginning.on_restore_next()

    def on_init_error(self, document: bytes) -> None:
        """The runtime says why Init or its restore failed; it exits next, which we act on."""
        self.beginning.document = document

    def on_response(self, payload: bytes) -> None:
        self.state = advance(self.state, Event.ANSWER)
        if len(payload) > faults.PAYLOAD_LIMIT:
            self.finish(Verdict(faults.too_large(), "Unhandled"))
        else:
            self.finish(Verdict(payload))

    def on_error(self, document: bytes) -> None:
        self.state = advance(self.state, Event.ANSWER)
        self.finish(Verdict(document, "Unhandled"))

    def on_stream(self, content_type: str, flow: Flow) -> None:
        self.state = advance(self.state, Event.STREAM)
        assert self.call is not None
        self._answer_began = self.clock.monotonic()
        self._answer = StreamedAnswer(
            self.call.invocation.sink, content_type, self.target.version, flow
        )

    def on_chunk(self, data: bytes) -> None:
        self.state = advance(self.state, Event.CHUNK)
        assert self._answer is not None
        self._answer.chunk(data)

    def on_stream_end(self, error: bytes) -> None:
        """The whole answer has come; or `error` says why it has not."""
        self.state = advance(self.state, Event.ANSWER)
        assert self._answer is not None
        self.finish(self._answer.end(error))

    def on_next(self) -> None:
        """The runtime asks for its next invoke."""
        extensions = self.processes.extensions
        if extensions is not None and extensions.members and not extensions.settled:
            self.companions.hold_back_next()
            return
        self.state = advance(self.state, Event.NEXT)
        self.become_idle()

    def on_protocol_error(self, why: str) -> None:
        if self.state is State.CLOSED:  # it was told to end, and hangs up
            return
        log.warning("environment.protocol_error", function=self.target.arn, why=why)
        self.bad_ends.end(faults.PROTOCOL)

    # What the extensions say (extensions.Home).

    def extensions_settled(self) -> None:
        self.companions.settled()

    def on_extension_fault(self, fault: Fault) -> None:
        if self.state is not State.CLOSED:
            self.bad_ends.end(fault)

    def on_extension_message(self, time_us: int | None, message: bytes) -> None:
        self.journal.on_extension_message(time_us, message)

    # ── an invoke ────────────────────────────────────────────────────────────────────────────

    def invoke(self, call: Call) -> None:
        """Run `call`; legal when IDLE, or UNREADY (then Init is tried again inside the invoke)."""
        self.state = advance(self.state, Event.INVOKE)
        self.call = call
        clock, timeout_s = self.clock, self.target.timeout_s
        call.started = clock.monotonic()
        now_ms = clock.time_ms()
        call.deadline_ms = now_ms + timeout_s * 1000
        tracer = self._tracer
        if tracer is not None and (tracer.active or call.invocation.trace_header):
            self._traced = tracer.begin(call)
        if self.processes.frozen:
            self.processes.thaw()
        if self.state is State.REINIT:
            self.spawn(self.beginning.start_inside_invoke())
        elif self._traced and tracer is not None and tracer.wants_socket:
            self.spawn(self._deliver_once_heard(call, tracer))
        else:
            self.deliver()
        # The runtime is at work already. What it prints is read in a later turn of the loop, so
        # START still stands first.
        self.deadline.arm(timeout_s)
        self.journal.started(call, now_ms)

    async def _deliver_once_heard(self, call: Call, tracer: Tracer) -> None:
        """`deliver`, once somebody listens for what the function sends of this call."""
        if self.processes.sandbox is not None:
            await tracer.open_late(self.processes.sandbox)
        if self.call is call and self.state is State.RUNNING:
            self.deliver()

    def deliver(self) -> None:
        """Hand the running call to the runtime."""
        call, processes = self.call, self.processes
        runtime, extensions = processes.runtime, processes.extensions
        assert call is not None
        assert runtime is not None
        invocation = call.invocation
        if extensions is not None and extensions.members:
            extensions.invoke(invocation.request_id, call.deadline_ms, call.arn, call.trace)
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

    def finish(self, verdict: Verdict) -> None:
        """End the running invoke."""
        call, self.call = self.call, None
        assert call is not None
        self._call_started = call.started
        latency_ms = None
        if self._answer is not None:
            self._answer = None
            latency_ms = (self._answer_began - call.started) * 1000
        now = self.clock.monotonic()
        beginning, sandbox = self.beginning, self.processes.sandbox
        init_ms, beginning.init_ms = beginning.init_ms, None
        if now >= self._measure_at and sandbox is not None:
            # Reading the kernel's accounts takes as long as everything else here together.
            self.used_mb = sandbox.memory_mb()
            self._measure_at = now + MEASURE_EVERY_S
        duration_ms = (now - call.started) * 1000
        measured = Measured(duration_ms, init_ms, self.used_mb, latency_ms)
        if beginning.restore is not None:
            restore, beginning.restore = beginning.restore, None
            measured = Measured(duration_ms, init_ms, self.used_mb, latency_ms, *restore)
        if self._traced and self._tracer is not None:
            name = "Restore" if measured.restore_ms is not None else "Initialization"
            first = init_ms is not None or measured.restore_ms is not None
            before = (name, beginning.started, beginning.ready) if first else None
            self._tracer.end(call, now, verdict.function_error, before)
        conclude(call, verdict, measured, self)
        self.metrics.timelines.add(
            Timeline(
                call.invocation.request_id,
                self.target.function_arn,
                self.target.version,
                self.journal.stream_name,
                call.deadline_ms - self.target.timeout_s * 1000,
                call.admitted,
                beginning.made,
                beginning.started,
                beginning.ready,
                call.started,
                now,
                self.clock.monotonic(),
                init_ms is not None,
            )
        )

    def write_report(self, report: Report) -> None:
        processes = self.processes
        if processes.runtime is not None:
            processes.runtime.pipe.drain(partial=True)
        if processes.extensions is None or not processes.extensions.members:
            self.journal.ended(report)
        else:
            self.companions.report(report, self._call_started)

    # ── what others want to know ─────────────────────────────────────────────────────────────

    @property
    def request_id(self) -> str:
        """Of the running call; empty while there is none."""
        return self.call.invocation.request_id if self.call is not None else ""

    @property
    def own_mb(self) -> int:
        """What it takes of the machine's memory: what it shares with its template is there once."""
        template = self.processes.template
        shared = 0 if template is None else template.shared_mb
        return max(self.used_mb - shared, 1) if self.used_mb else 0

    @property
    def template(self) -> Template | None:
        """What it was forked from."""
        return self.processes.template

    @property
    def pid(self) -> int:
        """Its runtime's, on the host; 0 while there is none."""
        runtime = self.processes.runtime
        return 0 if runtime is None else runtime.process.pid

    @property
    def fresh(self) -> bool:
        """It stands, and has not been used yet."""
        return self.beginning.restore is not None or self.beginning.init_ms is not None

    @property
    def frozen(self) -> bool:
        return self.processes.frozen

    @property
    def log_stream(self) -> str:
        return self.journal.stream_name

    # ── rest and death ───────────────────────────────────────────────────────────────────────

    def become_idle(self) -> None:
        self.deadline.disarm()
        if self._traced and self._tracer is not None:
            self._traced = False
            self._tracer.rest()
        self.idle_since = self.clock.monotonic()
        self.owner.environment_free(self)

    def freeze(self) -> None:
        """Stop its processes between invokes, as Lambda does."""
        if self.state is State.IDLE:
            self.processes.freeze()

    def refuse(self, error: LambentError) -> None:
        """The host has no room to start it."""
        self.lose(error)

    def lose(self, error: LambentError | None) -> None:
        """Give up on this environment."""
        call, self.call = self.call, None
        if call is not None:
            call.fail(error or ServiceException("the execution environment was lost"))
        self.owner.environment_lost(self, error)
        self.close()

    def close(self) -> None:
        """Shut down: SIGTERM, a moment, SIGKILL; then give the sandbox back. Returns at once."""
        if self.state is State.CLOSED:
            return
        self.state = advance(self.state, Event.CLOSE)
        self.initialised.set()
        self.deadline.close()
        call, self.call = self.call, None
        if call is not None:
            call.fail(ServiceException("the execution environment was shut down"))
        self.spawn(self._shut_down())

    async def _shut_down(self) -> None:
        try:
            await self.processes.shut_down()
        except (LambentError, OSError) as error:
            log.error("environment.close_failed", function=self.target.arn, error=str(error))
        finally:
            self.processes.forget()
            self._ended.set()

    async def closed(self) -> None:
        """Wait until everything that it held is given back."""
        await self._ended.wait()


def _one_line(context: bytes) -> str:
    """Client context as one line: raw newlines can only stand between JSON tokens."""
    return context.decode().replace("\r", " ").replace("\n", " ")
