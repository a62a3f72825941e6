"""How an environment comes to stand: its sandbox, then Init or a restore, until it is ready.

`start` for a new one, `start_again` inside the sandbox of one that broke, `start_inside_invoke`
where a first Init had failed. What Init took and said stands here until the first invoke has told
of it. What goes wrong on the way is for `bad_ends`.
"""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from lambent.engine import ageing
from lambent.engine.companions import INITIALISING
from lambent.engine.faults import Fault
from lambent.engine.owner import ON_DEMAND
from lambent.engine.runtime import Runtime
from lambent.engine.snapshot_link import TemplateGone
from lambent.engine.states import Event, InvalidStateTransition, State, advance
from lambent.errors import LambentError, SandboxError, ServiceException
from lambent.runtimes.launch import InvalidEntrypoint

if TYPE_CHECKING:
    from lambent.engine.environment import Environment

log = structlog.get_logger()

INIT_LIMIT_S: Final = 10.0
UNHURRIED_INIT_S: Final = 130.0
"""Init ahead of calls may take this long, or as long as the function's time limit if that is more."""
RESTORE_LIMIT_S: Final = 10.0
"""AWS: a restore and its hooks."""


class Beginning:
    """The Inits of one environment."""

    __slots__ = (
        "_environment", "_init_limit_s", "_ready_early", "_restored_from", "document", "init_ms", "made", "ready",
        "restore", "started",
    )  # fmt: skip

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        target = environment.target
        ahead = target.max_concurrency or target.snap_start
        hurried = environment.initialization == ON_DEMAND and not ahead
        self._init_limit_s = INIT_LIMIT_S if hurried else max(UNHURRIED_INIT_S, target.timeout_s)
        self._ready_early = False
        self._restored_from = 0.0
        """When what is billed of a restore began."""
        self.made = environment.clock.monotonic()
        self.started = 0.0
        """When Init began last."""
        self.ready = 0.0
        """When it was over last; monotonic seconds, as the two before."""
        self.init_ms: float | None = None
        """Set by a successful Init, and taken by the first invoke after it."""
        self.restore: tuple[float, int] | None = None
        """Milliseconds of a restore and those billed; taken in the same way."""
        self.document = b""
        """Why Init failed, as the runtime said it."""

    @property
    def since_started_ms(self) -> float:
        return (self._environment.clock.monotonic() - self.started) * 1000

    async def start(self) -> None:
        """Make the sandbox and start Init; the owner hears how it went."""
        environment = self._environment
        try:
            sandbox = await environment.processes.place()
            if environment.state is State.CLOSED:  # closed while the sandbox was being made
                await sandbox.close()
                environment.processes.leave_template()
                return
            environment.state = advance(environment.state, Event.START)
            await self._launch(self._init_limit_s)
        except LambentError as error:
            environment.bad_ends.never_started(error)
        except OSError as error:
            why = f"the host could not start an environment: {error}"
            environment.bad_ends.never_started(SandboxError(why))

    async def start_again(self) -> None:
        """Kill what is left and run Init again where the old one was."""
        environment = self._environment
        try:
            await environment.processes.stop(environment.bad_ends.reason)
            if environment.state is State.RESETTING:
                environment.state = advance(environment.state, Event.START)
                await self._launch(self._init_limit_s)
        except (LambentError, OSError) as error:
            arn = environment.target.arn
            log.error("environment.reset_failed", function=arn, error=str(error))
            environment.lose(None)

    async def start_inside_invoke(self) -> None:
        """Init failed before; the call that runs now pays for another."""
        environment = self._environment
        try:
            await environment.processes.stop(environment.bad_ends.reason)
            if environment.state is State.REINIT:
                await self._launch(environment.target.timeout_s)
        except (LambentError, OSError) as error:
            why = f"the environment could not be started again: {error}"
            environment.lose(ServiceException(why))

    async def _launch(self, limit_s: float) -> None:
        """Start a runtime process in the sandbox; Init runs from here to `on_ready`."""
        environment, processes = self._environment, self._environment.processes
        try:
            runtime = await self._begin(limit_s)
        except TemplateGone:  # it was killed while a fork was being made: once more, from another
            environment.deadline.disarm()
            await processes.move()
            if environment.state is State.CLOSED:
                await processes.leave_place()
                return
            environment.state = advance(environment.state, Event.START)
            runtime = await self._begin(limit_s)
        except InvalidEntrypoint as error:  # the function's fault, so an outcome
            environment.bad_ends.end(Fault(error.error_type, str(error)))
            return
        if runtime is not None:
            self._adopt(runtime)

    async def _begin(self, limit_s: float) -> Runtime | None:
        """The process; None when it failed, which has been heard, or when Init was given up."""
        environment, processes = self._environment, self._environment.processes
        assert processes.sandbox is not None
        processes.sandbox.limit_cpu(False)
        self.started = environment.clock.monotonic()
        self.document = b""
        self._ready_early = False
        environment.companions.expect_nothing()
        extensions = processes.open(environment)
        if processes.template is not None:
            self.on_restore_next()
        else:
            environment.journal.init_started()
            environment.deadline.arm(limit_s)
        runtime = await processes.launch(environment)
        if runtime is None:  # an extension failed
            return None
        if processes.extensions is not extensions or environment.state is State.CLOSED:
            runtime.kill()  # too late: Init was given up meanwhile
            await runtime.close()
            return None
        return runtime

    def _adopt(self, runtime: Runtime) -> None:
        environment = self._environment
        environment.processes.runtime = runtime
        runtime.process.exited.add_done_callback(partial(environment.bad_ends.exited, runtime))
        if runtime.lifetime_s is not None:
            end_s = ageing.usable_s(runtime.lifetime_s)
            asyncio.get_running_loop().call_later(end_s, self._aged, runtime)
        if runtime.restored_from:
            self._restored_from = runtime.restored_from
        if self._ready_early and environment.state in INITIALISING:
            self.on_ready()

    def _aged(self, runtime: Runtime) -> None:
        """Its credentials end soon: it takes no new call."""
        environment = self._environment
        if runtime is not environment.processes.runtime or environment.state is State.CLOSED:
            return
        if environment.state is State.IDLE:
            environment.lose(None)
        else:
            environment.owner = ageing.LastOwner(environment.owner)

    # ── Init is over ─────────────────────────────────────────────────────────────────────────

    def on_restore_next(self) -> None:
        """A fork begins here; a started runtime has come to where its snapshot would be taken."""
        environment = self._environment
        if not environment.target.snap_start:
            raise InvalidStateTransition(environment.state, Event.SNAPSHOT)
        environment.state = advance(environment.state, Event.SNAPSHOT)
        if environment.state is State.RESTORING:
            if environment.processes.template is None:
                environment.journal.init_done(self.since_started_ms)
            self.started = self._restored_from = environment.clock.monotonic()
            environment.journal.restore_started()
            environment.deadline.arm(RESTORE_LIMIT_S)

    def on_ready(self) -> None:
        environment, processes = self._environment, self._environment.processes
        if processes.runtime is None:  # quicker than the news of its start; `_adopt` comes back
            self._ready_early = True
            return
        assert processes.sandbox is not None
        if environment.companions.hold_back_ready():
            return
        restored = environment.state is State.RESTORING
        environment.state = advance(environment.state, Event.READY)
        environment.companions.close_registration()
        processes.sandbox.limit_cpu(True)
        self.ready = environment.clock.monotonic()
        took_ms = (self.ready - self.started) * 1000
        if environment.state is State.RUNNING:  # Init inside an invoke
            environment.journal.init_done(took_ms, phase="invoke")
            environment.journal.init_is_over()
            environment.deliver()
            return
        environment.journal.init_is_over()
        if restored:
            environment.journal.restore_done(took_ms)
            self.restore = took_ms, math.ceil((self.ready - self._restored_from) * 1000)
        else:
            environment.journal.init_done(took_ms)
            self.init_ms = took_ms
        environment.used_mb = max(environment.used_mb, processes.sandbox.memory_mb())
        environment.initialised.set()
        environment.become_idle()
