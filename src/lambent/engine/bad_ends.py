"""What ends badly: a deadline, an exit, a failed Init or restore, words that nobody may say.

The caller is answered first; then the processes are killed and the runtime starts again in the same
sandbox, so that `/tmp` survives and memory does not, as on Lambda. `end` is the one way in; where
an environment goes from each state is the table in `states`.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Final

import structlog

from lambent.engine import faults
from lambent.engine.companions import INITIALISING
from lambent.engine.faults import Fault
from lambent.engine.runtime import Runtime
from lambent.engine.states import Event, State, advance
from lambent.engine.verdict import Verdict
from lambent.errors import LambentError, SandboxError, SnapStartFailure, SnapStartTimeout
from lambent.sandbox.spec import Exit

if TYPE_CHECKING:
    from lambent.engine.environment import Environment

log = structlog.get_logger()

AT_WORK: Final = frozenset({State.IDLE, State.RUNNING, State.STREAMING, State.RETURNING})


class BadEnds:
    """The misfortunes of one environment."""

    __slots__ = ("_environment", "init_fault", "reason")

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.reason = "failure"
        """What extensions are told of the end: `failure` or `timeout`."""
        self.init_fault: Fault | None = None
        """How the first Init failed, if it did."""

    def end(self, fault: Fault) -> None:
        """End what runs with `fault`, answer its caller, and start afresh in the same sandbox."""
        environment = self._environment
        self.reason = "timeout" if fault.status == "timeout" else "failure"
        if environment.state in INITIALISING:
            environment.companions.tell(fault.error_type)
        if environment.state is State.INIT:
            self._init_failed(fault)
        elif environment.state is State.RESTORING:
            self._restore_failed(fault)
        elif environment.state is State.REINIT:
            self._init_failed_again(fault)
        elif environment.state in AT_WORK:
            environment.state = advance(environment.state, Event.BREAK)
            environment.deadline.disarm()
            if environment.call is not None:
                self._answer(fault)
            else:
                environment.companions.fail_held(fault)
            environment.owner.environment_resetting(environment)
            environment.spawn(environment.beginning.start_again())

    def deadline_passed(self) -> None:
        state = self._environment.state
        if state is State.INIT:
            self._init_failed(faults.INIT_TIMEOUT)
        elif state is State.RESTORING:
            self._restore_failed(faults.INIT_TIMEOUT)
        else:
            self.end(faults.timed_out(self._environment.target.timeout_s))

    def exited(self, runtime: Runtime, future: asyncio.Future[Exit]) -> None:
        """The runtime process is gone: in the middle of something, or because we ended it."""
        environment, processes = self._environment, self._environment.processes
        if runtime is not processes.runtime or future.cancelled():
            return
        runtime.transport.drain()
        runtime.pipe.drain(partial=True)
        if runtime is not processes.runtime:  # its last words changed the state
            return
        exit_ = future.result()
        if environment.state is State.REINIT and exit_.signal == signal.SIGSEGV:
            # Lambda reports a crash in Init as a time-out (LAMBDA.md 79); the log has the truth.
            environment.journal.fault(environment.request_id, faults.exited(exit_), 0)
            self.end(faults.timed_out(environment.target.timeout_s))
        else:
            self.end(faults.exited(exit_))

    def never_started(self, error: LambentError) -> None:
        """The host could not make it, or its restore failed: whoever waits is told."""
        environment = self._environment
        environment.metrics.count("environments.start_failed")
        code, arn = getattr(error, "code", type(error).__name__), environment.target.arn
        log.error("environment.start_failed", function=arn, code=code, error=str(error))
        environment.lose(error)

    # ── Init ─────────────────────────────────────────────────────────────────────────────────

    def _init_failed(self, fault: Fault) -> None:
        """Lambda says so in the log, and tries again inside the first invoke."""
        environment = self._environment
        environment.deadline.disarm()
        took_ms = environment.beginning.since_started_ms
        self.init_fault = self._as_said(fault)
        environment.journal.init_done(took_ms, self.init_fault)
        environment.spawn(self._end_failed_init())

    async def _end_failed_init(self) -> None:
        environment = self._environment
        try:
            await environment.processes.stop(self.reason)
        except (LambentError, OSError) as error:
            self.never_started(SandboxError(f"a failed Init could not be ended: {error}"))
            return
        if environment.state is State.INIT:
            environment.state = advance(environment.state, Event.INIT_FAILED)
            environment.initialised.set()
            environment.become_idle()

    def _init_failed_again(self, fault: Fault) -> None:
        """Inside an invoke: it is answered, and the next call gets a new environment."""
        environment = self._environment
        took_ms = environment.beginning.since_started_ms
        environment.journal.init_done(took_ms, self._as_said(fault), phase="invoke")
        environment.state = advance(environment.state, Event.BREAK)
        self._answer(fault)
        environment.lose(None)

    def _restore_failed(self, fault: Fault) -> None:
        """It did not come up; the caller is told, and nothing is tried again."""
        environment = self._environment
        environment.deadline.disarm()
        error: LambentError
        said = self._as_said(fault)
        if fault.status == "timeout":
            error = SnapStartTimeout(
                "Lambda couldn't restore the snapshot within the timeout limit."
            )
        else:
            error = SnapStartFailure(f"The afterRestore() runtime hook failed: {said.error_type}")
        environment.journal.restore_done(environment.beginning.since_started_ms, said)
        self.never_started(error)

    def _as_said(self, fault: Fault) -> Fault:
        """`fault`, under the name that the runtime itself gave it."""
        return faults.named(fault, faults.error_type(self._environment.beginning.document))

    # ── an invoke ────────────────────────────────────────────────────────────────────────────

    def _answer(self, fault: Fault) -> None:
        """The caller's answer when the runtime gave none, or only an Init error."""
        environment = self._environment
        runtime = environment.processes.runtime
        if runtime is not None:
            runtime.pipe.drain(partial=True)
        document = environment.beginning.document
        if document:
            fault = self._as_said(fault)
        else:
            request_id = environment.request_id
            document = fault.document(request_id)
            environment.journal.fault(request_id, fault, environment.target.timeout_s)
        environment.finish(Verdict(document, "Unhandled", fault.error_type, fault.status))
