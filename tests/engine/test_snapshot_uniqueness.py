"""What every fork of a template has of its own: random numbers, connections, files, event loops."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("forks")

RANDOM = """
import random, secrets, ssl, tempfile, time, uuid
own = random.Random(7)
before = [random.random(), own.random(), ssl.RAND_bytes(8).hex(), uuid.uuid1().hex,
          tempfile.mktemp(), secrets.token_hex(8), uuid.uuid4().hex]

def handler(event, context):
    time.sleep(0.5)
    return {"random": random.random(), "own": own.random(), "ssl": ssl.RAND_bytes(8).hex(),
            "uuid1 clock and node": uuid.uuid1().hex[16:], "uuid4": uuid.uuid4().hex,
            "secrets": secrets.token_hex(8), "tempfile": tempfile.mktemp()}
"""

FORKS = 4


async def _answers(engine, payload=None):
    answers = await asyncio.gather(*(engine.answer(payload) for _ in range(FORKS)))
    assert len(engine.dispatcher.environments()) >= FORKS
    return answers


@pytest.mark.slow
def test_random_numbers_differ_in_every_fork(engine):
    async def scenario(engine):
        engine.function(RANDOM, snap_start=True)
        answers = await _answers(engine)
        for source in answers[0]:
            assert len({answer[source] for answer in answers}) == FORKS, source

    engine(scenario)


def _with_packages(engine, *names):
    """Put the tests' own installed packages where the function finds them."""
    (target,) = engine.targets["f"].versions.values()
    for name in names:
        module = pytest.importorskip(name)
        folder = Path(module.__file__).parent
        shutil.copytree(folder, target.code_path / folder.name, symlinks=True)
        libraries = folder.parent / f"{name}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, target.code_path / libraries.name)


@pytest.mark.slow
def test_numpy_generators_made_at_import_differ_in_every_fork(engine):
    pytest.importorskip("numpy")
    source = """
import time
import numpy
seeded = numpy.random.default_rng(1)
class Model:
    def __init__(self):
        self.generator = numpy.random.default_rng()
        self.old = numpy.random.RandomState(3)
model = Model()
numpy.random.seed(5)
numpy.ones((200, 200)) @ numpy.ones((200, 200))

def handler(event, context):
    time.sleep(0.5)
    return {"legacy": numpy.random.random(), "seeded": seeded.random(),
            "attribute": model.generator.random(), "state": model.old.random_sample(),
            "product": float((numpy.ones((50, 50)) @ numpy.ones((50, 50))).sum())}
"""

    async def scenario(engine):
        engine.function(source, snap_start=True)
        _with_packages(engine, "numpy")
        answers = await _answers(engine)
        assert {answer.pop("product") for answer in answers} == {125000.0}
        for name in answers[0]:
            assert len({answer[name] for answer in answers}) == FORKS, name

    engine(scenario)


LOOP = """
import asyncio, os, time
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
loop.run_until_complete(asyncio.sleep(0))

async def work():
    for _ in range(20):
        await asyncio.sleep(0.01)
    done = asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.01)
    await done
    return os.fstat(loop._selector.fileno()).st_ino, loop._ssock.fileno()

def handler(event, context):
    started = time.monotonic()
    answer = loop.run_until_complete(work())
    return time.monotonic() - started < 20 and len(answer) == 2
"""


@pytest.mark.slow
def test_a_loop_made_at_import_works_in_forks_side_by_side(engine):
    async def scenario(engine):
        engine.function(LOOP, snap_start=True)
        for _ in range(3):
            assert await asyncio.gather(*(engine.answer() for _ in range(6))) == [True] * 6

    engine(scenario)


BUSY = """
import time
def handler(event, context):
    end = time.monotonic() + 2
    while time.monotonic() < end:
        pass
"""


@pytest.mark.slow
def test_mangum_answers_in_six_forks_at_once_on_a_busy_machine(engine):
    pytest.importorskip("mangum")
    source = """
import asyncio
from mangum import Mangum

async def app(scope, receive, send):
    for _ in range(10):
        await asyncio.sleep(0.01)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})

handler = Mangum(app, lifespan="off")
"""
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {},
        "requestContext": {
            "http": {"method": "GET", "path": "/", "sourceIp": "127.0.0.1", "protocol": "HTTP/1.1"},
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }

    async def scenario(engine):
        engine.function(source, snap_start=True)
        _with_packages(engine, "mangum")
        shutil.copy(pytest.importorskip("typing_extensions").__file__, _code(engine))
        engine.function(BUSY, "busy")
        busy = [asyncio.create_task(engine.answer(name="busy")) for _ in range(3)]
        for _ in range(3):
            answers = await asyncio.gather(*(engine.answer(event) for _ in range(6)))
            assert {answer["body"] for answer in answers} == {"hello"}
        await asyncio.gather(*busy)

    engine(scenario)


def _code(engine):
    (target,) = engine.targets["f"].versions.values()
    return target.code_path


CONNECTIONS = """
import os, socket, threading, time
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
client = socket.create_connection(server.getsockname())
accepted, _ = server.accept()
lines = open("/tmp/kept", "w+")
lines.write("from the template")
lines.flush()
nameless = open("/tmp/gone", "w+")
os.unlink("/tmp/gone")
nameless.write("0")
nameless.flush()

def handler(event, context):
    try:
        client.send(b"x")
        sent = "sent"
    except OSError as error:
        sent = type(error).__name__
    lines.seek(0)
    before = lines.read()
    lines.seek(0)
    lines.truncate()
    lines.write(context.aws_request_id)
    lines.flush()
    nameless.seek(0, 2)
    nameless.write("1")
    nameless.flush()
    time.sleep(0.5)
    lines.seek(0)
    nameless.seek(0)
    return {"sent": sent, "before": before, "mine": lines.read() == context.aws_request_id,
            "same": open("/tmp/kept").read() == context.aws_request_id, "nameless": nameless.read()}
"""


@pytest.mark.slow
def test_connections_are_cut_and_files_are_a_forks_own(engine):
    async def scenario(engine):
        engine.function(CONNECTIONS, snap_start=True)
        for answer in await _answers(engine):
            assert answer["sent"] in {"BrokenPipeError", "OSError", "ConnectionResetError"}
            assert answer["before"] == "from the template"
            assert answer["mine"]
            assert answer["same"]
            assert answer["nameless"] == "01"
        log = await engine.log()
        assert any("TCP connection to 127.0.0.1:" in line for line in log), log

    engine(scenario)


HOOKS = """
import os, time
from snapshot_restore_py import register_after_restore, register_before_snapshot
order = []
register_before_snapshot(order.append, "before 1")
register_before_snapshot(order.append, "before 2")
register_after_restore(order.append, "after 1")

@register_after_restore
def last():
    order.append("after 2")
    if os.environ.get("BREAK"):
        raise RuntimeError("no database")
    time.sleep(float(os.environ.get("WAIT", "0")))

def handler(event, context):
    return order
"""


def test_hooks_run_in_awss_order(engine):
    async def scenario(engine):
        engine.function(HOOKS, snap_start=True)
        assert await engine.answer() == ["before 2", "before 1", "after 1", "after 2"]

    engine(scenario)


def test_a_hook_that_fails_after_restore_fails_the_call(engine):
    async def scenario(engine):
        engine.function(HOOKS, snap_start=True, environment={"BREAK": "1"})
        with pytest.raises(Exception, match="afterRestore"):
            await engine.call()

    engine(scenario)


@pytest.mark.slow  # it waits out AWS's ten seconds
def test_a_restore_may_take_ten_seconds(engine):
    async def scenario(engine):
        engine.function(HOOKS, snap_start=True, environment={"WAIT": "60"})
        with pytest.raises(Exception, match="time"):
            await engine.call()

    engine(scenario)


@pytest.mark.slow
def test_credentials_come_from_the_environments_own_endpoint(engine):
    source = """
import json, os, urllib.request
def fetch():
    request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    request.add_header("Authorization", os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)
in_init = fetch()

def handler(event, context):
    import time
    time.sleep(0.5)
    mine = fetch()
    return {"init": in_init["AccessKeyId"], "mine": mine["AccessKeyId"],
            "names": sorted(mine), "frozen": "AWS_ACCESS_KEY_ID" in os.environ}
"""

    async def scenario(engine):
        engine.function(source, snap_start=True)
        answers = await _answers(engine)
        assert len({answer["init"] for answer in answers}) == 1
        assert len({answer["mine"] for answer in answers}) == FORKS
        for answer in answers:
            assert answer["mine"] != answer["init"]
            assert answer["names"] == ["AccessKeyId", "Expiration", "SecretAccessKey", "Token"]
            assert not answer["frozen"]

    engine(scenario)


@pytest.mark.slow
def test_after_a_time_out_memory_is_new_and_tmp_survives(engine):
    source = """
import os, time
calls = 0
def handler(event, context):
    global calls
    calls += 1
    if event.get("hang"):
        open("/tmp/kept", "w").write("kept")
        time.sleep(600)
    time.sleep(0.7)
    return [calls, os.path.exists("/tmp/kept")]
"""

    async def scenario(engine):
        engine.function(source, snap_start=True, timeout_s=2)
        assert await engine.answer() == [1, False]
        await engine.error({"hang": True})
        async with asyncio.timeout(30):  # until it stands again, beside its spare
            while sum(each.fresh for each in engine.dispatcher.environments()) < 2:
                await asyncio.sleep(0.05)
        answers = await asyncio.gather(engine.answer(), engine.answer())
        assert sorted(answers) == [[1, False], [1, True]]

    engine(scenario)


@pytest.mark.slow
def test_memory_that_is_shared_with_the_template_counts(engine):
    source = """
ballast = bytearray(b"x") * (60 << 20)
def handler(event, context):
    grown = bytearray(b"y") * (event.get("more", 0) << 20)
    return len(ballast) + len(grown)
"""

    async def scenario(engine):
        engine.function(source, snap_start=True, memory_mb=256)
        outcome = await engine.call()
        assert 60 <= outcome.memory_used_mb < 120
        error = await engine.error({"more": 230})
        assert error["errorType"] in {"Runtime.OutOfMemory", "Runtime.ExitError", "MemoryError"}

    engine(scenario)


@pytest.mark.slow
def test_a_boto3_client_made_in_init_uses_the_environments_own_credentials(engine):
    source = """
import time
import boto3
client = boto3.client("s3", region_name="us-east-1")

def key():
    return client._request_signer._credentials.get_frozen_credentials().access_key
in_init = key()

def handler(event, context):
    time.sleep(0.5)
    return [in_init, key()]
"""

    async def scenario(engine):
        engine.function(source, snap_start=True, memory_mb=512)
        answers = await _answers(engine)
        assert len({init for init, _ in answers}) == 1
        assert len({mine for _, mine in answers}) == FORKS
        assert answers[0][0] not in {mine for _, mine in answers}

    engine(scenario)


@pytest.mark.slow
def test_onnxruntime_of_one_thread_answers_in_forks(engine):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("numpy")
    # A model that doubles its input: ir 8, opset 13, one Add of x and x, written by hand.
    source = """
import os
import numpy
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

def field(number, payload):
    return bytes([number << 3 | 2, len(payload)]) + payload
def value(name):
    dim = field(1, bytes([8, 2]))
    kind = field(1, bytes([8, 1]) + field(2, dim))
    return field(1, name) + field(2, kind)
node = field(1, b"x") + field(1, b"x") + field(2, b"y") + field(4, b"Add")
graph = field(1, node) + field(2, b"g") + field(11, value(b"x")) + field(12, value(b"y"))
model = bytes([8, 8]) + field(7, graph) + field(8, bytes([16, 13]))
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
ones = numpy.ones(2, dtype=numpy.float32)
first = session.run(None, {"x": ones})

def handler(event, context):
    import time
    time.sleep(0.5)
    return session.run(None, {"x": ones})[0].tolist()
"""

    async def scenario(engine):
        engine.function(source, snap_start=True, memory_mb=1024)
        _with_packages(engine, "numpy", "onnxruntime")
        (target,) = engine.targets["f"].versions.values()
        assert await _answers(engine) == [[2.0, 2.0]] * FORKS
        assert engine.dispatcher.snapshots.why_not(target) == ""

    engine(scenario)
