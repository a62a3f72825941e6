"""What people import, in forks: thread pools, sessions and clients made in Init, weights in files.

The packages are those that the tests themselves have, shown as a layer.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from lambent.engine import snapshot_memory
from lambent.engine.snapshot_outcomes import Standby

pytestmark = pytest.mark.usefixtures("forks")

FORKS = 4
TWO_VCPUS_MB = 3538


@pytest.fixture(scope="session")
def layer(tmp_path_factory):
    """`layer("numpy", …)`: a layer with these packages and the libraries that they bring."""
    made: dict[tuple[str, ...], Path] = {}

    def make(*names: str) -> Path:
        if names not in made:
            folder = tmp_path_factory.mktemp("layer")
            (folder / "python").mkdir()
            for name in names:
                _copy(name, folder / "python")
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o755)
            made[names] = folder
        return made[names]

    return make


def _copy(name: str, into: Path) -> None:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        pytest.skip(f"{name} is not installed")
    origin = Path(spec.origin)
    if origin.name != "__init__.py":
        shutil.copy(origin, into)
        return
    ignore = shutil.ignore_patterns("tests", "*.pyi", "*.c", "*.h", "*.a")
    shutil.copytree(origin.parent, into / name, ignore=ignore)
    distribution = {"sklearn": "scikit_learn"}.get(name, name)
    libraries = origin.parent.parent / f"{distribution}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, into / libraries.name)


async def _answers(engine, payload=None):
    answers = await asyncio.gather(*(engine.answer(payload) for _ in range(FORKS)))
    assert len(engine.dispatcher.environments()) >= FORKS
    return answers


def _why_not(engine):
    (target,) = engine.targets["f"].versions.values()
    return engine.dispatcher.snapshots.why_not(target)


SCIENCE = ("sklearn", "scipy", "numpy", "joblib", "threadpoolctl", "narwhals")
BOOSTED = """
import time
import numpy
from sklearn.ensemble import HistGradientBoostingClassifier
x = numpy.arange(400.0).reshape(-1, 2)
model = HistGradientBoostingClassifier(max_iter=3).fit(x, x[:, 0] > 200)
first = model.predict(x).tolist()

def handler(event, context):
    time.sleep(event.get("sleep", 0))
    return model.predict(x).tolist() == first
"""


@pytest.mark.slow  # it imports scikit-learn
def test_openmp_pools_of_one_thread_are_forked_and_others_are_named(engine, layer):
    async def scenario(e):
        layers = {"layer_paths": (layer(*SCIENCE),), "timeout_s": 60}
        e.function(BOOSTED, snap_start=True, memory_mb=1024, **layers)
        assert await _answers(e, {"sleep": 0.3}) == [True] * FORKS
        assert _why_not(e) == ""
        own = {"OMP_NUM_THREADS": "2"}
        e.function(BOOSTED, snap_start=True, memory_mb=1024, environment=own, **layers)
        (target,) = e.targets["f"].versions.values()
        with pytest.raises(Standby, match=r"OpenMP \(libgomp\)"):
            await e.dispatcher.snapshots.template(target)

    engine(scenario)


@pytest.mark.slow
def test_openblas_with_threads_is_forked(engine, layer):
    source = """
import time
import numpy
square = numpy.ones((600, 600))
assert (square @ square).sum() == 600.0 ** 3
tasks = len(__import__("os").listdir("/proc/self/task"))

def handler(event, context):
    time.sleep(0.3)
    return [tasks, float((square @ square).sum())]
"""

    async def scenario(e):
        e.function(source, snap_start=True, memory_mb=TWO_VCPUS_MB, layer_paths=(layer("numpy"),))
        answers = await _answers(e)
        assert {total for _, total in answers} == {600.0**3}
        assert _why_not(e) == ""
        assert os.cpu_count() == 1 or answers[0][0] > 1

    engine(scenario)


@pytest.mark.slow
def test_onnxruntime_with_threads_is_named(engine, layer):
    source = """
import os
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

def field(number, payload):
    return bytes([number << 3 | 2, len(payload)]) + payload
def value(name):
    return field(1, name) + field(2, field(1, bytes([8, 1]) + field(2, field(1, bytes([8, 2])))))
node = field(1, b"x") + field(1, b"x") + field(2, b"y") + field(4, b"Add")
graph = field(1, node) + field(2, b"g") + field(11, value(b"x")) + field(12, value(b"y"))
model = bytes([8, 8]) + field(7, graph) + field(8, bytes([16, 13]))
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

def handler(event, context):
    import numpy
    return session.run(None, {"x": numpy.ones(2, dtype=numpy.float32)})[0].tolist()
"""

    async def scenario(e):
        paths = (layer("numpy"), layer("onnxruntime"))
        e.function(source, snap_start=True, memory_mb=TWO_VCPUS_MB, layer_paths=paths)
        assert await e.answer() == [2.0, 2.0]
        assert "onnxruntime" in _why_not(e)

    engine(scenario)


CLIENTS = """
import os, time
import boto3, botocore.exceptions, requests
from botocore.config import Config
url = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
session = requests.Session()
client = boto3.client("s3", region_name="us-east-1", endpoint_url=url.rsplit("/", 1)[0],
                      config=Config(retries={"total_max_attempts": 1}))

def ask():
    token = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    url = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    found = session.get(url, headers={"Authorization": token}, timeout=20)
    try:
        client.list_buckets()
    except botocore.exceptions.ClientError as error:  # it is no S3, but it has answered
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return found.status_code, found.json()["AccessKeyId"], status

in_init = ask()
again = ask()  # over the connections that are open now

def handler(event, context):
    time.sleep(0.5)
    return {"init": in_init, "again": again, "mine": ask()}
"""


@pytest.mark.slow
def test_clients_with_open_connections_connect_again(engine, layer):
    names = ("requests", "urllib3", "idna", "certifi", "charset_normalizer")

    async def scenario(e):
        e.function(CLIENTS, snap_start=True, memory_mb=512, layer_paths=(layer(*names),))
        answers = await _answers(e)
        for answer in answers:
            assert answer["init"][0] == answer["again"][0] == answer["mine"][0] == 200
            assert answer["init"][2] == answer["mine"][2]
        assert len({answer["mine"][1] for answer in answers}) == FORKS
        assert _why_not(e) == ""
        assert any("TCP connection to 127.0.0.1:" in line for line in await e.log())

    engine(scenario)


THREADS = """
import concurrent.futures, os, threading, time
lazy = concurrent.futures.ThreadPoolExecutor(2)  # its threads begin with its first work
local = threading.local()
local.value = "kept"
held = threading.RLock()
over = threading.Thread(target=lambda: None)
over.start()
over.join()

def handler(event, context):
    time.sleep(0.2)
    main = threading.main_thread()
    done = list(lazy.map(lambda n: n * n, range(4)))
    started = threading.Thread(target=done.append, args=(16,))
    started.start()
    started.join(5)
    with held:
        return {
            "squares": done, "local": local.value, "native": main.native_id == os.getpid(),
            "current": threading.current_thread() is main, "count": threading.active_count(),
        }
"""


def test_threads_begin_anew_and_what_is_known_of_them_is_right(engine):
    async def scenario(e):
        e.function(THREADS, snap_start=True)
        for answer in await _answers(e):
            assert answer.pop("count") <= 3
            assert answer == {
                "squares": [0, 1, 4, 9, 16], "local": "kept", "native": True, "current": True,
            }  # fmt: skip
        assert _why_not(e) == ""

    engine(scenario)


WEIGHTS_MB = 64
WEIGHTS = """
import gc, time
import numpy
mapped = numpy.load("/var/task/weights.npy", mmap_mode="r")
objects = [{"n": n} for n in range(100_000)]

def handler(event, context):
    total = float(mapped.sum())
    time.sleep(0.5)
    return [total, sum(each["n"] for each in objects), gc.get_freeze_count() > 1000]
"""


@pytest.mark.slow
def test_weights_in_files_stay_there_and_little_is_written(engine, layer):
    """Each fork reads all of 64 MB of mapped weights and of 100,000 objects."""
    numpy = pytest.importorskip("numpy")

    async def scenario(e):
        e.function(WEIGHTS, snap_start=True, memory_mb=512, layer_paths=(layer("numpy"),))
        (target,) = e.targets["f"].versions.values()
        weights = numpy.ones(WEIGHTS_MB << 17)
        numpy.save(target.code_path / "weights.npy", weights)
        total = [float(weights.sum()), 100_000 * 99_999 // 2, True]
        assert await _answers(e) == [total] * FORKS
        (template,) = e.dispatcher.snapshots.standing().values()
        assert template.shared_mb < WEIGHTS_MB  # what is mapped is no memory of the function's
        used = [each for each in e.dispatcher.environments() if each.pid and not each.fresh]
        assert len(used) == FORKS
        each = [snapshot_memory.held(environment.pid) for environment in used]
        for held in each:
            assert held.shared_kb > WEIGHTS_MB * 1024
            # The counts of references to the objects are written, and nothing else is.
            assert held.private_kb < 24 * 1024
        assert (
            snapshot_memory.together(x.pid for x in used).pss_kb < (WEIGHTS_MB + FORKS * 24) * 1024
        )
        for environment in used:
            assert environment.used_mb < WEIGHTS_MB + 60

    engine(scenario)
