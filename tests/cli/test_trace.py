import json
import re

import pytest


def invoke(place, *words: str) -> str:
    return json.loads(place.run("invoke", "live", *words).stdout)["request_id"]


def trace(place, *words: str) -> dict:
    done = place.run("trace", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_cold_request_then_a_warm_one(live, make) -> None:
    make("traced", "def handler(event, context):\n    return event\n")
    cold = json.loads(live.run("invoke", "traced").stdout)
    warm = json.loads(live.run("invoke", "traced").stdout)

    found = trace(live, cold["request_id"])
    assert set(found) == {
        "request_id", "function", "version", "group", "stream", "started", "status", "cold",
        "phases", "total_ms", "not_measured", "report", "segments", "errors", "events",
    }  # fmt: skip
    assert (found["function"], found["version"], found["status"]) == (
        "traced",
        "$LATEST",
        "success",
    )
    assert found["cold"]
    phases = {phase["name"]: phase for phase in found["phases"]}
    assert list(phases) == ["queue", "start", "init", "handler", "response"]
    assert {phase["source"] for phase in phases.values()} == {"server"}
    assert found["not_measured"] == []
    assert found["segments"] == []
    # The server's clock and REPORT are two ways to the same durations.
    assert phases["init"]["duration_ms"] == pytest.approx(cold["report"]["init_ms"], abs=0.02)
    assert phases["handler"]["duration_ms"] == pytest.approx(
        cold["report"]["duration_ms"], abs=0.02
    )
    starts = [phase["start_ms"] for phase in phases.values()]
    assert starts == sorted(starts)
    assert found["events"][0]["message"].startswith("INIT_START")

    again = trace(live, warm["request_id"][:13])
    assert [phase["name"] for phase in again["phases"]] == ["queue", "handler", "response"]
    assert again["request_id"] == warm["request_id"]
    assert again["events"][0]["message"].startswith("START")


@pytest.mark.slow  # a server of its own, twice
def test_after_a_restart_the_log_is_all_there_is(place, tmp_path) -> None:
    assert place.run("up", "-d").returncode == 0
    assert place.run("init", "old").returncode == 0
    assert place.run("deploy", cwd=place.folder / "old").returncode == 0
    cold = json.loads(place.run("invoke", "old").stdout)
    assert place.run("down").returncode == 0
    assert place.run("up", "-d").returncode == 0
    found = trace(place, cold["request_id"])
    assert found["not_measured"] == ["queue", "start", "response"]
    phases = {phase["name"]: phase for phase in found["phases"]}
    assert phases["init"]["duration_ms"] == cold["report"]["init_ms"]
    assert phases["handler"]["duration_ms"] == cold["report"]["duration_ms"]
    assert phases["handler"]["start_ms"] > 0
    assert phases["queue"] == {
        "name": "queue", "start_ms": None, "duration_ms": None, "source": None,
    }  # fmt: skip
    screen = place.on_terminal("trace", cold["request_id"])
    assert re.search(r"^  queue +not measured$", screen.text, re.MULTILINE)
    assert "from the log alone" in screen.text


@pytest.mark.slow
def test_a_request_that_failed(live) -> None:
    request_id = invoke(live, "-i", "fail=traced")
    found = trace(live, request_id, "live")
    assert found["errors"] == 1
    screen = live.on_terminal("trace", request_id)
    assert screen.returncode == 0
    assert "1 line of errors" in screen.text
    assert "█" in screen.text
    assert "measured by the server" in screen.text
    assert f"lambent logs live --request {request_id[:8]}" in screen.text


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("00000000-0000",), "REQUEST_NOT_FOUND", 1),
        (("short",), "REQUEST_ID_INVALID", 2),
        ((), "USAGE", 2),
        (("00000000-0000", "--aws", "--region", "us-east-1"), "FUNCTION_MISSING", 2),
    ],
)
def test_what_is_wrong_is_said(live, words, code, exit_code) -> None:
    done = live.run("trace", *words)
    assert done.returncode == exit_code, done.stderr
    assert f"error[{code}]" in done.stderr
    assert "\n  fix   " in done.stderr


def test_another_region_does_not_see_it(live) -> None:
    request_id = invoke(live)
    done = live.run("trace", request_id, "--region", "eu-central-1")
    assert done.returncode == 1
    assert "error[REQUEST_NOT_FOUND]" in done.stderr
