"""`lambent dev` as a person has it: on a pseudo-terminal, against a project, with an editor beside."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each starts a server

LAMBENT = Path(sys.executable).parent / "lambent"
LIMIT_S = 60


class Terminal:
    """A session on a pty; `until` waits for text that comes after what was waited for before."""

    def __init__(self, place, folder, *words):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [str(LAMBENT), "dev", *words],
            cwd=folder,
            env=place.env | {"TERM": "xterm", "NO_COLOR": "1"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  no threads
        )
        os.close(slave)
        self.shown = ""
        self.seen = 0

    def until(self, pattern):
        deadline = time.monotonic() + LIMIT_S
        while not (match := re.compile(pattern).search(self.shown, self.seen)):
            if not select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"no {pattern!r} in: {self.shown[self.seen :]}")
            try:
                self.shown += os.read(self.master, 65536).decode().replace("\r\n", "\n")
            except OSError:
                raise AssertionError(f"ended before {pattern!r}: {self.shown}") from None
        self.seen = match.end()
        return match

    def press(self, keys):
        os.write(self.master, keys.encode())

    def ended(self):
        """Its exit code; what it said last is in `shown`."""
        deadline = time.monotonic() + LIMIT_S
        while self.process.poll() is None or select.select([self.master], [], [], 0)[0]:
            assert time.monotonic() < deadline, self.shown
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.master, 65536).decode().replace("\r\n", "\n")
                except OSError:
                    break
        return self.process.wait(LIMIT_S)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def project(place):
    assert place.run("init", "hello").returncode == 0
    folder = place.folder / "hello"
    write(folder, "one")
    return folder


def write(folder, word, more=""):
    """Save as editors do, by renaming: whoever polls could see half of a file written in place."""
    new = folder.parent / f"{folder.name}.saving"
    new.write_text(
        f"{more}\ndef handler(event, context):\n    print('said', {word!r})\n    return {word!r}\n"
    )
    new.rename(folder / "handler.py")


@pytest.fixture
def terminal(place, project):
    opened = []

    def start(*words):
        opened.append(Terminal(place, project, *words))
        return opened[-1]

    yield start
    for session in opened:
        session.close()


def server_pid(place):
    return json.loads(place.run("status").stdout).get("pid")


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_gone(pid):
    deadline = time.monotonic() + LIMIT_S
    while alive(pid):
        assert time.monotonic() < deadline, f"{pid} is still there"
        time.sleep(0.05)


def test_a_save_is_live_and_nothing_is_left(place, project, terminal):
    dev = terminal()
    url = dev.until(r"API +(http://\S+)")[1]
    dev.until(r"live +hello  zip")
    dev.until(r"watch .*hello  \(inotify\)")
    dev.until(r"keys +i invoke with event.json")
    dev.press("i")
    dev.until('answer +"one"')
    dev.until("said one")

    write(project, "two")
    dev.until(r"live +hello  handler.py  \d+ ms")
    dev.press("i")
    dev.until('answer +"two"')
    assert place.run("invoke", "hello", "--raw").stdout == '"two"'

    # What does not compile is shown with its place and not sent.
    write(project, "three", more="def broken(:")
    dev.until(r"error\[SOURCE_SYNTAX\] handler.py:1:12: ")
    dev.until(r"1 \| def broken\(:\n +\| +\^")
    dev.until("the code before it stays live")
    assert place.run("invoke", "hello", "--raw").stdout == '"two"'
    write(project, "three")
    dev.until(r"live +hello  handler.py")
    assert place.run("invoke", "hello", "--raw").stdout == '"three"'

    # A failing handler: its line, with a path of this machine.
    (project / "handler.py").write_text("def handler(event, context):\n    return 1 / 0\n")
    dev.until(r"live +hello  handler.py")
    dev.press("i")
    dev.until(r'File "handler.py", line 2, in handler')
    dev.press("?")
    dev.until("quit\n")
    dev.press("l")
    dev.until(r"\x1b\[2J")
    dev.press("r")
    dev.until(r"live +hello")

    pid = server_pid(place)
    assert alive(pid)
    dev.press("\x03")
    assert dev.ended() == 0
    assert not alive(pid)
    assert server_pid(place) is None
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{url}/healthz", timeout=5)


def test_files_and_settings_come_and_go(place, project, terminal):
    dev = terminal()
    dev.until("keys")
    (project / "parts").mkdir()
    (project / "parts" / "word.py").write_text("WORD = 'part'\n")
    dev.until(r"live +hello  parts/word.py")
    (project / "handler.py").write_text(
        "import os\nfrom parts.word import WORD\n\n\n"
        "def handler(event, context):\n    return [WORD, os.environ.get('MOOD')]\n"
    )
    dev.until(r"live +hello  handler.py")
    assert place.run("invoke", "hello", "--raw").stdout == '["part", null]'
    # As many editors save: write beside, then rename over.
    (project / "parts" / ".word.py.swp").write_text("WORD = 'renamed'\n")
    (project / "parts" / ".word.py.swp").rename(project / "parts" / "word.py")
    dev.until(r"live +hello  parts/")
    template = (project / "template.yaml").read_text()
    (project / "template.yaml").write_text(
        template + "      Environment: {Variables: {MOOD: good}}\n"
    )
    dev.until(r"live +hello")
    assert place.run("invoke", "hello", "--raw").stdout == '["renamed", "good"]'
    (project / "template.yaml").write_text("Resources: [")
    dev.until(r"error\[TEMPLATE_INVALID\]")
    (project / "template.yaml").write_text(template)
    dev.until(r"live +hello")
    (project / "parts" / "word.py").unlink()
    dev.until(r"live +hello  parts/word.py")
    assert "No module named" in place.run("invoke", "hello", "--raw").stdout
    dev.press("q")
    assert dev.ended() == 0


def test_a_model_that_is_missing_is_made_first(place, project, terminal):
    (project / "train.py").write_text("open('model.txt', 'w').write('trained')\n")
    (project / "handler.py").write_text(
        "MODEL = open('model.txt').read()\n\n\ndef handler(event, context):\n    return MODEL\n"
    )
    template = (project / "template.yaml").read_text()
    ours = "Metadata: {lambent: {model: model.txt, train: train.py}}\n"
    (project / "template.yaml").write_text(ours + template)
    dev = terminal()
    dev.until("keys")
    assert place.run("invoke", "hello", "--raw").stdout == '"trained"'
    (project / "train.py").write_text("open('model.txt', 'w').write('again')\n")
    (project / "model.txt").unlink()
    dev.until("live +hello")
    assert place.run("invoke", "hello", "--raw").stdout == '"again"'
    dev.press("q")
    assert dev.ended() == 0


def test_ctrl_c_drains_and_a_second_one_does_not_wait(place, project, terminal):
    (project / "handler.py").write_text(
        "import time\n\n\ndef handler(event, context):\n"
        "    print('began')\n    time.sleep(8)\n    return 'whole'\n"
    )
    dev = terminal()
    dev.until("keys")
    pid = server_pid(place)
    call = subprocess.Popen(
        [str(LAMBENT), "invoke", "hello", "--raw"],
        env=place.env, cwd=place.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    dev.until("began")
    dev.press("\x03")
    dev.until("draining; Ctrl-C again stops at once")
    assert alive(pid)
    dev.press("\x03")
    dev.ended()
    wait_gone(pid)
    assert call.communicate(timeout=LIMIT_S)[0] != b'"whole"'  # it was not waited for
    assert "stopped" in dev.shown


def test_a_call_that_runs_is_drained(place, project, terminal):
    (project / "handler.py").write_text(
        "import time\n\n\ndef handler(event, context):\n"
        "    print('began')\n    time.sleep(2)\n    return 'whole'\n"
    )
    dev = terminal()
    dev.until("keys")
    call = subprocess.Popen(
        [str(LAMBENT), "invoke", "hello", "--raw"],
        env=place.env, cwd=place.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    dev.until("began")
    dev.press("\x03")
    assert dev.ended() == 0
    assert call.communicate(timeout=LIMIT_S)[0] == b'"whole"'


def test_a_session_that_is_killed_takes_its_server_along(place, project, terminal):
    dev = terminal()
    dev.until("keys")
    pid = server_pid(place)
    dev.process.kill()
    wait_gone(pid)


def test_a_server_that_was_there_is_used_and_stays(place, project, terminal):
    assert place.run("up", "-d").returncode == 0
    pid = server_pid(place)
    dev = terminal("--poll")
    dev.until(r"API .*\(was running\)")
    dev.until(r"state_delay_s")
    dev.until(r"watch .*\(every 0.5 s \(asked for\)\)")
    write(project, "polled")
    dev.until(r"live +hello  handler.py")
    assert place.run("invoke", "hello", "--raw").stdout == '"polled"'
    dev.press("q")
    assert dev.ended() == 0
    assert server_pid(place) == pid
    refused = place.run("dev", "--debug", cwd=project)
    assert refused.returncode == 1
    assert "error[DEBUG_NEEDS_OWN_SERVER]" in refused.stderr


def test_piped_it_speaks_json(place, project):
    process = subprocess.Popen(
        [str(LAMBENT), "dev"], env=place.env, cwd=project, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        events = []
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == "watching":
                write(project, "next")
            if len([e for e in events if e["event"] == "live"]) == 2:
                break
        process.send_signal(signal.SIGTERM)
        rest = [json.loads(line) for line in process.stdout]
        assert process.wait(LIMIT_S) == 0
    finally:
        process.kill()
        process.communicate()
    assert [e["event"] for e in events] == ["server", "live", "watching", "live"]
    assert events[-1]["changed"] == ["handler.py"]
    assert rest[-1]["event"] == "stopped"


def test_the_server_ends_under_it(place, project, terminal):
    dev = terminal()
    dev.until("keys")
    os.kill(server_pid(place), signal.SIGKILL)
    dev.until(r"error\[SERVER_ENDED\]")
    assert dev.ended() == 1


def test_what_it_cannot_do_is_said(place, project):
    assert "error[DEV_NEEDS_SERVER]" in place.run("dev", "--aws", cwd=project).stderr
    done = place.run("dev", cwd=project, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert done.returncode == 1
    assert "error[SERVER_UNREACHABLE]" in done.stderr
    assert "error[TEMPLATE_MISSING]" in place.run("dev").stderr
