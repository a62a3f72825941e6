"""Snapshots measured: first predictions, a burst, CPU and memory per environment, scale.

Every measured environment is new: one that has answered is kept busy by a call that holds it until
the end. Memory is counted as what the machine would give to others if all were gone: PSS, page
tables, kernel stacks and slab, never MemAvailable. The density case runs under a memory cap.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import load
from benchmarks.cases import Result, churn_package, result
from benchmarks.peer import bare_python_ms
from benchmarks.platform_under_test import Platform, archive, platform, pss_mb

HOLD_S = 120
PAUSE_S = 0.15
"""Between calls that are alone: a spare is made in this time."""
ROUNDS = 100
HOLDING = """
import time
{imports}

def handler(event, context):
    if event.get("_hold"):
        time.sleep(event["_hold"])
        return None
    return {answer}
"""
DENSE = """
import os
import time
model = bytearray(os.urandom(1 << 20)) * 500

def handler(event, context):
    if event.get("_hold"):
        time.sleep(event["_hold"])
        return None
    return sum(model[::4096])
"""
MB = 1 << 20
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
KERNEL_STACK_KB = 16
CAP_BYTES = 6 << 30


def snap_start(server: Platform, name: str, package: bytes, **options: Any) -> str:
    """A published version with its snapshot; the path of its invoke."""
    path = server.deploy(
        name, package, "held.handler", SnapStart={"ApplyOn": "PublishedVersions"}, **options
    )
    version = server.client.publish_version(FunctionName=name)["Version"]
    server.client.get_waiter("published_version_active").wait(
        FunctionName=name, Qualifier=version, WaiterConfig={"Delay": 0.05, "MaxAttempts": 1200}
    )
    shown = server.client.get_function_configuration(FunctionName=name, Qualifier=version)
    if shown["SnapStart"]["OptimizationStatus"] != "On":
        raise RuntimeError(f"no snapshot: {shown.get('StateReason')}")
    time.sleep(1.0)  # its spare is made
    return f"{path}?Qualifier={version}"


class Holder:
    """Keeps environments that have answered from answering again."""

    def __init__(self, server: Platform, path: str) -> None:
        self._message = load.request(server.port, path, b'{"_hold": %d}' % HOLD_S)
        self._port = server.port
        self._socks: list[socket.socket] = []

    def hold(self) -> None:
        sock = load.connect(self._port)
        sock.sendall(self._message)
        self._socks.append(sock)

    def release(self) -> None:
        for sock in self._socks:
            sock.close()


def alone(server: Platform, path: str, body: bytes, rounds: int) -> list[float]:
    """Milliseconds of first answers, each in an environment of its own, one at a time."""
    holder = Holder(server, path)
    message = load.request(server.port, path, body)
    taken = []
    for _ in range(rounds):
        with load.connect(server.port) as sock:
            started = time.perf_counter()
            load.exchange(sock, message)
            taken.append((time.perf_counter() - started) * 1000)
        holder.hold()
        time.sleep(PAUSE_S)
    holder.release()
    return taken


def together(server: Platform, path: str, body: bytes, count: int) -> float:
    """Milliseconds until `count` calls that come at once are all answered."""
    message = load.request(server.port, path, body)
    socks = [load.connect(server.port) for _ in range(count)]
    started = time.perf_counter()
    for sock in socks:
        sock.sendall(message)
    for sock in socks:
        load.answer(sock)
    taken = (time.perf_counter() - started) * 1000
    for sock in socks:
        sock.close()
    return taken


class Account:
    """CPU time of the server and of all that it started, those that ended included.

    By the kernel's own account where there is one (cgroup v1's cpuacct, as root): what `/proc` says
    of a process is cut to hundredths of a second, and most of those counted here live for less.
    """

    def __init__(self) -> None:
        parent = Path("/sys/fs/cgroup/cpuacct")
        can = os.geteuid() == 0 and (parent / "cpuacct.usage").exists()
        self._group = Path(tempfile.mkdtemp(prefix="lambent-bench-", dir=parent)) if can else None

    @property
    def folder(self) -> str:
        """For `platform`; empty where there is no account."""
        return "" if self._group is None else str(self._group)

    def ms(self, server: Platform) -> float:
        if self._group is not None:
            return int((self._group / "cpuacct.usage").read_text()) / 1e6
        total = 0.0
        for pid in [server.pid, *server.descendants()]:
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += sum(int(field) for field in fields[13:15]) * TICK_MS
                for task in Path(f"/proc/{pid}/task").iterdir():
                    total += int((task / "schedstat").read_text().split()[0]) / 1e6
        return total

    def close(self) -> None:
        if self._group is not None:
            _remove(self._group)


def warm(server: Platform, path: str, body: bytes, rounds: int) -> None:
    """What `alone` asks, of environments that stand: two calls and a pause."""
    message = load.request(server.port, path, body)
    with load.connect(server.port) as sock:
        load.exchange(sock, message)
    for _ in range(rounds):
        for _ in range(2):
            with load.connect(server.port) as sock:
                load.exchange(sock, message)
        time.sleep(PAUSE_S)


def first_prediction() -> Iterator[Result]:
    with (
        contextlib.closing(Account()) as account,
        churn_package() as (package, event, tree),
        platform(cgroup=account.folder, zipped_limit_mb="250") as server,
    ):
        source = HOLDING.format(
            imports="import handler as real", answer="real.handler(event, context)"
        )
        path = snap_start(server, "churn", _with(package, source))
        before = account.ms(server)
        taken = alone(server, path, event, ROUNDS)
        between = account.ms(server)
        warm(server, path, event, ROUNDS)
        cpu = (between - before - (account.ms(server) - between)) / ROUNDS
        bare = "import sys; sys.path.insert(0, '.'); import handler"
        peer = statistics.median(bare_python_ms(bare, tree) for _ in range(3))
        bursts = []
        for number in range(3):
            name = f"burst-{number}"
            bursts.append(
                together(server, snap_start(server, name, _with(package, source)), event, 50)
            )
    p50 = statistics.median(taken)
    p99 = statistics.quantiles(taken, n=100)[98]
    yield result("snapshot_first_prediction_p50", "ms", p50, peer, "≤ 6", met=p50 <= 6)
    yield result("snapshot_first_prediction_p99", "ms", p99, peer, "≤ 12", met=p99 <= 12)
    burst = statistics.median(bursts)
    yield result("snapshot_burst_50", "ms", burst, None, "≤ 120", met=burst <= 120)
    yield result("snapshot_cpu_per_environment", "ms", cpu, None, "≤ 4", met=cpu <= 4)


def _with(package: bytes, source: str) -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO(package)
    with zipfile.ZipFile(buffer, "a") as zipped:
        zipped.writestr("held.py", source)
    return buffer.getvalue()


def density() -> Iterator[Result]:
    count = 100
    with _memory_cap() as cap, platform(cgroup=cap) as server:
        path = snap_start(server, "dense", archive({"held.py": DENSE}), MemorySize=1024)
        slab = _slab_mb()
        alone(server, path, b"{}", count)
        used = _memory_mb(server) + _slab_mb() - slab
    yield result("density_500mb_x100", "GB", used / 1024, None, "≤ 1", met=used <= 1024)


def _memory_mb(server: Platform) -> float:
    pids = server.descendants()
    total = pss_mb(pids)
    for pid in pids:
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{pid}/status").read_text()
            facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            total += int(facts.get("VmPTE", "0 kB").split()[0]) / 1024
            total += int(facts["Threads"]) * KERNEL_STACK_KB / 1024
    return total


def _slab_mb() -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("SUnreclaim:"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextlib.contextmanager
def _memory_cap() -> Iterator[str]:
    """A memory group that ends us, and nobody else, if this measure is wrong; root of v1 only."""
    parent = Path("/sys/fs/cgroup/memory")
    if os.geteuid() != 0 or not (parent / "memory.limit_in_bytes").exists():
        yield ""
        return
    group = Path(tempfile.mkdtemp(prefix="lambent-bench-", dir=parent))
    (group / "memory.limit_in_bytes").write_text(str(CAP_BYTES))
    try:
        yield str(group)
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    for _ in range(100):
        try:
            group.rmdir()
            break
        except OSError:
            time.sleep(0.1)


def scale() -> Iterator[Result]:
    count = 1000
    source = HOLDING.format(imports="", answer="event")
    limits = {"concurrency_limit": "2000", "scaling_rate": "2000", "network": "none"}
    with _memory_cap() as cap, platform(cgroup=cap, **limits) as server:
        path = snap_start(server, "scale", archive({"held.py": source}), MemorySize=128)
        holding = load.request(server.port, path, b'{"_hold": 8}')
        socks = [load.connect(server.port) for _ in range(count)]
        started = time.perf_counter()
        for sock in socks:
            sock.sendall(holding)
        for sock in socks:
            load.answer(sock)
        taken = time.perf_counter() - started - 8
        for sock in socks:
            sock.close()
    yield result("scale_to_1000", "s", taken, None, "≤ 3", met=taken <= 3)


SNAPSHOT_CASES = {
    "snapshot": first_prediction,
    "density_500mb_x100": density,
    "scale_to_1000": scale,
}
