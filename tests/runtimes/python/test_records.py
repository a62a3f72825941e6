"""Logging as on Lambda: text and JSON, levels, one event per record, the order kept."""

from __future__ import annotations

import json
import re

import pytest

LOGS = """
import logging, sys
log = logging.getLogger("mine")
def handler(event, context):
    scope = dict(globals())
    exec(event, scope)
"""
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def test_text(start, runtime):
    process = start(LOGS, runtime).ready()
    process.invoke("log.info('hidden'); log.warning('w %s', 1); logging.error('two\\nlines')")
    first, second = process.events()
    assert re.fullmatch(rf"\[WARNING\]\t{STAMP}\t[0-9-]{{36}}\tw 1", first)
    assert re.fullmatch(rf"\[ERROR\]\t{STAMP}\t[0-9-]{{36}}\ttwo\nlines", second)


def test_request_id_is_the_invoke_s_and_empty_in_init(start, runtime):
    process = start("import logging\nlogging.warning('init')\n" + LOGS, runtime).ready()
    process.invoke("log.error('x')", request_id="id-1")
    process.invoke("log.error('x')", request_id="id-2")
    assert [event.split("\t")[2] for event in process.events()] == ["", "id-1", "id-2"]


def test_levels_by_the_function_and_its_formatter(start, runtime):
    process = start(LOGS, runtime).ready()
    process.invoke("logging.getLogger().setLevel('DEBUG'); log.debug('d')")
    assert process.events()[0].endswith("\td")
    process.invoke(
        "logging.getLogger().handlers[0].setFormatter("
        "logging.Formatter('%(aws_request_id)s|%(message)s')); log.debug('own')",
        request_id="id",
    )
    assert process.events() == ["id|own"]


def test_basic_config_adds_no_second_handler(start, runtime):
    process = start(LOGS, runtime).ready()
    process.invoke("logging.basicConfig(level='INFO'); log.error('once')")
    assert len(process.events()) == 1


def test_exception_in_text(start, runtime):
    process = start(LOGS, runtime).ready()
    process.invoke("try:\n    1/0\nexcept Exception:\n    log.exception('bad')")
    (event,) = process.events()
    assert "\tbad\nTraceback (most recent call last):\n" in event
    assert event.endswith("ZeroDivisionError: division by zero")


def test_order_of_prints_and_records_is_kept(start, runtime):
    process = start(LOGS, runtime).ready()
    process.invoke(
        "print('1')\nlog.error('2')\nprint('3', file=sys.stderr)\nsys.stdout.write('4\\n')\n"
        "log.error('5')\nsys.stdout.write('6, unfinished')"
    )
    assert [event.rpartition("\t")[2] for event in process.events()] == [
        "1", "2", "3", "4", "5", "6, unfinished",
    ]  # fmt: skip


def test_printed_output_is_there_before_the_answer(start, runtime):
    process = start(LOGS, runtime).ready()
    for number in range(50):
        process.invoke(f"print('line {number}', end='')")
        assert process.events() == [f"line {number}"]


def test_json(start, runtime):
    process = start(LOGS, runtime, log_format="JSON").ready()
    process.invoke("log.debug('no'); log.info('x %s', 1, extra={'foo': {'a': 1}, 'o': object()})")
    (event,) = process.events()
    line = json.loads(event)
    assert list(line) == ["timestamp", "level", "message", "logger", "requestId", "foo", "o"]
    assert (line["level"], line["message"], line["logger"]) == ("INFO", "x 1", "mine")
    assert line["foo"] == {"a": 1}
    assert line["o"].startswith("<object object")


def test_json_exception(start, runtime):
    process = start(LOGS, runtime, log_format="JSON").ready()
    process.invoke("try:\n    1/0\nexcept Exception:\n    log.exception('bad\\nthing')")
    line = json.loads(process.events()[0])
    assert list(line) == [
        "timestamp", "level", "message", "logger", "stackTrace", "errorType", "errorMessage",
        "requestId", "location",
    ]  # fmt: skip
    assert (line["errorType"], line["errorMessage"]) == ("ZeroDivisionError", "division by zero")
    assert line["location"].endswith(":<module>:4")


def test_json_message_may_be_an_object(start):
    process = start(LOGS, log_format="JSON").ready()
    process.invoke("log.error({'a': 1}); log.error({'a': object()})")
    first, second = (json.loads(event) for event in process.events())
    assert first["message"] == {"a": 1}
    assert second["message"]["a"].startswith("<object")


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("TRACE", ["debug", "info", "warning", "error"]),
        ("DEBUG", ["debug", "info", "warning", "error"]),
        ("INFO", ["info", "warning", "error"]),
        ("WARN", ["warning", "error"]),
        ("ERROR", ["error"]),
        ("FATAL", []),
    ],
)
def test_application_log_level(start, level, shown):
    process = start(LOGS, log_format="JSON", application_log_level=level).ready()
    process.invoke(
        "\n".join(f"log.{name}('{name}')" for name in ("debug", "info", "warning", "error"))
    )
    assert [json.loads(event)["message"] for event in process.events()] == shown


def test_a_record_longer_than_the_pipe_is_one_event(start):
    process = start(LOGS).ready()
    process.send(b"\"log.error('x' * 200000)\"")
    received = bytearray()
    while not received.endswith(b"x" * 100) or received.count(b"x") < 200000:
        received += process.output()
    assert process.receive() is not None
    ((time_us, text),) = process.splitter.feed(bytes(received))
    assert time_us is not None
    assert text.endswith(b"\t" + b"x" * 200000)


def test_a_function_s_own_logging_module_is_left_alone(start):
    files = {"app.py": "import logging\ndef handler(event, context):\n    return logging.MINE\n",
             "logging.py": "MINE = 1\n"}  # fmt: skip
    assert start(files).ready().invoke() == 1


def test_the_telemetry_descriptor_is_not_the_function_s_business(evaluator):
    assert evaluator.invoke({"do": "'_LAMBDA_TELEMETRY_LOG_FD' in os.environ"}) is False
