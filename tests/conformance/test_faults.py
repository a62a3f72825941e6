"""Functions and clients that misbehave, over the real API: the server and the others carry on."""

import asyncio
import base64
import concurrent.futures
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from lambent.engine.faults import PAYLOAD_LIMIT

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="limits need cgroups and loop devices")

COUNTING = """
import os, time
calls = 0
def handler(event, context):
    global calls
    calls += 1
    exec(event.get("code", ""), {"event": event, "context": context})
    return [calls, context.log_stream_name, sorted(os.listdir("/tmp"))]
"""


@pytest.fixture
def bystander(server):
    """Another function, which is to answer whatever happens."""
    name = f"bystander-{os.urandom(6).hex()}"
    server.function(name)
    server.invoke(name)
    yield lambda: server.invoke(name, {"still": "here"}) == {"still": "here"}
    server.client.delete_function(FunctionName=name)


@pytest.fixture
def aside():
    """A thread for calls that block."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield pool.submit


def failed(server, name, payload, **options):
    """The error document of a call that must fail in the function."""
    answer = server.client.invoke(
        FunctionName=name, Payload=json.dumps(payload).encode(), **options
    )
    document = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled", document
    assert answer["StatusCode"] == 200
    return document


def started(server, name):
    return sum(line.startswith("START") for line in server.log(name))


def processes_with(text):
    """Host processes whose command line has `text`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (folder / "cmdline").read_bytes().replace(b"\0", b" "):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


# ── memory, processes, disk ──────────────────────────────────────────────────────────────────


@pytest.mark.root
@needs_root
def test_a_function_that_eats_memory_ends_alone(server, name, bystander):
    server.function(name, COUNTING, MemorySize=128)
    _, stream, _ = server.invoke(name)
    document = failed(server, name, {"code": "x = bytearray(1); x *= 1 << 30"})
    assert document["errorType"] == "Runtime.OutOfMemory"
    assert document["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert bystander()
    assert server.invoke(name) == [1, stream, []]


BOMB = """
import os, time
open("/tmp/kept", "w").close()
while True:
    try:
        if os.fork() == 0:
            memory = b"x" * event["bytes"]
            time.sleep(1000)
    except OSError as error:
        print("fork:", error.strerror, flush=True)
        time.sleep(1000)
"""


@pytest.mark.root
@needs_root
@pytest.mark.slow  # a thousand forks
def test_a_fork_bomb_stays_in_its_sandbox(server, name, bystander, aside, until):
    server.function(name, COUNTING, MemorySize=1769, Timeout=4)
    _, stream, _ = server.invoke(name)
    call = aside(failed, server, name, {"code": BOMB, "bytes": 0})
    until(lambda: "fork: Resource temporarily unavailable" in server.log(name))
    assert bystander()
    assert call.result()["errorType"] == "Sandbox.Timedout"
    assert server.invoke(name) == [1, stream, ["kept"]]


@pytest.mark.root
@needs_root
@pytest.mark.slow  # forks until its time is over
def test_a_fork_bomb_that_runs_out_of_memory_keeps_its_sandbox(server, name, bystander):
    server.function(name, COUNTING, MemorySize=256, Timeout=2)
    _, stream, _ = server.invoke(name)
    document = failed(server, name, {"code": BOMB, "bytes": 2 << 20})
    assert document["errorType"] in {"Sandbox.Timedout", "Runtime.OutOfMemory"}
    assert server.invoke(name) == [1, stream, ["kept"]]
    assert bystander()


@pytest.mark.root
@needs_root
def test_a_full_tmp_is_enospc_and_the_next_environment_is_clean(server, name):
    fill = """
import errno, os
try:
    with open("/tmp/big", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 400 << 20)
        file.seek(400 << 20)
        for _ in range(113):
            file.write(bytes(1 << 20))
except OSError as error:
    print("errno", errno.errorcode[error.errno], flush=True)
"""
    server.function(name, COUNTING, MemorySize=256)
    first = server.invoke(name, {"code": fill})
    assert first[2] == ["big"]
    answer = server.client.invoke(FunctionName=name, LogType="Tail", Payload=b"{}")
    assert json.loads(answer["Payload"].read())[1:] == first[1:], "the same one, and still full"
    assert any("errno ENOSPC" in line for line in _log(server, name, "errno"))
    server.client.update_function_configuration(FunctionName=name, Description="another")
    server.active(name)
    assert server.invoke(name)[2] == []


def _log(server, name, text, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if lines := [line for line in server.log(name) if text in line]:
            return lines
        time.sleep(0.05)
    return []


# ── time ─────────────────────────────────────────────────────────────────────────────────────


def test_a_handler_that_never_returns(server, name, bystander):
    server.function(name, COUNTING, Timeout=1)
    assert server.invoke(name)[0] == 1
    _, stream, _ = server.invoke(name)
    answer = server.client.invoke(
        FunctionName=name,
        LogType="Tail",
        Payload=json.dumps({"code": "open('/tmp/kept', 'w')\nwhile True: pass"}).encode(),
    )
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert json.loads(answer["Payload"].read()) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 1.00 seconds",
    }
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert f"{request_id} Task timed out after 1.00 seconds" in tail
    assert "\tStatus: timeout" in tail
    assert bystander()
    assert server.invoke(name) == [1, stream, ["kept"]], "/tmp survives, memory does not"


def test_a_handler_that_ignores_signals_is_ended_just_the_same(server, name):
    code = """
import signal, threading, subprocess
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except OSError: pass
subprocess.Popen(["sleep", "31415"], preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
threading.Event().wait()
"""
    server.function(name, COUNTING, Timeout=1)
    assert failed(server, name, {"code": code})["errorType"] == "Sandbox.Timedout"
    assert server.invoke(name)[0] == 1
    assert processes_with("sleep 31415") == []


@pytest.mark.slow  # prints for its whole time-out
def test_a_handler_that_prints_without_end(server, name, bystander, aside):
    code = "line = 'x' * 200\nwhile True: print(line)\n"
    server.function(name, COUNTING, Timeout=2, MemorySize=1769)
    before_mb = memory_mb(server.process.pid)
    call = aside(failed, server, name, {"code": code})
    most_mb = answers = 0
    while not call.done():
        assert bystander()
        answers += 1
        most_mb = max(most_mb, memory_mb(server.process.pid))
    assert call.result()["errorType"] == "Sandbox.Timedout"
    assert answers >= 3, "others are served meanwhile"
    assert most_mb - before_mb < 150
    assert server.invoke(name)[0] == 1
    lines = server.log(name)
    assert len(lines) > 1000
    dropped = [line for line in lines if line.startswith("[lambent] dropped ")]
    assert all(int(line.split()[2]) > 0 for line in dropped)


def memory_mb(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    return 0


# ── the runtime's own connection ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("os.close(3)", id="closed"),
        pytest.param("os.write(3, b'\\xff' * 1000)", id="garbage"),
        pytest.param("os.write(3, b'\\x00\\x00\\x00\\x01\\x99')", id="unknown frame"),
        pytest.param("os.write(3, b'\\x00\\x00\\x00\\x00')", id="empty frame"),
        pytest.param("os.write(3, b'\\x00\\x00\\x00\\x01' + READY)", id="ready twice"),
        pytest.param("os.dup2(os.open('/dev/null', os.O_RDWR), 3)", id="replaced"),
        pytest.param("os.closerange(0, 100)", id="all closed"),
    ],
)
def test_a_handler_that_breaks_its_channel_ends_only_itself(server, name, bystander, code):
    from lambent.runtimes import frames

    server.function(name, COUNTING, Timeout=3)
    _, stream, _ = server.invoke(name)
    code = code.replace("READY", repr(bytes([frames.READY])))
    answer = server.client.invoke(
        FunctionName=name, Payload=json.dumps({"code": "import os\n" + code}).encode()
    )
    document = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled"
    assert document["errorType"] in {"Runtime.ExitError", "Sandbox.Timedout"}, document
    assert bystander()
    assert server.invoke(name) == [1, stream, []]


def test_a_forged_answer_reaches_only_the_functions_own_caller(server, name, bystander):
    from lambent.runtimes import frames

    server.function(name, COUNTING, Timeout=3)
    forged = f"import os\nos.write(3, b'\\x00\\x00\\x00\\x03{chr(92)}x{frames.RESPONSE:02x}42')"
    assert server.invoke(name, {"code": forged}) == 42
    assert bystander()
    # The true answer came out of turn, which ends a runtime; the next call has a new one.
    _, stream, _ = server.invoke(name)
    assert server.invoke(name)[1] == stream
    assert "Traceback" not in server.log_file.read_text()


def test_descriptors_that_a_handler_passes_over_its_channel_are_not_kept(server, name, bystander):
    code = """
import array, os, socket
sock = socket.socket(fileno=os.dup(3))
for _ in range(50):
    fds = array.array("i", [os.open("/dev/null", os.O_RDONLY) for _ in range(5)])
    sock.sendmsg([b"\\x00"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
"""
    server.function(name, COUNTING, Timeout=3)
    server.invoke(name)
    before = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    answer = server.client.invoke(FunctionName=name, Payload=json.dumps({"code": code}).encode())
    answer["Payload"].read()
    assert server.invoke(name)[0] == 1
    assert bystander()
    assert len(os.listdir(f"/proc/{server.process.pid}/fd")) < before + 30


# ── what stays behind after a handler has returned ───────────────────────────────────────────


def test_background_threads_and_children_end_with_their_environment(server, name, until):
    code = """
import subprocess, threading, time
subprocess.Popen(["sleep", "27182"])
subprocess.Popen(["sleep", "27182"], start_new_session=True)
threading.Thread(target=time.sleep, args=(27182,)).start()
"""
    server.function(name, COUNTING)
    assert server.invoke(name, {"code": code})[0] == 1
    assert len(processes_with("sleep 27182")) == 2
    assert server.invoke(name)[0] == 2, "they do not hold up the next call"
    server.client.delete_function(FunctionName=name)
    until(lambda: processes_with("sleep 27182") == [])


def test_a_thread_that_prints_after_the_answer_does_not_spoil_the_next(server, name):
    code = """
import threading, time
def later():
    for _ in range(20):
        time.sleep(0.01)
        print("late", flush=True)
threading.Thread(target=later).start()
"""
    server.function(name, COUNTING)
    server.invoke(name, {"code": code})
    for expected in range(2, 12):
        assert server.invoke(name)[0] == expected


# ── clients ──────────────────────────────────────────────────────────────────────────────────


def request(name, payload=b"{}"):
    path = f"/2015-03-31/functions/{name}/invocations"
    return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (
        path.encode(),
        len(payload),
        payload,
    )


def test_a_caller_that_leaves_while_it_waits_is_not_served(server, name, until):
    slow_init = "import time\ntime.sleep(1.5)\n" + COUNTING
    server.function(name, slow_init)
    server.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(request(name))
        # It holds the only lease, or soon will.
        until(lambda: any(line.startswith("INIT_START") for line in server.log(name)))
    assert until(lambda: _unless_throttled(server, name)) == 1, "the one before never ran"
    assert started(server, name) <= 1


def test_a_caller_that_leaves_while_it_runs_lets_it_finish(server, name, until):
    server.function(name, COUNTING)
    server.invoke(name)
    server.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    code = "import time\ntime.sleep(1)\nprint('finished', flush=True)"
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(request(name, json.dumps({"code": code}).encode()))
        until(lambda: started(server, name) == 2)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        server.client.invoke(FunctionName=name)
    assert until(lambda: _unless_throttled(server, name)) == 3
    assert _log(server, name, "finished") == ["finished"]


def _unless_throttled(server, name):
    """How many calls the environment has seen, once there is a lease."""
    try:
        return server.invoke(name)[0]
    except server.client.exceptions.TooManyRequestsException:
        return 0


@pytest.mark.slow  # five hundred connections
def test_five_hundred_callers_against_a_reservation_of_five(server, name, bystander):
    source = "import time\ndef handler(event, context):\n    time.sleep(0.3)\n    return context.log_stream_name\n"
    server.function(name, source, MemorySize=512)
    server.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=5)

    async def call():
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request(name).replace(b"Host: x", b"Host: x\r\nConnection: close"))
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def all_at_once():
        return await asyncio.wait_for(asyncio.gather(*(call() for _ in range(500))), 60)

    answers = asyncio.run(all_at_once())
    served = [answer for answer in answers if answer.startswith(b"HTTP/1.1 200 ")]
    refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 429 ")]
    assert len(served) + len(refused) == 500
    assert len(served) >= 5
    assert all(b"ReservedFunctionConcurrentInvocationLimitExceeded" in each for each in refused)
    assert len({answer.rpartition(b"\r\n\r\n")[2] for answer in served}) <= 5
    assert len(server.log_streams(name)) <= 5, "no more environments than the reservation"

    async def five():
        return await asyncio.gather(*(call() for _ in range(5)))

    again = asyncio.run(five())
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in again), "every lease came back"
    assert bystander()


@pytest.mark.slow  # the limit is ten seconds
def test_a_trickled_header_is_cut_off_while_others_are_served(server, bystander):
    got = []

    def trickle():
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as sock:
            head = request("nobody")
            sock.settimeout(0.25)
            for at in range(240):
                try:
                    sock.sendall(head[at % 60 : at % 60 + 1] if at < 60 else b"a")
                    piece = sock.recv(65536)
                except TimeoutError:
                    continue
                except ConnectionError:
                    return
                got.append(piece)
                if not piece:
                    return

    threads = [threading.Thread(target=trickle) for _ in range(20)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert bystander()
        time.sleep(0.1)
    answers = [piece for piece in got if piece]
    assert len(answers) == 20
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)


# ── payloads ─────────────────────────────────────────────────────────────────────────────────


def test_six_megabytes_both_ways_at_once(server, name, aside):
    server.function(name, MemorySize=512)
    body = b'"' + b"a" * (6 * 1024 * 1024 - 2) + b'"'
    assert len(body) < PAYLOAD_LIMIT
    calls = [aside(server.client.invoke, FunctionName=name, Payload=body) for _ in range(4)]
    assert all(call.result()["Payload"].read() == body for call in calls)


# ── the server's own helpers ─────────────────────────────────────────────────────────────────


def children(pid):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
        except OSError:
            continue
    return found


def test_a_killed_spawner_is_replaced(start_server, until):
    server = start_server()
    server.function("f")
    server.invoke("f")
    (spawner,) = children(server.process.pid)
    os.kill(spawner, signal.SIGKILL)

    def answers():
        answer = server.client.invoke(FunctionName="f", Payload=b"[1]")
        return answer["Payload"].read() == b"[1]" and "FunctionError" not in answer

    until(answers)
    server.function("g")
    assert server.invoke("g", {"a": 1}) == {"a": 1}
    assert server.stop() == 0
