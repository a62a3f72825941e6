"""What a container image costs at a cold start, beside the same function as a zip, in one run."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import load
from benchmarks.cases import ECHO, Result, result
from benchmarks.platform_under_test import ROLE, Platform, archive, platform
from lambent.delivery.images import build, recipe

TIMES = 9


def image_cold_start() -> Iterator[Result]:
    """The first answer of an image that is unpacked already: our runtime in it, and AWS's client."""
    with tempfile.TemporaryDirectory() as folder, platform() as server:
        work = Path(folder, "app")
        work.mkdir()
        (work / "app.py").write_text(ECHO)
        steps = recipe.from_folder(work)
        handler = recipe.Recipe(steps=steps, command=("app.handler",), entry_point=())
        client = recipe.Recipe(steps=steps, command=("app.handler",))
        layout = Path(folder, "layout")
        images = [
            build.build(one, layout, tag).uri
            for one, tag in ((handler, "handler"), (client, "client"))
        ]
        package = archive({"app.py": ECHO})
        kinds: list[Callable[[str], str]] = [
            lambda name: server.deploy(name, package, "app.handler"),
            lambda name: _deploy(server, name, images[0]),
            lambda name: _deploy(server, name, images[1]),
        ]
        taken: list[list[float]] = [[], [], []]
        for number in range(TIMES + 1):
            for kind, make in enumerate(kinds):
                ms = _first_answer_ms(server, make(f"f{kind}-{number}"), f"f{kind}-{number}")
                if number:  # the first unpacks
                    taken[kind].append(ms)
    zipped, ours, theirs = map(statistics.median, taken)
    yield result("image_cold_start", "ms", ours, zipped, "≤ the zip + 30", met=ours <= zipped + 30)
    yield result("image_cold_start_awslambdaric", "ms", theirs, zipped, "–", met=True)


def _deploy(server: Platform, name: str, uri: str) -> str:
    server.client.create_function(
        FunctionName=name,
        PackageType="Image",
        Role=ROLE,
        Code={"ImageUri": uri},
        MemorySize=1769,
        Timeout=60,
    )
    server.client.get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0, "MaxAttempts": 6000}
    )
    return f"/2015-03-31/functions/{name}/invocations"


def _first_answer_ms(server: Platform, path: str, name: str) -> float:
    with load.connect(server.port) as sock:
        started = time.perf_counter()
        load.exchange(sock, load.request(server.port, path, b"{}"))
        taken_ms = (time.perf_counter() - started) * 1000
    server.delete(name)
    return taken_ms


IMAGE_CASES = {"image_cold_start": image_cold_start}
