"""The measures, one function each. Ours and the peer's alternate within one run."""

from __future__ import annotations

import contextlib
import io
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from benchmarks import control_plane, dev_session, load
from benchmarks.peer import bare_python_ms, rie
from benchmarks.platform_under_test import PYTHON, Platform, archive, platform, pss_mb
from lambent.delivery import training
from lambent.delivery.package import Recipe, build

ECHO = "def handler(event, context):\n    return event\n"
ROOT = Path(__file__).parent.parent
ROUNDS = 5


@dataclass(frozen=True)
class Result:
    """One line of results.json. `ratio` is ours / peer."""

    name: str
    unit: str
    ours: float
    peer: float | None
    ratio: float | None
    budget: str
    met: bool

    def row(self) -> dict[str, object]:
        return {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(self).items()}


def result(
    name: str, unit: str, ours: float, peer: float | None, budget: str, *, met: bool
) -> Result:
    return Result(name, unit, ours, peer, ours / peer if peer else None, budget, met)


@lru_cache(maxsize=1)
def warm() -> tuple[list[float], list[float], list[load.Rate], list[load.Rate]]:
    """Rounds of latency and rate, ours and the peer's in turn."""
    ours, theirs, our_rates, their_rates = [], [], [], []
    with platform() as server, rie(ECHO) as peer:
        path = server.deploy("echo", archive({"app.py": ECHO}), "app.handler")
        for _ in range(ROUNDS):
            ours.append(load.latencies_us(server.port, path, 2000))
            theirs.append(load.latencies_us(peer.port, peer.path, 1000))
        for _ in range(3):
            our_rates.append(load.rate(server.port, path, [server.pid]))
            # The emulator has one environment and refuses a second caller.
            their_rates.append(load.rate(peer.port, peer.path, [peer.pid], connections=1))
    return (
        [statistics.quantiles(r, n=100) for r in ours],
        [statistics.quantiles(r, n=100) for r in theirs],
        our_rates,
        their_rates,
    )


def warm_invoke() -> Iterator[Result]:
    ours, theirs, _, _ = warm()
    for name, at in (("warm_invoke_p50", 49), ("warm_invoke_p99", 98)):
        mine = statistics.median(quantiles[at] for quantiles in ours)
        peer = statistics.median(quantiles[at] for quantiles in theirs)
        if name == "warm_invoke_p50":
            met = mine <= 100 and mine <= peer / 3
            yield result(name, "µs", mine, peer, "≤ 100 and ≤ 1/3 of the peer", met=met)
        else:
            yield result(name, "µs", mine, peer, "≤ the peer", met=mine <= peer)


def invokes_per_second() -> Iterator[Result]:
    _, _, ours, theirs = warm()
    mine = statistics.median(rate.per_cpu_second for rate in ours)
    peer = statistics.median(rate.per_cpu_second for rate in theirs)
    wall = statistics.median(rate.per_second for rate in ours)
    peer_wall = statistics.median(rate.per_second for rate in theirs)
    yield result("invokes_per_second", "1/s per core", mine, peer, "≥ 10,000", met=mine >= 10_000)
    yield result("invokes_per_second_wall", "1/s", wall, peer_wall, "–", met=True)


def cold_start_echo() -> Iterator[Result]:
    with platform() as server:
        package = archive({"app.py": ECHO})
        ours, peer = [], []
        for i in range(7):
            ours.append(_first_answer_ms(server, f"cold-{i}", package, "app.handler"))
            peer.append(bare_python_ms("import json"))
    mine, theirs = statistics.median(ours), statistics.median(peer)
    yield result("cold_start_echo", "ms", mine, theirs, "≤ peer + 60", met=mine <= theirs + 60)


@contextlib.contextmanager
def churn_package() -> Iterator[tuple[bytes, bytes, Path]]:
    """The churn example as `deploy` packs it, its sample event, and the package unpacked."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "churn"
        shutil.copytree(ROOT / "examples" / "churn", work)
        training.run(work, "train.py", PYTHON, ())
        package = build(Recipe(work, PYTHON, direct_limit=250 << 20)).data  # with its bytecode
        tree = Path(folder) / "tree"
        with zipfile.ZipFile(io.BytesIO(package)) as zipped:
            zipped.extractall(tree)
        yield package, (work / "event.json").read_bytes(), tree


def cold_start_churn() -> Iterator[Result]:
    with churn_package() as (package, event, tree), platform(zipped_limit_mb="250") as server:
        bare = "import sys; sys.path.insert(0, '.'); import handler"
        ours, peer = [], []
        for i in range(5):
            ours.append(_first_answer_ms(server, f"churn-{i}", package, "handler.handler", event))
            peer.append(bare_python_ms(bare, tree))
    mine, theirs = statistics.median(ours), statistics.median(peer)
    yield result("cold_start_churn", "ms", mine, theirs, "≤ peer + 60", met=mine <= theirs + 60)


def _first_answer_ms(
    server: Platform, name: str, package: bytes, handler: str, body: bytes = b"{}"
) -> float:
    """From the request to the answer of a function that has no environment yet."""
    path = server.deploy(name, package, handler)
    with load.connect(server.port) as sock:
        started = time.perf_counter()
        load.exchange(sock, load.request(server.port, path, body))
        taken_ms = (time.perf_counter() - started) * 1000
    server.delete(name)
    return taken_ms


def idle_environment_pss() -> Iterator[Result]:
    """Memory that one more idle environment costs, all of its processes counted."""
    count = 20
    with platform() as server:
        body = "import time\ndef handler(event, context):\n    time.sleep(0.3)\n"
        path = server.deploy("idle", archive({"app.py": body}), "app.handler")
        message = load.request(server.port, path, b"{}")

        def together(callers: int) -> None:
            socks = [load.connect(server.port) for _ in range(callers)]
            for sock in socks:
                sock.sendall(message)
            for sock in socks:
                load.answer(sock)
                sock.close()

        together(1)
        before = pss_mb(server.descendants())
        together(count + 1)
        after = pss_mb(server.descendants())
    yield result("idle_environment_pss", "MB", (after - before) / count, None, "–", met=True)


def cli_help() -> Iterator[Result]:
    """`lambent --help`, start to exit, beside a Python that does nothing."""
    command = [str(Path(sys.executable).parent / "lambent"), "--help"]
    ours, peer = [], []
    for _ in range(9):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        ours.append((time.perf_counter() - started) * 1000)
        peer.append(bare_python_ms("pass"))
    mine, theirs = statistics.median(ours), statistics.median(peer)
    yield result("cli_help", "ms", mine, theirs, "≤ 120", met=mine <= 120)


def dev_reload() -> Iterator[Result]:
    """A handler edit under `lambent dev`: from the save to live code, and to its first answer."""
    measured = dev_session.saves()
    mine = statistics.median(save.live_ms for save in measured)
    answered = statistics.median(save.answer_ms for save in measured)
    yield result("dev_reload", "ms", mine, None, "≤ 300", met=mine <= 300)
    yield result("dev_reload_answer", "ms", answered, None, "≤ 300", met=answered <= 300)


def control_plane_calls() -> Iterator[Result]:
    """What `deploy` and an infrastructure tool wait for; peers are the plain cases, see there."""
    for name, (mine, plain) in control_plane.measure().items():
        budget = {
            "control_plane_create": 10,
            "control_plane_get": 2,
            "control_plane_list_1000": 100,
        }
        limit = budget[name]
        yield result(name, "ms", mine, plain, f"≤ {limit}", met=mine <= limit)


CASES = {
    "warm_invoke": warm_invoke,
    "invokes_per_second": invokes_per_second,
    "cold_start_echo": cold_start_echo,
    "cold_start_churn": cold_start_churn,
    "idle_environment_pss": idle_environment_pss,
    "cli_help": cli_help,
    "dev_reload": dev_reload,
    "control_plane": control_plane_calls,
}
"""`--only NAME` runs the case whose name begins NAME, or that yields a result of that name."""
