"""What one environment writes: its function's output and the platform's lines, in one log stream.

Also keeps the tail of the running invoke for callers that asked for it (`LogType=Tail`). It is
given each fact once and knows the order: START, output, END, REPORT.
"""

from __future__ import annotations

from dataclasses import replace

from lambent.clock import Clock
from lambent.control.targets import VersionTarget
from lambent.engine.call import Call
from lambent.engine.faults import Fault
from lambent.engine.telemetry import Telemetry
from lambent.observe.json_platform_lines import JsonPlatformLines
from lambent.observe.log_name import new_stream_name
from lambent.observe.logs import LogStore
from lambent.observe.platform_lines import platform_lines
from lambent.observe.report import Report, Status
from lambent.observe.tail import LogTail


class Journal:
    """The log of one environment."""

    __slots__ = (
        "_clock",
        "_events",
        "_initialization",
        "_last_ms",
        "_lines",
        "_stream",
        "_tail",
        "_target",
        "stream_name",
        "telemetry",
    )

    def __init__(
        self, target: VersionTarget, logs: LogStore, clock: Clock, initialization: str
    ) -> None:
        """`initialization`: what AWS_LAMBDA_INITIALIZATION_TYPE says there."""
        self._clock = clock
        self._initialization = initialization
        self._target = target
        self.telemetry: Telemetry | None = None
        """Set when extensions may want to hear of everything."""
        self._events: JsonPlatformLines | None = None
        self.stream_name = new_stream_name(clock.time_ms(), target.version)
        self._lines = platform_lines(
            target,
            runtime_version=target.runtime or "",
            initialization_type=initialization,
            instance_id=self.stream_name,
        )
        self._stream = logs.open(target.account, target.region, target.log_group, self.stream_name)
        self._tail: LogTail | None = None
        self._last_ms = 0

    def on_message(self, time_us: int | None, message: bytes) -> None:
        """One event of the function's output, with its own time if it has one."""
        now = self._clock.time_ms()
        time_ms = now if time_us is None else min(now, time_us // 1000)
        self._append(time_ms, message)
        if self.telemetry is not None:
            structured = self._target.log_format == "JSON"
            self.telemetry.output("function", time_ms, message, structured=structured)

    def on_extension_message(self, time_us: int | None, message: bytes) -> None:
        """The same of an extension; it stands in the same log stream."""
        now = self._clock.time_ms()
        time_ms = now if time_us is None else min(now, time_us // 1000)
        self._append(time_ms, message)
        if self.telemetry is not None:
            self.telemetry.output("extension", time_ms, message, structured=False)

    @property
    def tailing(self) -> bool:
        """Whether the running invoke's caller waits for the end of the log."""
        return self._tail is not None

    def _platform(self) -> JsonPlatformLines:
        """What telemetry says of the platform: all of it, whatever the log's format and level."""
        if self._events is None:
            told = replace(self._target, log_format="JSON", system_log_level="DEBUG")
            self._events = JsonPlatformLines(
                told, self._target.runtime or "", self._initialization, self.stream_name
            )
        return self._events

    def _tell(self, name: str, *events: bytes | None) -> None:
        if self.telemetry is not None:
            for event in events:
                if event is not None:
                    self.telemetry.add("platform", event, name)

    def extension(self, name: str, state: str, events: tuple[str, ...], error: str) -> None:
        """Init is over for one extension, well or not."""
        now = self._clock.time_ms()
        self._append(now, self._lines.extension(now, name, state, events, error))
        if self.telemetry is not None:
            told = self._platform().extension(now, name, state, events, error)
            self._tell("platform.extension", told)

    def init_started(self) -> None:
        now = self._clock.time_ms()
        self._append(now, self._lines.init_start(now))
        if self.telemetry is not None:
            self._tell("platform.initStart", self._platform().init_start(now))

    def init_done(self, init_ms: float, fault: Fault | None = None, *, phase: str = "init") -> None:
        now = self._clock.time_ms()
        status: Status = "success" if fault is None else fault.status
        error = fault.error_type if fault else ""
        for line in self._lines.init_done(
            now, init_ms, phase=phase, status=status, error_type=error
        ):
            self._append(now, line)
        if self.telemetry is not None:
            told = self._platform().init_done(
                now, init_ms, phase=phase, status=status, error_type=error
            )
            self._tell("platform.initReport", *told)

    def init_is_over(self) -> None:
        """Nobody subscribes to telemetry from here on."""
        if self.telemetry is not None and not self.telemetry.init_over():
            self.telemetry = None

    def restore_started(self) -> None:
        now = self._clock.time_ms()
        self._append(now, self._lines.restore_start(now))
        if self.telemetry is not None:
            self._tell("platform.restoreStart", self._platform().restore_start(now))

    def restore_done(self, restore_ms: float, fault: Fault | None = None) -> None:
        now = self._clock.time_ms()
        status: Status = "success" if fault is None else fault.status
        error = fault.error_type if fault else ""
        for line in self._lines.restore_done(now, restore_ms, status, error):
            self._append(now, line)
        if self.telemetry is not None:
            told = self._platform().restore_done(now, restore_ms, status, error)
            self._tell("platform.restoreReport", *told)

    def started(self, call: Call, now_ms: int) -> None:
        self._tail = call.tail
        invocation = call.invocation
        line = self._lines.start(now_ms, invocation.request_id, invocation.tenant_id, call.trace)
        self._append(now_ms, line)
        if self.telemetry is not None:
            told = self._platform().start(
                now_ms, invocation.request_id, invocation.tenant_id, call.trace
            )
            self._tell("platform.start", told)

    def fault(self, request_id: str, fault: Fault, timeout_s: float) -> None:
        """The platform ended the invoke, or the runtime did."""
        now = self._clock.time_ms()
        if fault.status == "timeout":
            self._append(now, self._lines.timed_out(now, request_id, timeout_s))
        else:
            self._append(now, self._lines.exited(request_id, fault.message, fault.error_type))

    def runtime_done(self, report: Report) -> None:
        """The runtime has answered; extensions may take longer, and want to know that it has."""
        if self.telemetry is not None:
            now = self._clock.time_ms()
            self._tell("platform.runtimeDone", self._platform().end(now, report))

    def ended(self, report: Report) -> None:
        now = self._clock.time_ms()
        if self.telemetry is not None:
            self.telemetry.platform(now, "end", {"requestId": report.request_id})
            self._tell("platform.report", self._platform().report(now, report))
        lines = self._lines
        self._append(now, lines.end(now, report))
        self._append(now, lines.report(now, report))
        self._tail = None

    def _append(self, time_ms: int, line: bytes | None) -> None:
        if line is None:  # the log's format or level leaves it out
            return
        # Readers sort by time; what was written later must not seem earlier.
        self._last_ms = max(self._last_ms, time_ms)
        self._stream.append(self._last_ms, line)
        if self._tail is not None:
            self._tail.append(line)
