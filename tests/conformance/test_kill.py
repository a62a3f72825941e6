"""kill -9 and SIGTERM of a live server: what was accepted is delivered, and nothing stays behind."""

import collections
import json
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from lambent.sandbox import links, nftables
from lambent.sandbox.cgroup_hierarchies import hierarchies
from lambent.sandbox.instance import Instance
from lambent.sandbox.leftovers import mounts_under
from lambent.sandbox.network import interface_prefix

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="what needs cleaning needs root")

# Tells the test of each call over the host's network, which no server's death can take back.
REPORTING = """
import os, socket, time
def handler(event, context):
    with socket.create_connection(("127.0.0.1", int(os.environ["LISTENER"])), 10) as sock:
        sock.sendall(f"{event['n']} {context.aws_request_id}".encode())
    time.sleep(event.get("sleep", 0))
    if event.get("fail"):
        raise RuntimeError("on purpose")
"""


class Listener:
    """Counts what functions report: (n, request id)."""

    def __init__(self) -> None:
        self.calls: collections.Counter[tuple[int, str]] = collections.Counter()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            with peer, peer.makefile() as lines:
                for line in lines:
                    number, request_id = line.split()
                    self.calls[int(number), request_id] += 1

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@pytest.fixture
def listener():
    made = Listener()
    yield made
    made.close()


def family(pid: int) -> set[tuple[int, str]]:
    """A process and all below it, each with its start time, which tells a reused pid."""
    children = collections.defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            children[int((folder / "stat").read_text().rpartition(")")[2].split()[1])].append(
                int(folder.name)
            )
        except OSError:
            continue
    found, todo = set(), [pid]
    while todo:
        found.add(each := todo.pop())
        todo += children[each]
    return {(each, started) for each in found if (started := started_at(each))}


def started_at(pid: int) -> str:
    """Empty if it does not run (any more)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def living(processes: set[tuple[int, str]]) -> set[tuple[int, str]]:
    return {(pid, started) for pid, started in processes if started_at(pid) == started}


KINDS = ("ipc", "mnt", "net", "pid", "user", "uts")


def namespaces(pid: int) -> set[str]:
    found = set()
    for kind in KINDS:
        try:
            found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
        except OSError:
            continue
    return found


def holders(gone: set[str], ticks: int) -> list[int]:
    """Who is in one of these namespaces and was before `ticks`: the kernel reuses the numbers."""
    pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [
        pid for pid in pids if namespaces(pid) & gone and int(started_at(pid) or ticks + 1) <= ticks
    ]


def loop_devices(folder: Path) -> list[str]:
    """Those whose file stands, or stood, in `folder`."""
    backing = Path("/sys/block").glob("loop*/loop/backing_file")
    found = []
    for path in backing:
        try:
            file = path.read_text()
        except OSError:
            continue
        if file.startswith(str(folder)):
            found.append(path.parts[3])
    return found


def cgroups(name: str) -> list[Path]:
    """Every group called `name`, wherever in any hierarchy."""
    found: list[Path] = []
    for hierarchy in hierarchies():
        for folder, names, _ in os.walk(hierarchy.mount):
            found += [Path(folder) / each for each in names if each == name]
    return found


def left_by(instance: Instance) -> dict[str, object]:
    """What there is on the machine of a server that should be gone; empty values are left out."""
    scratch = [f for f in (instance.sandboxes_dir, instance.disks_dir) if f.exists()]
    things = {
        "mounts": mounts_under(instance.run_dir),
        "loop devices": loop_devices(instance.data_dir),
        "cgroups": cgroups(instance.name),
        "scratch": [str(path) for folder in scratch for path in folder.rglob("*")],
    }
    if os.geteuid() == 0:
        things["links"] = links.names(interface_prefix(instance))
        things["tables"] = [table for table in nftables.tables() if table == instance.name]
    return {name: thing for name, thing in things.items() if thing}


def quietly(call, *args, **kwargs):
    """For calls whose server is about to be killed."""
    try:
        return call(*args, **kwargs)
    except (BotoCoreError, ClientError) as error:
        return error


@pytest.mark.slow  # two servers
def test_accepted_events_outlive_kill_9(start_server, listener, until):
    settings = {"network": "host", "async_retry_delays_s": "[0.3,0.3]"}
    server = start_server(**settings)
    server.function("f", REPORTING, Environment={"Variables": {"LISTENER": str(listener.port)}})
    accepted: dict[str, int] = {}

    def send(n: int) -> None:
        event = {"n": n, "sleep": 0.2, "fail": n % 5 == 0}
        answer = quietly(
            server.client.invoke,
            FunctionName="f",
            InvocationType="Event",
            Payload=json.dumps(event).encode(),
        )
        if isinstance(answer, dict):
            assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
            accepted[answer["ResponseMetadata"]["RequestId"]] = n

    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(send, n) for n in range(40)]
        until(lambda: len(listener.calls) >= 10)
        server.stop(signal.SIGKILL)
        for one in sent:
            one.result()
    known = set(accepted.items())
    assert len(known) >= 10
    seen_before = {(request_id, n) for n, request_id in listener.calls}
    assert known - seen_before, "nothing was waiting when it was killed: the test shows nothing"

    start_server(**settings)

    def all_delivered() -> bool:
        seen = {(request_id, n) for n, request_id in listener.calls}
        return known <= seen

    until(all_delivered, 60)
    # Of those that fail, each is tried three times in all, however many of them before the kill.
    failing = [(n, request_id) for request_id, n in known if n % 5 == 0]
    until(lambda: all(listener.calls[key] >= 3 for key in failing), 60)


@pytest.mark.root
@needs_root
@pytest.mark.slow  # two servers
def test_kill_9_leaves_nothing_behind(start_server, until):
    server = start_server()
    client = server.client
    sleepy = "import time\ndef handler(event, context):\n    time.sleep(event.get('s', 0))\n"
    for name in ("running", "idle", "frozen"):
        server.function(name, sleepy)
        server.invoke(name)
    client.publish_version(FunctionName="idle")
    server.active("idle:1")
    client.create_alias(FunctionName="idle", Name="live", FunctionVersion="1")
    instance = Instance(server.data_dir)

    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(
            quietly, client.invoke, FunctionName="running", Payload=json.dumps({"s": 60})
        )
        until(lambda: sum(line.startswith("START") for line in server.log("running")) == 2)
        time.sleep(0.5)  # `frozen` is, by now
        server.invoke("idle")
        processes = family(server.process.pid)
        theirs = set().union(*(namespaces(pid) for pid, _ in processes)) - namespaces(os.getpid())
        ticks = int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))
        before = left_by(instance)
        groups = [path for group in before["cgroups"] for path in group.glob("*/")]
        server.stop(signal.SIGKILL)
        assert isinstance(call.result(), BotoCoreError)
    assert len(processes) >= 8, "server, spawner, and three pairs of pid 1 and runtime"
    assert len(theirs) >= 15
    assert {"loop devices", "cgroups", "links", "tables"} <= before.keys()

    # What is not frozen has died with its server; cgroup v1 keeps what is frozen for the next one.
    until(lambda: len(living(processes)) <= 4)
    successor = start_server()
    assert living(processes) == set()
    assert holders(theirs, ticks) == []
    assert " nsfs " not in Path("/proc/self/mountinfo").read_text(), "a mount holds a namespace"
    assert groups
    assert [path for path in groups if path.exists()] == []
    for name, qualifier in (("running", "$LATEST"), ("idle", "1"), ("idle", "live")):
        answer = successor.client.invoke(FunctionName=name, Qualifier=qualifier)
        assert answer["Payload"].read() == b"null"
        assert "FunctionError" not in answer
    processes = family(successor.process.pid)
    assert successor.stop() == 0
    assert living(processes) == set()
    until(lambda: not loop_devices(instance.data_dir))  # the kernel frees them when it gets to it
    assert left_by(instance) == {}


@pytest.mark.slow  # a drain of two seconds
def test_sigterm_drains(start_server, until):
    server = start_server()
    server.function("f", "import time\ndef handler(e, c):\n    time.sleep(2)\n    return 'done'\n")
    instance = Instance(server.data_dir)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(server.client.invoke, FunctionName="f")
        until(lambda: any(line.startswith("START") for line in server.log("f")))
        processes = family(server.process.pid)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: closed_to_strangers(server.port))
        assert not call.done()
        assert call.result()["Payload"].read() == b'"done"'
    assert server.process.wait(30) == 0
    assert living(processes) == set()
    until(lambda: not loop_devices(instance.data_dir))
    assert left_by(instance) == {}


def closed_to_strangers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return sock.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.slow  # a server of its own
def test_a_second_sigterm_stops_at_once(start_server, until):
    server = start_server()
    server.function("f", "import time\ndef handler(e, c):\n    time.sleep(25)\n")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(quietly, server.client.invoke, FunctionName="f")
        until(lambda: any(line.startswith("START") for line in server.log("f")))
        processes = family(server.process.pid)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: "server.draining" in server.log_file.read_text())
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 128 + signal.SIGTERM
        assert isinstance(call.result(), BotoCoreError)
    until(lambda: not living(processes))
