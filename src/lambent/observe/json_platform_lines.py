"""The platform's events in JSON format: `{"time": …, "type": "platform.report", "record": {…}}`.

Which event has which level is the table in the Lambda developer guide ("System log level event
mapping"); a version's SystemLogLevel (INFO unless set) leaves out what lies below. These lines
stand in for the text ones one to one, with `runtimeDone` where Text has END.
"""

from __future__ import annotations

from typing import Final

import msgspec

from lambent.control.targets import VersionTarget
from lambent.observe.moment import moment
from lambent.observe.report import Report, Status

LEVELS: Final = {"DEBUG": 0, "INFO": 1, "WARN": 2}

_encode = msgspec.json.Encoder().encode


class JsonPlatformLines:
    """`platform_lines.PlatformLines` for functions with LogFormat JSON."""

    __slots__ = (
        "_debug",
        "_function",
        "_info",
        "_initialization_type",
        "_instance",
        "_memory",
        "_runtime_version",
        "_runtime_version_arn",
        "_traced",
        "_version",
    )

    def __init__(
        self,
        target: VersionTarget,
        runtime_version: str,
        initialization_type: str,
        instance_id: str = "",
    ) -> None:
        """`instance_id` is the log stream's name; empty leaves the instance's facts out."""
        level = LEVELS[target.system_log_level or "INFO"]
        self._debug = level <= LEVELS["DEBUG"]
        self._info = level <= LEVELS["INFO"]
        self._function = target.function_name
        self._version = target.version
        self._memory = f',"memorySizeMB":{target.memory_mb},"maxMemoryUsedMB":'
        self._traced = target.tracing_mode == "Active"
        self._runtime_version = runtime_version
        self._runtime_version_arn = target.runtime_version_arn
        self._initialization_type = initialization_type
        self._instance: dict[str, object] = (
            {"instanceId": instance_id, "instanceMaxMemory": target.memory_mb << 20}
            if instance_id
            else {}
        )

    def init_start(self, time_ms: int) -> bytes | None:
        if not (self._info if self._runtime_version else self._debug):
            return None
        record: dict[str, object] = {
            "initializationType": self._initialization_type,
            "phase": "init",
        }
        if self._runtime_version:
            record["runtimeVersion"] = self._runtime_version
            record["runtimeVersionArn"] = self._runtime_version_arn
        record["functionName"] = self._function
        record["functionVersion"] = self._version
        return _event(time_ms, "initStart", record | self._instance)

    def init_done(
        self,
        time_ms: int,
        init_ms: float,
        *,
        phase: str = "init",
        status: Status = "success",
        error_type: str = "",
    ) -> list[bytes]:
        """Two events, initRuntimeDone and initReport; of an on-demand success only DEBUG wants to know."""
        events: list[bytes] = []
        record: dict[str, object] = {
            "initializationType": self._initialization_type,
            "phase": phase,
            "status": status,
        }
        if error_type:
            record["errorType"] = error_type
        failed = status != "success"
        if failed or self._debug:
            events.append(_event(time_ms, "initRuntimeDone", record))
        on_demand = self._initialization_type == "on-demand"
        if failed or (self._debug if on_demand else self._info):
            record["metrics"] = {"durationMs": round(init_ms, 3)}
            events.append(_event(time_ms, "initReport", record))
        return events

    def restore_start(self, time_ms: int) -> bytes | None:
        if not self._info:
            return None
        record = {
            "runtimeVersion": self._runtime_version,
            "runtimeVersionArn": self._runtime_version_arn,
            "functionName": self._function,
            "functionVersion": self._version,
        }
        return _event(time_ms, "restoreStart", record | self._instance)

    def restore_done(
        self, time_ms: int, restore_ms: float, status: Status = "success", error_type: str = ""
    ) -> list[bytes]:
        if not self._info:
            return []
        record: dict[str, object] = {"status": status}
        if error_type:
            record["errorType"] = error_type
        events = [_event(time_ms, "restoreRuntimeDone", record)] if self._debug else []
        record["metrics"] = {"durationMs": round(restore_ms, 3)}
        return [*events, _event(time_ms, "restoreReport", record)]

    def start(
        self, time_ms: int, request_id: str, tenant_id: str = "", trace: str = ""
    ) -> bytes | None:
        if not self._info:
            return None
        traced = self._traced and bool(trace)
        if tenant_id or traced:
            record: dict[str, object] = {"requestId": request_id, "version": self._version}
            if tenant_id:
                record["tenantId"] = tenant_id
            if traced:
                record["tracing"] = _tracing(trace)
            return _event(time_ms, "start", record)
        return (
            f'{{"time":"{moment(time_ms)}","type":"platform.start","record":'
            f'{{"requestId":"{request_id}","version":"{self._version}"}}}}'
        ).encode()

    def timed_out(self, time_ms: int, request_id: str, timeout_s: float) -> bytes | None:  # noqa: ARG002
        return None  # runtimeDone and report say `timeout`

    def exited(self, request_id: str, reason: str, error_type: str) -> bytes | None:  # noqa: ARG002
        return None  # runtimeDone and report carry the error type

    def extension(
        self, time_ms: int, name: str, state: str, events: tuple[str, ...], error: str
    ) -> bytes | None:
        if not (self._info or error):
            return None
        record: dict[str, object] = {"name": name, "state": state, "events": events}
        if error:
            record["errorType"] = error
        return _event(time_ms, "extension", record)

    def end(self, time_ms: int, report: Report) -> bytes | None:
        if not (self._debug or report.status != "success"):
            return None
        record = _outcome(report)
        if self._traced and report.trace:
            record["tracing"] = _tracing(report.trace)
        record["spans"] = _spans(time_ms, report)
        metrics: dict[str, object] = {"durationMs": round(report.duration_ms, 3)}
        if report.produced_bytes is not None:
            metrics["producedBytes"] = report.produced_bytes
        record["metrics"] = metrics
        return _event(time_ms, "runtimeDone", record)

    def report(self, time_ms: int, report: Report) -> bytes | None:
        if report.status == "success" and not self._info:
            return None
        more = ""
        if report.init_ms is not None:
            more += f',"initDurationMs":{report.init_ms:.3f}'
        if report.restore_ms is not None:
            more += f',"restoreDurationMs":{report.restore_ms:.3f}'
            if report.billed_restore_ms is not None:
                more += f',"billedRestoreDurationMs":{report.billed_restore_ms}'
        more += "}"
        if report.error_type and report.status != "success":
            more += f',"errorType":{_encode(report.error_type).decode()}'
        if self._traced and report.trace:
            more += f',"tracing":{_encode(_tracing(report.trace)).decode()}'
        return (
            f'{{"time":"{moment(time_ms)}","type":"platform.report","record":'
            f'{{"requestId":"{report.request_id}","status":"{report.status}",'
            f'"metrics":{{"durationMs":{report.duration_ms:.3f},'
            f'"billedDurationMs":{report.billed_ms}{self._memory}{report.used_mb}{more}}}}}'
        ).encode()


def _outcome(report: Report) -> dict[str, object]:
    record: dict[str, object] = {"requestId": report.request_id, "status": report.status}
    if report.error_type and report.status != "success":
        record["errorType"] = report.error_type
    return record


def _spans(time_ms: int, report: Report) -> list[dict[str, object]]:
    """How long until the answer began, and until all of it was there."""
    whole = report.duration_ms
    first = whole if report.latency_ms is None else min(report.latency_ms, whole)
    began = time_ms - whole
    return [
        _span("responseLatency", began, first),
        _span("responseDuration", began + first, whole - first),
    ]


def _span(name: str, start_ms: float, duration_ms: float) -> dict[str, object]:
    return {"name": name, "start": moment(round(start_ms)), "durationMs": round(duration_ms, 3)}


def _tracing(header: str) -> dict[str, str]:
    return {"type": "X-Amzn-Trace-Id", "value": header}


def _event(time_ms: int, name: str, record: object) -> bytes:
    return _encode({"time": moment(time_ms), "type": f"platform.{name}", "record": record})
