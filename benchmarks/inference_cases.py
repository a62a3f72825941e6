"""Measures of the inference server as a function. What they stand beside: a plain echo or a bare import
in the same run, and in the budgets the figures of the field's open server on such a machine (8 to 14 s
to start, 1.2 GB, 1.26 ms for a warm /info)."""

from __future__ import annotations

import io
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from scripts.package_inference import HANDLER, package

from benchmarks import load
from benchmarks.cases import ECHO, ROUNDS, Result, result
from benchmarks.peer import bare_python_ms
from benchmarks.platform_under_test import Platform, archive, platform, pss_mb

INFO = json.dumps({"httpMethod": "GET", "path": "/info"}).encode()
LIMITS = {"zipped_limit_mb": "250"}
MODULES = ("fastapi", "pydantic", "asyncio", "mangum", "msgspec", "lambent_inference")


def inference_cold_info() -> Iterator[Result]:
    """From the request to the answer of a function that has no environment yet."""
    with tempfile.TemporaryDirectory() as folder, platform(**LIMITS) as server:
        with zipfile.ZipFile(io.BytesIO(package())) as zipped:
            zipped.extractall(folder)
        bare = "import sys; sys.path.insert(0, '.'); import lambent_inference.handler"
        ours, peer = [], []
        for number in range(ROUNDS):
            ours.append(_first_ms(server, server.deploy(f"cold-{number}", package(), HANDLER)))
            server.delete(f"cold-{number}")
            peer.append(bare_python_ms(bare, Path(folder)))
    mine, theirs = statistics.median(ours) / 1000, statistics.median(peer) / 1000
    yield result("inference_cold_info", "s", mine, theirs, "≤ 0.5", met=mine <= 0.5)


def inference_snapshot_info() -> Iterator[Result]:
    """The same from a snapshot: each environment is forked from the version's template."""
    with platform(**LIMITS) as server:
        ours = []
        for number in range(ROUNDS):
            name = f"snap-{number}"
            on = {"SnapStart": {"ApplyOn": "PublishedVersions"}}
            server.deploy(name, package(), HANDLER, **on)
            version = server.client.publish_version(FunctionName=name)["Version"]
            server.client.get_waiter("published_version_active").wait(
                FunctionName=name, Qualifier=version, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
            )
            path = f"/2015-03-31/functions/{name}/invocations?Qualifier={version}"
            ours.append(_first_ms(server, path))
            server.delete(name)
    mine = statistics.median(ours)
    yield result("inference_snapshot_info", "ms", mine, None, "≤ 20", met=mine <= 20)


def inference_warm() -> Iterator[Result]:
    """A warm /info beside a warm echo, and what the environment holds after a thousand of them."""
    ours, peer = [], []
    with platform(**LIMITS) as server:
        echo = server.deploy("echo", archive({"app.py": ECHO}), "app.handler")
        load.latencies_us(server.port, echo, 10)
        before = set(server.descendants())
        path = server.deploy("warm", package(), HANDLER)
        for _ in range(ROUNDS):
            ours.append(statistics.median(load.latencies_us(server.port, path, 1000, INFO)))
            peer.append(statistics.median(load.latencies_us(server.port, echo, 1000)))
        memory = pss_mb([pid for pid in server.descendants() if pid not in before])
    mine, theirs = statistics.median(ours) / 1000, statistics.median(peer) / 1000
    yield result("inference_warm_info", "ms", mine, theirs, "≤ 1.26", met=mine <= 1.26)
    yield result("inference_memory", "MB", memory, None, "≤ 120 (1,200)", met=memory <= 120)


def inference_import() -> Iterator[Result]:
    """Import time by module, each with what it imports first; the peer is FastAPI alone."""
    whole, fastapi, by_module = [], [], {}
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(package())) as zipped:
            zipped.extractall(folder)
        here = "import sys; sys.path.insert(0, '.'); "
        for _ in range(ROUNDS):
            whole.append(bare_python_ms(here + "import lambent_inference.handler", Path(folder)))
            fastapi.append(bare_python_ms(here + "import fastapi", Path(folder)))
            for module, taken in _by_module(Path(folder)).items():
                by_module.setdefault(module, []).append(taken)
    mine, theirs = statistics.median(whole), statistics.median(fastapi)
    yield result(
        "inference_import", "ms", mine, theirs, "≤ 2 × FastAPI alone", met=mine <= 2 * theirs
    )
    for module, taken in by_module.items():
        middle = statistics.median(taken)
        yield result(f"inference_import_{module}", "ms", middle, None, "–", met=True)


def _by_module(tree: Path) -> dict[str, float]:
    """Milliseconds in the modules of each package itself, without what they import."""
    code = "import sys; sys.path.insert(0, '.'); import lambent_inference.handler"
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True)
    taken = dict.fromkeys((*MODULES, "others"), 0.0)
    for own_us, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", done.stderr):
        top = name.partition(".")[0]
        taken[top if top in MODULES else "others"] += int(own_us) / 1000
    return taken


def _first_ms(server: Platform, path: str) -> float:
    with load.connect(server.port) as sock:
        began = time.perf_counter()
        answer = load.exchange(sock, load.request(server.port, path, INFO))
        taken = (time.perf_counter() - began) * 1000
    assert b"Roboflow Inference Server" in answer, answer
    return taken


INFERENCE_CASES = {
    "inference_cold_info": inference_cold_info,
    "inference_snapshot_info": inference_snapshot_info,
    "inference_warm_info": inference_warm,
    "inference_import": inference_import,
}
