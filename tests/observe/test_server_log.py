import io
import json
import logging
from pathlib import Path

import pytest
import structlog

from lambent.observe.server_log import configure


@pytest.fixture(autouse=True)
def leave_structlog_as_it_was():
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)


def test_piped_is_one_json_object_a_line():
    out = io.StringIO()
    configure(out)
    log = structlog.get_logger()
    log.info("environment.started", function="arn", start_ms=12)
    log.debug("not.shown")
    (line,) = out.getvalue().splitlines()
    event = json.loads(line)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "environment.started",
        "level": "info",
        "function": "arn",
        "start_ms": 12,
    }


@pytest.mark.parametrize("pretty", [True, False])
def test_payloads_and_environments_stay_out(pretty):
    out = io.StringIO()
    configure(out, pretty=pretty)
    log = structlog.get_logger()
    secret = "hunter2"
    log.info("x", payload=secret, environment={"A": secret}, data=secret.encode(), note="n" * 9999)
    try:
        raise ValueError("seen")
    except ValueError:
        local = secret  # noqa: F841  must not be shown with the traceback
        log.exception("failed")
    text = out.getvalue()
    assert secret not in text.replace("local = secret", "")
    assert "seen" in text
    assert "n" * 2001 not in text


def test_a_log_that_cannot_be_written_harms_nobody():
    full = Path("/dev/full").open("w")  # noqa: SIM115  closing it fails, as it should
    configure(full, pretty=False)
    structlog.get_logger().info("x")
    with pytest.raises(OSError, match="No space left"):
        full.close()
    structlog.get_logger().info("y")  # closed


def test_what_libraries_say_has_the_same_form():
    out = io.StringIO()
    configure(out, pretty=False)
    logging.getLogger("asyncio").error("Task %s", "lost")
    logging.getLogger("botocore").debug("a request with a secret")
    try:
        raise ValueError("seen")
    except ValueError:
        logging.getLogger("x").exception("failed")
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert (first["event"], first["level"], first["says"]) == (
        "library.asyncio",
        "error",
        "Task lost",
    )
    assert "ValueError: seen" in second["exception"]


def test_a_level_silences_what_is_below():
    out = io.StringIO()
    configure(out, pretty=False, level="warning")
    structlog.get_logger().info("x")
    structlog.get_logger().warning("y")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["y"]


def test_a_link_to_code_stays_secret():
    out = io.StringIO()
    configure(out, pretty=False)
    structlog.get_logger().error("http.handler_failed", path="/_code/abcdef")
    structlog.get_logger().error("http.handler_failed", path="/2015-03-31/functions")
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert first["path"] == "/_code/(not logged)"
    assert second["path"] == "/2015-03-31/functions"
