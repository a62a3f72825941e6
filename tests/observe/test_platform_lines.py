"""The lines as AWS prints them (LAMBDA.md 81; the developer guide's JSON system logs)."""

import json
import re
from pathlib import Path

import pytest

from lambent.control.targets import VersionTarget
from lambent.observe.platform_lines import platform_lines
from lambent.observe.report import Report

RID = "8f507cfc-e7f6-4d3b-8a77-7c8b8b5b5b5b"
NOW = 1_700_000_000_123
NOW_TEXT = "2023-11-14T22:13:20.123Z"
BEGAN_TEXT = "2023-11-14T22:13:20.122Z"
TRACE = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"


def target(**more):
    return VersionTarget(
        account="123456789012",
        region="us-east-1",
        function_name="f",
        version="$LATEST",
        function_arn="arn:aws:lambda:us-east-1:123456789012:function:f",
        generation="g",
        runtime="python3.13",
        handler="app.handler",
        architecture="x86_64",
        code_path=Path("/nowhere"),
        layer_paths=(),
        environment={},
        memory_mb=128,
        timeout_s=3,
        ephemeral_mb=512,
        role_arn="",
        log_group="/aws/lambda/f",
        **more,
    )


def report(**more):
    return Report(RID, more.pop("duration_ms", 1.2345), 2, 128, 33, **more)


def text(**more):
    return platform_lines(target(**more), runtime_version="python:3.13.v10")


def test_a_warm_invoke():
    lines = text()
    assert lines.start(NOW, RID) == f"START RequestId: {RID} Version: $LATEST".encode()
    assert lines.end(NOW, report()) == f"END RequestId: {RID}".encode()
    assert (
        lines.report(NOW, report())
        == (
            f"REPORT RequestId: {RID}\tDuration: 1.23 ms\tBilled Duration: 2 ms\t"
            "Memory Size: 128 MB\tMax Memory Used: 33 MB\t"
        ).encode()
    )


def test_a_cold_start_and_a_restored_one():
    cold = text().report(NOW, report(init_ms=231.0)).decode()
    assert cold.endswith("\tMax Memory Used: 33 MB\tInit Duration: 231.00 ms\t")
    restored = text().report(NOW, report(restore_ms=273.756, billed_restore_ms=200)).decode()
    assert restored.endswith(
        "\tMax Memory Used: 33 MB\tRestore Duration: 273.76 ms\tBilled Restore Duration: 200 ms\t"
    )


def test_bad_ends():
    lines = text()
    assert lines.report(NOW, report(status="timeout")).endswith(b"33 MB\tStatus: timeout")
    crashed = report(init_ms=1.0, status="error", error_type="Runtime.ExitError")
    assert lines.report(NOW, crashed).endswith(
        b"\tInit Duration: 1.00 ms\tStatus: error\tError Type: Runtime.ExitError"
    )
    timed_out = lines.timed_out(NOW, RID, 1).decode()
    assert timed_out == f"{NOW_TEXT} {RID} Task timed out after 1.00 seconds\n"
    exited = lines.exited(RID, "Runtime exited with error: exit status 1", "Runtime.ExitError")
    assert exited.decode() == (
        f"RequestId: {RID} Error: Runtime exited with error: exit status 1\nRuntime.ExitError"
    )


def test_init():
    assert text().init_start(NOW) == b"INIT_START Runtime Version: python:3.13.v10"
    arn = "arn:aws:lambda:us-east-1::runtime:abc"
    with_arn = text(runtime_version_arn=arn).init_start(NOW).decode()
    assert with_arn == f"INIT_START Runtime Version: python:3.13.v10\tRuntime Version ARN: {arn}"
    assert platform_lines(target()).init_start(NOW) is None
    assert text().init_done(NOW, 12.3) == []
    assert text().init_done(NOW, 12.341, status="timeout", phase="invoke") == [
        b"INIT_REPORT Init Duration: 12.34 ms\tPhase: invoke\tStatus: timeout"
    ]
    assert text().init_done(
        NOW, 12.341, status="error", error_type="Runtime.ImportModuleError"
    ) == [
        b"INIT_REPORT Init Duration: 12.34 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError"
    ]


def test_an_xray_line_only_when_active_and_sampled():
    active = text(tracing_mode="Active")
    assert (
        active.report(NOW, report(trace=TRACE))
        .decode()
        .endswith(
            "33 MB\t\nXRAY TraceId: 1-5bef4de7-ad49b0e87f6ef6c87fc2e700\t"
            "SegmentId: 9a9197af755a6419\tSampled: true\t"
        )
    )
    for lines, trace in (
        (active, TRACE.replace("Sampled=1", "Sampled=0")),
        (active, "garbage"),
        (active, "Root=1\nREPORT;Sampled=1"),
        (active, ""),
        (text(), TRACE),
    ):
        assert b"XRAY" not in lines.report(NOW, report(trace=trace))


def test_a_function_cannot_forge_lines_through_its_error_type():
    forged = "X\nREPORT RequestId: 1\tDuration: 0.00 ms" + "A" * 1000
    line = text().report(NOW, report(status="error", error_type=forged)).decode()
    assert "\n" not in line
    assert len(line) < 400
    assert text().exited(RID, "r", forged).count(b"\n") == 1


def events(lines):
    return [json.loads(line) for line in lines if line is not None]


def whole_life(lines, status="success", error_type=""):
    done = report(init_ms=10.5, status=status, error_type=error_type, produced_bytes=4, trace=TRACE)
    return events(
        [
            lines.init_start(NOW),
            *lines.init_done(NOW, 10.5),
            lines.start(NOW, RID),
            lines.timed_out(NOW, RID, 3.0),
            lines.exited(RID, "x", "y"),
            lines.end(NOW, done),
            lines.report(NOW, done),
        ]
    )


def json_lines(level=None, **more):
    found = target(log_format="JSON", system_log_level=level, **more)
    return platform_lines(found, runtime_version="python:3.13.v10")


def test_a_streamed_answer_begins_before_it_is_whole():
    (done,) = events([json_lines("DEBUG").end(NOW, report(latency_ms=0.25))])
    spans = {one["name"]: one["durationMs"] for one in done["record"]["spans"]}
    assert spans == {"responseLatency": 0.25, "responseDuration": 0.984}


def test_an_instance_is_named_where_it_is_known():
    found = target(log_format="JSON", system_log_level="DEBUG", tracing_mode="Active")
    lines = platform_lines(
        found, runtime_version="v", initialization_type="snap-start", instance_id="a/b"
    )
    for line in (lines.init_start(NOW), lines.restore_start(NOW)):
        record = json.loads(line)["record"]
        assert (record["instanceId"], record["instanceMaxMemory"]) == ("a/b", 128 << 20)
    assert json.loads(lines.init_start(NOW))["record"]["initializationType"] == "snap-start"
    started = json.loads(lines.start(NOW, RID, "", TRACE))["record"]
    assert started["tracing"] == {"type": "X-Amzn-Trace-Id", "value": TRACE}


def test_json_at_debug_has_everything():
    life = whole_life(json_lines("DEBUG", tracing_mode="Active"))
    assert [event["type"].removeprefix("platform.") for event in life] == [
        "initStart",
        "initRuntimeDone",
        "initReport",
        "start",
        "runtimeDone",
        "report",
    ]
    assert all(event["time"] == NOW_TEXT for event in life)
    records = {event["type"].removeprefix("platform."): event["record"] for event in life}
    tracing = {"type": "X-Amzn-Trace-Id", "value": TRACE}
    assert records["initStart"] == {
        "initializationType": "on-demand",
        "phase": "init",
        "runtimeVersion": "python:3.13.v10",
        "runtimeVersionArn": "",
        "functionName": "f",
        "functionVersion": "$LATEST",
    }
    assert records["initReport"] == {
        "initializationType": "on-demand",
        "phase": "init",
        "status": "success",
        "metrics": {"durationMs": 10.5},
    }
    assert records["start"] == {"requestId": RID, "version": "$LATEST"}
    assert records["runtimeDone"] == {
        "requestId": RID,
        "status": "success",
        "tracing": tracing,
        "spans": [
            {"name": "responseLatency", "start": BEGAN_TEXT, "durationMs": 1.234},
            {"name": "responseDuration", "start": NOW_TEXT, "durationMs": 0.0},
        ],
        "metrics": {"durationMs": 1.234, "producedBytes": 4},
    }
    assert records["report"] == {
        "requestId": RID,
        "status": "success",
        "metrics": {
            "durationMs": 1.234,
            "billedDurationMs": 2,
            "memorySizeMB": 128,
            "maxMemoryUsedMB": 33,
            "initDurationMs": 10.5,
        },
        "tracing": tracing,
    }


@pytest.mark.parametrize(
    ("level", "status", "types"),
    [
        (None, "success", ["initStart", "start", "report"]),
        ("INFO", "success", ["initStart", "start", "report"]),
        ("WARN", "success", []),
        ("INFO", "error", ["initStart", "start", "runtimeDone", "report"]),
        ("WARN", "error", ["runtimeDone", "report"]),
        ("WARN", "timeout", ["runtimeDone", "report"]),
    ],
)
def test_the_system_log_level_filters(level, status, types):
    life = whole_life(json_lines(level), status, "Runtime.ExitError" if status == "error" else "")
    assert [event["type"].removeprefix("platform.") for event in life] == types
    for event in life[-2:]:
        if status == "error" and event["type"] in ("platform.runtimeDone", "platform.report"):
            assert event["record"]["errorType"] == "Runtime.ExitError"


def test_json_restore_and_hostile_error_type():
    lines = json_lines()
    done = report(
        restore_ms=1.5, billed_restore_ms=2, status="error", error_type='"}\n{"evil":1', trace=""
    )
    line = lines.report(NOW, done)
    assert b"\n" not in line
    record = json.loads(line)["record"]
    assert record["errorType"] == '"}\n{"evil":1'
    assert record["metrics"]["restoreDurationMs"] == 1.5
    assert record["metrics"]["billedRestoreDurationMs"] == 2


def test_json_init_failure_is_a_warning():
    failed = json_lines("WARN").init_done(NOW, 5.0, status="error", error_type="Runtime.Unknown")
    assert [event["type"] for event in events(failed)] == [
        "platform.initRuntimeDone",
        "platform.initReport",
    ]
    assert events(failed)[1]["record"]["errorType"] == "Runtime.Unknown"


def test_times_are_told_to_the_millisecond():
    lines = json_lines()
    for ms in (0, 1, 999, 1000, 1001, 59_999, NOW, NOW + 877, NOW):
        moment = json.loads(lines.start(ms, RID))["time"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment)
        from datetime import datetime

        assert round(datetime.fromisoformat(moment).timestamp() * 1000) == ms


def test_a_tenants_start_names_the_tenant_in_json_only():
    lines = platform_lines(target(log_format="JSON"), runtime_version="v")
    record = json.loads(lines.start(NOW, RID, "blue"))["record"]
    assert record == {"requestId": RID, "version": "$LATEST", "tenantId": "blue"}
    text = platform_lines(target(), runtime_version="v").start(NOW, RID, "blue")
    assert text.rstrip() == f"START RequestId: {RID} Version: $LATEST".encode()
