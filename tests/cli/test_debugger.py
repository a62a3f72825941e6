"""A debugger attaches to a function under `lambent dev --debug`, stops in it and looks around."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lambent.cli.init import render
from lambent.cli.live import debugger
from lambent.delivery.problem import Problem
from lambent.delivery.template import FunctionPlan

LAMBENT = Path(sys.executable).parent / "lambent"
LIMIT_S = 60
HANDLER = """\
def handler(event, context):
    doubled = event["n"] * 2
    return {"doubled": doubled}
"""


class Adapter:
    """As much of the Debug Adapter Protocol as an editor needs to attach and stop."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self.file = self.sock.makefile("rb")
        self.number = 0

    def send(self, command, **arguments):
        self.number += 1
        body = {"seq": self.number, "type": "request", "command": command, "arguments": arguments}
        text = json.dumps(body).encode()
        self.sock.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))

    def until(self, **wanted):
        while True:
            length = 0
            while (line := self.file.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            message = json.loads(self.file.read(length))
            if wanted.items() <= message.items():
                return message

    def ask(self, command, **arguments):
        self.send(command, **arguments)
        answer = self.until(type="response", command=command)
        assert answer["success"], answer
        return answer.get("body")

    def close(self):
        self.file.close()
        self.sock.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow  # a server, a session, a function under the debugger
def test_an_editor_stops_in_the_handler(place):
    assert place.run("init", "twice").returncode == 0
    folder = place.folder / "twice"
    (folder / "handler.py").write_text(HANDLER)
    port = free_port()
    with subprocess.Popen(
        [str(LAMBENT), "dev", "--debug", "--debug-port", str(port)],
        env=place.env, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ) as session:  # fmt: skip
        try:
            events = (json.loads(line) for line in session.stdout)
            assert next(e for e in events if e["event"] == "debug")["port"] == port
            assert any(e["event"] == "watching" for e in events)
            first = place.run("invoke", "twice", "--raw", "-i", "n=1")
            assert first.stdout == '{"doubled": 2}'
            # Idle environments are frozen elsewhere; here the debugger must be answered.
            time.sleep(0.5)
            editor = Adapter(port)
            editor.ask("initialize", adapterID="test", clientID="test", pathFormat="path")
            mapping = [{"localRoot": str(folder), "remoteRoot": "/var/task"}]
            editor.send("attach", pathMappings=mapping)
            editor.until(event="initialized")
            source = {"path": str(folder / "handler.py")}
            found = editor.ask("setBreakpoints", source=source, breakpoints=[{"line": 3}])
            assert found["breakpoints"][0]["verified"]
            editor.ask("configurationDone")
            call = subprocess.Popen(
                [str(LAMBENT), "invoke", "twice", "--raw", "-i", "n=21"],
                env=place.env, cwd=folder, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            thread = editor.until(event="stopped")["body"]["threadId"]
            frame = editor.ask("stackTrace", threadId=thread)["stackFrames"][0]
            assert (frame["source"]["path"], frame["line"]) == (source["path"], 3)
            seen = editor.ask(
                "evaluate", expression="doubled", frameId=frame["id"], context="watch"
            )
            assert seen["result"] == "42"
            editor.ask("continue", threadId=thread)
            assert call.communicate(timeout=LIMIT_S)[0] == '{"doubled": 42}'
            editor.close()
            session.send_signal(signal.SIGINT)
            session.communicate(timeout=LIMIT_S)
            assert session.returncode == 0
        finally:
            session.kill()
    # The function is its own again.
    assert place.run("up", "-d").returncode == 0
    shown = json.loads(place.run("fn", "show", "twice").stdout)
    assert (shown["handler"], shown["timeout_s"]) == ("handler.handler", 10)


def plan(folder, runtime="python3.13"):
    return FunctionPlan("f", folder, "app.handler", runtime)


def test_without_debugpy_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(Problem) as caught:
        debugger.entries(plan(tmp_path))
    assert caught.value.code == "DEBUGPY_MISSING"
    assert "pip install debugpy" in caught.value.fix


def test_the_projects_own_debugpy_is_taken(tmp_path):
    site = tmp_path / ".venv" / "lib" / "python3.13" / "site-packages" / "debugpy"
    (site / "__pycache__").mkdir(parents=True)
    (site / "__init__.py").write_text("mine = True\n")
    (site / "__pycache__" / "x.pyc").write_bytes(b"")
    names = {entry.name for entry in debugger.entries(plan(tmp_path))}
    assert names == {"debugpy/__init__.py", "lambent_debug.py"}


def test_other_runtimes_are_refused(tmp_path):
    with pytest.raises(Problem) as caught:
        debugger.entries(plan(tmp_path, "provided.al2023"))
    assert caught.value.code == "DEBUG_UNSUPPORTED"


@pytest.mark.parametrize("template", ["plain", "sklearn"])
def test_init_writes_what_vs_code_attaches_with(template):
    launch = json.loads(render(template, "x", "python3.13")[".vscode/launch.json"])
    (attach,) = launch["configurations"]
    assert (attach["type"], attach["request"]) == ("debugpy", "attach")
    assert attach["connect"] == {"host": "127.0.0.1", "port": debugger.PORT}
    assert attach["pathMappings"][0]["remoteRoot"] == "/var/task"
