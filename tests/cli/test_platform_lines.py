"""Which lines tell of a failure, and whose they are, in both formats."""

import json

import pytest

from lambent.cli.platform_lines import is_error, parse
from lambent.cli.request_lines import of_request
from lambent.delivery.log_events import Event

A, B = "8f5d5e8c-3c64-4b7a-9d0c-5a1d1b8a2f61", "00000000-1111-4222-8333-444444444444"


def platform(kind: str, **record: object) -> str:
    return json.dumps({"time": "t", "type": f"platform.{kind}", "record": record})


@pytest.mark.parametrize(
    "line",
    [
        "[ERROR] ValueError: x\nTraceback (most recent call last):",
        "[ERROR]\t2026-11-21T00:00:00.000Z\tid\tmessage",
        "[CRITICAL]\t2026-11-21T00:00:00.000Z\tid\tmessage",
        f"2026-11-21T00:00:00.000Z\t{A}\tERROR\tmessage",
        f"2026-11-21T00:00:00.000Z {A} Task timed out after 3.00 seconds\n\n",
        f"RequestId: {A} Error: Runtime exited with error: exit status 1\nRuntime.ExitError",
        f"REPORT RequestId: {A}\tDuration: 3.00 ms\tStatus: timeout",
        "INIT_REPORT Init Duration: 3.00 ms\tPhase: init\tStatus: error\tError Type: X",
        "Traceback (most recent call last):",
        '{"level": "error", "message": "x"}',
        platform("report", requestId=A, status="failure"),
    ],
)
def test_failures(line: str) -> None:
    assert is_error(line)


@pytest.mark.parametrize(
    "line",
    [
        "an ERROR in the middle of a line is the function's own word",
        f"START RequestId: {A} Version: 1",
        f"REPORT RequestId: {A}\tDuration: 3.00 ms\tMax Memory Used: 61 MB\t",
        "[WARNING]\tx",
        '{"level": "INFO", "message": "ERROR"}',
        '{"status": "error"}',
        '{"level": "ERROR"',
        "[1, 2]",
        platform("report", requestId=A, status="success"),
    ],
)
def test_what_is_none(line: str) -> None:
    assert not is_error(line)


def test_lines_of_the_platform() -> None:
    assert parse(f"START RequestId: {A} Version: 1") == ("START", A)
    assert parse(f"END RequestId: {A}") == ("END", A)
    assert parse("INIT_START Runtime Version: x") == ("INIT_START", "")
    assert parse(platform("report", requestId=A)) == ("REPORT", A)
    assert parse("STARTING RequestId") is None
    assert parse('{"type": "platform.start"') is None


def lines(*messages: tuple[str, str]) -> list[Event]:
    return [Event(n, stream, message) for n, (stream, message) in enumerate(messages)]


def test_streams_are_told_apart_and_init_belongs_to_the_first_request() -> None:
    log = lines(
        ("s", "INIT_START Runtime Version: x"), ("t", "INIT_START Runtime Version: x"),
        ("s", "loading"), ("t", "loading t"),
        ("s", f"START RequestId: {A} Version: 1"), ("t", f"START RequestId: {B} Version: 1"),
        ("s", "mine"), ("t", "not mine"), ("s", f"speaks of {B}"), ("t", f"speaks of {A}"),
        ("s", f"END RequestId: {A}"), ("s", f"REPORT RequestId: {A}\tDuration: 1.00 ms"),
        ("s", "between"), ("s", f"START RequestId: {B} Version: 1"), ("s", "later"),
    )  # fmt: skip
    found = list(of_request(log, A[:8]))
    assert {event.stream for event in found} == {"s"}
    assert [event.message.split()[0] for event in found] == [
        "INIT_START", "loading", "START", "mine", "speaks", "END", "REPORT",
    ]  # fmt: skip
    assert [event.message for event in of_request(log, B)][-3:] == [
        "between", f"START RequestId: {B} Version: 1", "later",
    ]  # fmt: skip


def test_without_start_only_what_names_the_request_is_its() -> None:
    log = lines(
        ("s", json.dumps({"requestId": A, "message": "mine"})), ("s", '{"message": "whose?"}'),
        ("s", platform("report", requestId=A, status="error")),
    )  # fmt: skip
    assert [event.time for event in of_request(log, A)] == [0, 2]
