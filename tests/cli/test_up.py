import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from lambent.cli import local


def gone(pid: int) -> bool:
    """Ended, though perhaps not yet reaped by whoever inherited it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def healthy(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/healthz", timeout=30) as answer:
        return answer.status == 200


@pytest.mark.slow
def test_up_in_the_background_then_down(place) -> None:
    started = json.loads(place.run("up", "-d").stdout)
    assert started["started"]
    assert started["url"] == f"http://127.0.0.1:{place.port}"
    assert Path(started["log"]).is_file()
    assert healthy(started["url"])

    again = place.run("up", "-d")
    assert again.returncode == 0
    assert json.loads(again.stdout) == {
        "started": False,
        "running": True,
        "url": started["url"],
        "pid": started["pid"],
    }
    foreground = place.run("up")
    assert foreground.returncode == 1
    assert "error[ALREADY_RUNNING]" in foreground.stderr
    assert json.loads(place.run("status").stdout)["pid"] == started["pid"]

    stopped = json.loads(place.run("down").stdout)
    assert stopped == {"stopped": True, "running": False, "pid": started["pid"]}
    assert gone(started["pid"])
    assert place.run("status").returncode == 1
    assert not json.loads(place.run("down").stdout)["stopped"]


def test_the_port_is_taken(place) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", place.port))
        other.listen()
        done = place.run("up", "-d")
    assert done.returncode == 1
    assert f"error[PORT_IN_USE] cannot listen on 127.0.0.1:{place.port}" in done.stderr
    assert f"--port {place.port + 1}" in done.stderr


def test_a_server_that_fails_while_starting_says_why(place) -> None:
    (place.folder / "data").mkdir()
    (place.folder / "data" / "lambent.sqlite").write_text("this is not a database, " * 100)
    done = place.run("up", "-d")
    assert done.returncode == 1
    assert "error[STORE_UNUSABLE] the database" in done.stderr
    assert "\n  fix   " in done.stderr
    assert "error[STORE_UNUSABLE]" in (place.folder / "data" / "server.log").read_text()
    assert place.run("status").returncode == 1


def test_a_record_of_another_process_is_not_believed(place) -> None:
    data = place.folder / "data"
    local.record(data, os.getpid(), "http://127.0.0.1:1")
    assert local.running(data) is None
    # The right command line with another start: the id was given to another process.
    record = json.loads((data / local.RECORD).read_text())
    record["started_ticks"] -= 1
    (data / local.RECORD).write_text(json.dumps(record))
    assert local.running(data) is None
    (data / local.RECORD).write_text("{")
    assert local.running(data) is None


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_until_a_signal_drains_it(place, number: signal.Signals) -> None:
    command = [str(Path(sys.executable).parent / "lambent"), "up"]
    with (place.folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            command, env=place.env, stdout=subprocess.PIPE, stderr=errors, cwd=place.folder
        )
    try:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        assert healthy(facts["url"])
        assert {"sandbox", "limits", "network"} <= set(facts["server"])
        process.send_signal(number)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert gone(facts["pid"])
    assert local.running(place.folder / "data") is None
