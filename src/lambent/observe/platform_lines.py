"""START, END, REPORT and their kin, exactly as Lambda writes them into a function's log.

One `PlatformLines` per version target, with everything that does not change from invoke to invoke
already in bytes. In Text format the lines are LAMBDA.md 81's; in JSON format they are the
events of AWS's "JSON system logs" (`json_platform_lines`), filtered by the system log level. A
method returns None where Lambda writes nothing. The engine appends what they return to the
environment's `logs.LogStream`.
"""

from __future__ import annotations

from typing import Protocol

from lambent.control.targets import VersionTarget
from lambent.observe.json_platform_lines import JsonPlatformLines
from lambent.observe.moment import moment
from lambent.observe.report import Report, Status
from lambent.observe.trace_header import TraceHeader

MAX_ERROR_TYPE = 128


class PlatformLines(Protocol):
    """What the platform has to say in the course of an environment's life. Times are wall times."""

    def init_start(self, time_ms: int) -> bytes | None: ...

    def init_done(
        self,
        time_ms: int,
        init_ms: float,
        *,
        phase: str = "init",
        status: Status = "success",
        error_type: str = "",
    ) -> list[bytes]:
        """Init is over: a success is no news in Text format, a failure gives INIT_REPORT.

        `phase` is `init`, or `invoke` when Init ran again inside the first invoke.
        """
        ...

    def restore_start(self, time_ms: int) -> bytes | None: ...

    def restore_done(
        self, time_ms: int, restore_ms: float, status: Status = "success", error_type: str = ""
    ) -> list[bytes]: ...

    def start(
        self, time_ms: int, request_id: str, tenant_id: str = "", trace: str = ""
    ) -> bytes | None: ...

    def timed_out(self, time_ms: int, request_id: str, timeout_s: float) -> bytes | None: ...

    def exited(self, request_id: str, reason: str, error_type: str) -> bytes | None:
        """`reason` is `Runtime exited with error: exit status 1` or like it."""
        ...

    def extension(
        self, time_ms: int, name: str, state: str, events: tuple[str, ...], error: str
    ) -> bytes | None:
        """An extension at the end of Init; `error` is the error's type, or empty."""
        ...

    def end(self, time_ms: int, report: Report) -> bytes | None: ...

    def report(self, time_ms: int, report: Report) -> bytes | None: ...


def platform_lines(
    target: VersionTarget,
    *,
    runtime_version: str = "",
    initialization_type: str = "on-demand",
    instance_id: str = "",
) -> PlatformLines:
    """How this version's platform lines read; `runtime_version` as in `python:3.13.v10`."""
    if target.log_format == "JSON":
        return JsonPlatformLines(target, runtime_version, initialization_type, instance_id)
    return TextPlatformLines(target, runtime_version)


class TextPlatformLines:
    """The lines that people know."""

    __slots__ = ("_init_start", "_memory", "_start_tail", "_traced")

    def __init__(self, target: VersionTarget, runtime_version: str) -> None:
        self._start_tail = f" Version: {target.version}".encode()
        self._memory = f" ms\tMemory Size: {target.memory_mb} MB\tMax Memory Used: "
        self._traced = target.tracing_mode == "Active"
        self._init_start = None
        if runtime_version:
            line = f"INIT_START Runtime Version: {runtime_version}"
            if target.runtime_version_arn:
                line += f"\tRuntime Version ARN: {target.runtime_version_arn}"
            self._init_start = line.encode()

    def init_start(self, time_ms: int) -> bytes | None:  # noqa: ARG002  the JSON form tells it
        return self._init_start

    def init_done(
        self,
        time_ms: int,  # noqa: ARG002  the JSON form tells it
        init_ms: float,
        *,
        phase: str = "init",
        status: Status = "success",
        error_type: str = "",
    ) -> list[bytes]:
        if status == "success":
            return []
        line = f"INIT_REPORT Init Duration: {init_ms:.2f} ms\tPhase: {phase}\tStatus: {status}"
        if status == "error" and error_type:
            line += f"\tError Type: {one_word(error_type)}"
        return [line.encode()]

    def restore_start(self, time_ms: int) -> bytes | None:  # noqa: ARG002
        line = self._init_start
        return None if line is None else line.replace(b"INIT_START", b"RESTORE_START", 1)

    def restore_done(
        self,
        time_ms: int,  # noqa: ARG002  the JSON form tells it
        restore_ms: float,
        status: Status = "success",
        error_type: str = "",
    ) -> list[bytes]:
        line = f"RESTORE_REPORT Restore Duration: {restore_ms:.2f} ms"
        if status != "success":
            line += f"\tStatus: {status}"
        if status == "error" and error_type:
            line += f"\tError Type: {one_word(error_type)}"
        return [line.encode()]

    def start(
        self,
        time_ms: int,  # noqa: ARG002  the JSON form tells it, and the two below
        request_id: str,
        tenant_id: str = "",  # noqa: ARG002
        trace: str = "",  # noqa: ARG002
    ) -> bytes | None:
        return b"START RequestId: " + request_id.encode() + self._start_tail

    def timed_out(self, time_ms: int, request_id: str, timeout_s: float) -> bytes | None:
        # Lambda's event ends with a blank line.
        return f"{moment(time_ms)} {request_id} Task timed out after {timeout_s:.2f} seconds\n".encode()

    def exited(self, request_id: str, reason: str, error_type: str) -> bytes | None:
        return f"RequestId: {request_id} Error: {reason}\n{one_word(error_type)}".encode()

    def extension(
        self,
        time_ms: int,  # noqa: ARG002  the JSON form tells it
        name: str,
        state: str,
        events: tuple[str, ...],
        error: str,
    ) -> bytes | None:
        line = f"EXTENSION\tName: {one_word(name)}\tState: {state}\tEvents: [{','.join(events)}]"
        return (line + (f"\tError Type: {error}" if error else "")).encode()

    def end(self, time_ms: int, report: Report) -> bytes | None:  # noqa: ARG002
        return b"END RequestId: " + report.request_id.encode()

    def report(self, time_ms: int, report: Report) -> bytes | None:  # noqa: ARG002
        line = (
            f"REPORT RequestId: {report.request_id}\tDuration: {report.duration_ms:.2f} ms"
            f"\tBilled Duration: {report.billed_ms}{self._memory}{report.used_mb} MB\t"
        )
        if report.init_ms is not None:
            line += f"Init Duration: {report.init_ms:.2f} ms\t"
        if report.restore_ms is not None:
            line += f"Restore Duration: {report.restore_ms:.2f} ms\t"
            if report.billed_restore_ms is not None:
                line += f"Billed Restore Duration: {report.billed_restore_ms} ms\t"
        if report.status != "success":
            # Unlike every field before, the status has no tab after it.
            line += f"Status: {report.status}"
            if report.error_type and report.status == "error":
                line += f"\tError Type: {one_word(report.error_type)}"
        if self._traced and report.trace:
            line += _xray(report.trace)
        return line.encode()


def _xray(header: str) -> str:
    trace = TraceHeader.parse(header)
    if not trace.sampled:
        return ""
    return f"\nXRAY TraceId: {trace.root}\tSegmentId: {trace.parent}\tSampled: true\t"


def one_word(error_type: str) -> str:
    """An error type may come from the function: one line, no tabs, not endless."""
    return "".join(c if c.isprintable() else "?" for c in error_type[:MAX_ERROR_TYPE])
