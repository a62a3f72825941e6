"""What an environment does for its extensions: it waits for them, and tells of them in its log.

The environment is ready, or free for its next invoke, only when every extension waits for its next
event; REPORT is held back as long, for their time counts. Without extensions nothing here is called
but for one test.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from lambent.cost.billing import billed_ms
from lambent.engine.faults import Fault
from lambent.engine.states import State
from lambent.observe.report import Report

if TYPE_CHECKING:
    from lambent.engine.environment import Environment


INITIALISING: Final = frozenset({State.INIT, State.RESTORING, State.REINIT})


class Waits(enum.Enum):
    """What the runtime has done, and the extensions have not: it counts once they have."""

    NOTHING = enum.auto()
    READY = enum.auto()
    NEXT = enum.auto()


class Companions:
    """The extensions of one environment, as its life sees them."""

    __slots__ = ("_environment", "_held", "_waits")

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._waits = Waits.NOTHING
        self._held: tuple[Report, float] | None = None
        """A report that waits for the extensions, and when its invoke began."""

    def expect_nothing(self) -> None:
        """A new runtime starts."""
        self._waits = Waits.NOTHING

    def hold_back_ready(self) -> bool:
        """Whether the end of Init has to wait for them."""
        extensions = self._environment.processes.extensions
        if extensions is None or extensions.settled:
            return False
        self._waits = Waits.READY
        return True

    def hold_back_next(self) -> None:
        """The runtime asks for its next invoke before they do."""
        self._waits = Waits.NEXT

    def settled(self) -> None:
        """All of them wait for their next event."""
        environment = self._environment
        if self._held is not None:
            self._report_held()
        waits, self._waits = self._waits, Waits.NOTHING
        if waits is Waits.READY and environment.state in INITIALISING:
            environment.on_ready()
        elif waits is Waits.NEXT and environment.state is State.RETURNING:
            environment.on_next()

    # ── the log ──────────────────────────────────────────────────────────────────────────────

    def close_registration(self) -> None:
        """Init is over: who has not registered or subscribed by now does not."""
        extensions = self._environment.processes.extensions
        if extensions is not None:
            extensions.open_for_registration = False
            self.tell()

    def tell(self, error: str = "") -> None:
        """One line for each, where Lambda writes it: at the end of Init."""
        extensions = self._environment.processes.extensions
        if extensions is not None:
            for member in extensions.members.values():
                failed = error if member.phase.value.endswith(("Error", "Exited")) else ""
                self._environment.journal.extension(
                    member.name, member.phase.value, member.events, failed
                )

    def report(self, report: Report, started: float) -> None:
        """The runtime has answered the invoke that began at `started`."""
        environment = self._environment
        journal, extensions = environment.journal, environment.processes.extensions
        journal.runtime_done(report)
        settled = extensions is None or extensions.settled
        if settled or journal.tailing or environment.state is not State.RETURNING:
            journal.ended(report)
        else:
            self._held = report, started

    def fail_held(self, fault: Fault) -> None:
        """The runtime had answered; then it, or one of them, failed."""
        if self._held is not None:
            environment = self._environment
            timeout_s = environment.target.timeout_s
            environment.journal.fault(self._held[0].request_id, fault, timeout_s)
            self._report_held(fault)

    def _report_held(self, fault: Fault | None = None) -> None:
        """REPORT, for which the extensions were waited for: they count as time of the invoke."""
        assert self._held is not None
        report, started = self._held
        self._held = None
        duration_ms = (self._environment.clock.monotonic() - started) * 1000
        self._environment.journal.ended(
            replace(
                report,
                duration_ms=duration_ms,
                billed_ms=billed_ms(duration_ms, report.init_ms),
                status=report.status if fault is None else fault.status,
                error_type=fault.error_type if fault else report.error_type,
            )
        )
