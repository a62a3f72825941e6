import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_lines_as_ndjson(served) -> None:
    served.run("invoke", "hello", "-i", "mark=first")
    done = served.run("logs", "hello")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(set(line) == {"time", "stream", "message"} for line in lines)
    assert any("the event is {'mark': 'first'}" in line["message"] for line in lines)
    assert any(line["message"].startswith("REPORT RequestId:") for line in lines)


@pytest.mark.slow
def test_the_function_of_the_project(served) -> None:
    served.run("invoke", "hello")
    assert served.run("logs", cwd=served.folder / "hello").stdout


def test_another_region_has_other_functions(served) -> None:
    done = served.run("logs", "hello", "--region", "eu-central-1")
    assert done.returncode == 1
    assert "error[FUNCTION_NOT_FOUND]" in done.stderr


def test_following_shows_what_comes(served) -> None:
    command = [str(Path(sys.executable).parent / "lambent"), "logs", "hello", "-f", "--since", "1s"]
    with subprocess.Popen(
        command, env=served.env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            served.run("invoke", "hello", "-i", "mark=followed")
            for line in process.stdout:
                if "followed" in json.loads(line)["message"]:
                    break
            else:
                raise AssertionError("the line did not come")
        finally:
            process.terminate()


def request_id(place, *words: str) -> str:
    return json.loads(place.run("invoke", "live", *words).stdout)["request_id"]


def messages(place, *words: str) -> list[str]:
    done = place.run("logs", "live", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["message"] for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_the_lines_of_one_request(live) -> None:
    first = request_id(live, "-i", "mark=one")
    second = request_id(live, "-i", "fail=two")
    lines = messages(live, "--request", second[:8])
    assert lines[0] == f"START RequestId: {second} Version: $LATEST"
    assert "the event is {'fail': 'two'}" in lines
    assert any(line.startswith("[ERROR] ValueError: two\nTraceback") for line in lines)
    # START, output, END, REPORT: some of them were written in the same millisecond.
    assert [line.split()[0] for line in lines[-2:]] == ["END", "REPORT"]
    assert not any(first in line or "one" in line for line in lines)
    assert messages(live, "--request", "00000000-0000") == []


@pytest.mark.slow
def test_only_errors_and_only_what_matches(live) -> None:
    request_id(live, "-i", "mark=fine")
    request_id(live, "-i", "fail=broken")
    errors = messages(live, "--errors")
    assert errors
    assert all(line.startswith("[ERROR] ValueError") for line in errors)
    found = messages(live, "--grep", r"event is \{'mark': 'f..e'\}")
    assert found
    assert set(found) == {"the event is {'mark': 'fine'}"}
    assert messages(live, "--grep", "broken", "--errors", "--since", "1d")


@pytest.mark.slow
def test_since_a_moment(live) -> None:
    request_id(live, "-i", "mark=timed")
    assert messages(live, "--since", "2026-01-01T00:00")
    assert messages(live, "--since", "2126-01-01") == []


@pytest.mark.slow  # twelve thousand lines
def test_all_of_a_long_log_comes_in_order(live, make) -> None:
    make(
        "chatty",
        "def handler(event, context):\n    for n in range(12_000):\n        print(f'line {n}')\n",
    )
    assert live.run("invoke", "chatty").returncode == 0
    done = live.run("logs", "chatty")
    lines = [json.loads(line)["message"] for line in done.stdout.splitlines()]
    assert [line for line in lines if line.startswith("line ")] == [
        f"line {n}" for n in range(12_000)
    ]
    assert len(live.run("logs", "chatty", "--grep", "^line 7$").stdout.splitlines()) == 1


def test_nothing_to_show_says_what_to_do(live) -> None:
    screen = live.on_terminal("logs", "live", "--grep", "never written")
    assert screen.returncode == 0
    assert "no lines of live that are asked for since 1h ago" in screen.text
    assert "lambent invoke live" in screen.text


def test_following_on_a_terminal_ends_with_ctrl_c(live) -> None:
    request_id(live, "-i", "fail=watched")
    screen = live.on_terminal("logs", "live", "-f", "--errors", keys="\x03", until="watched")
    assert screen.returncode == 130
    assert "\x1b[31m[ERROR] ValueError: " in screen.coloured
    assert "Traceback (most recent call last)" in screen.text  # the function's
    assert "KeyboardInterrupt" not in screen.text


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("nobody",), "FUNCTION_NOT_FOUND", 1),
        (("live", "--grep", "("), "PATTERN_INVALID", 2),
        (("live", "--request", "xyz"), "REQUEST_ID_INVALID", 2),
        (("live", "--since", "2026-13-01"), "SINCE_INVALID", 2),
    ],
)
def test_what_is_wrong_is_said(live, words, code, exit_code) -> None:
    done = live.run("logs", *words)
    assert done.returncode == exit_code
    assert f"error[{code}]" in done.stderr
    assert "\n  fix   " in done.stderr
