"""Fuzz and long runs, outside `make test`: `make soak`, or `SECONDS_EACH=600 make soak`.

Each run starts a real server in a scratch folder and ends by itself. It fails when the server dies,
stops answering, keeps what it should have given back (processes, descriptors, memory), answers with
a fault of its own, lets a connection hang, or shows one account what another has.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import sys
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import load
from benchmarks.platform_under_test import Platform, archive, platform

from lambent.api.operations import DIRECT, served
from scripts import attacks, fuzz_beside, modelled

SECONDS_EACH = float(os.environ.get("SECONDS_EACH", "60"))
CASES = max(10_000, int(os.environ.get("CASES", "10000")))
"""Fuzzed requests, half of them raw bytes."""
SEED = int(os.environ.get("SEED", str(time.time_ns())))

MISCHIEF = """
import os, time
def handler(event, context):
    what = event.get("do")
    if what == "raise":
        raise ValueError("asked to")
    if what == "exit":
        os._exit(3)
    if what == "hang":
        time.sleep(60)
    if what == "print":
        print("x" * 100_000)
    if what == "file":
        open(f"/tmp/{context.aws_request_id}", "w").write("y" * 10_000)
    return event
"""


def fuzz_http(server: Platform, rng: random.Random, cases: int) -> int:
    """Random and half-right requests; each connection must end, and none with a fault of ours."""
    pieces = [
        b"POST /2015-03-31/functions/echo/invocations HTTP/1.1\r\n",
        b"GET /2015-03-31/functions/ HTTP/1.1\r\n",
        b"Host: x\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"{}",
        b"\x00\xff\xfe",
    ]
    for sent in range(cases):
        message = b"".join(rng.choices(pieces, k=rng.randrange(1, 12)))
        if rng.random() < 0.3:
            at = rng.randrange(len(message) + 1)
            message = message[:at] + rng.randbytes(rng.randrange(40)) + message[at:]
        answer = attacks.talk(server.port, message)
        fault = re.search(rb"HTTP/1\.1 5(?!01|05)\d\d[^\r]*", answer)
        if fault:
            raise SystemExit(f"error: case {sent}: {message!r} was answered {fault[0]!r}")
    return cases


def fuzz_modelled(server: Platform, rng: random.Random, cases: int) -> Counter[int]:
    """Requests of every served operation, made from botocore's model; counts of statuses."""
    names = sorted(DIRECT | served().keys())
    secret = f"secret-{rng.getrandbits(64):x}"
    server.deploy("theirs", archive({"app.py": MISCHIEF}), "app.handler", Description=secret)
    maker, counts = modelled.Maker(rng), Counter[int]()
    create = modelled.MODEL.operations["CreateFunction"]
    for case in range(cases):
        if case % 50 == 0:
            for name in modelled.NAMES:
                modelled.send(server.port, create, modelled.create_call(name))
        operation = modelled.MODEL.operations[rng.choice(names)]
        members = maker.members(operation)
        answer = modelled.send(server.port, operation, members)
        problem = modelled.judge(operation, answer, secret.encode())
        if problem:
            raise SystemExit(f"error: case {case}: {operation.name} {members!r}: {problem}")
        counts[answer.status] += 1
    return counts


def mischief(server: Platform, path: str, rng: random.Random, seconds: float) -> dict[int, int]:
    """Sixteen callers of a function that fails in every way; counts of statuses."""
    counts: dict[int, int] = {}
    lock = threading.Lock()
    end = time.monotonic() + seconds

    def caller(seed: int) -> None:
        mine = random.Random(seed)
        while time.monotonic() < end:
            what = mine.choice(["ok"] * 10 + ["raise", "exit", "print", "file", "hang"])
            with load.connect(server.port) as sock:
                body = b'{"do":"%s"}' % what.encode()
                sock.sendall(load.request(server.port, path, body))
                if what == "hang" and mine.random() < 0.5:
                    continue  # leave without waiting
                head = sock.recv(65536)
            with lock:
                status = int(head[9:12] or b"0")
                counts[status] = counts.get(status, 0) + 1

    callers = [threading.Thread(target=caller, args=(rng.random(),)) for _ in range(16)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    return counts


def descriptors(server: Platform) -> int:
    """What the server has open, but for log files, of which it keeps the last few dozen."""
    count = 0
    for fd in Path(f"/proc/{server.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            count += ".log" not in str(fd.readlink())
    return count


def main() -> int:
    print(f"seed {SEED}, {SECONDS_EACH:.0f} s each (SEED=, SECONDS_EACH= change them)")
    rng = random.Random(SEED)
    with platform(idle_s="1") as server:
        path = server.deploy("echo", archive({"app.py": MISCHIEF}), "app.handler")
        server.client.update_function_configuration(FunctionName="echo", Timeout=2)
        server.client.get_waiter("function_updated_v2").wait(FunctionName="echo")
        load.latencies_us(server.port, path, 50)
        time.sleep(4)
        before = descriptors(server), len(server.descendants())
        print(f"› http fuzz: {fuzz_http(server, rng, CASES // 2)} connections, none hung")
        print(f"› modelled fuzz: {fuzz_modelled(server, rng, CASES // 2)}")
        print(f"› fuzz of the services beside: {fuzz_beside.run(server.port, rng, CASES // 2)}")
        for name, attack in attacks.ALL.items():
            attack(server.port)
            print(f"› {name}: refused")
        load.latencies_us(server.port, path, 50)
        print(f"› mischief: {mischief(server, path, rng, SECONDS_EACH)}")
        load.latencies_us(server.port, path, 50)
        time.sleep(6)  # environments are given back after a second of idleness
        after = descriptors(server), len(server.descendants())
        print(f"  descriptors, processes before {before}, after {after}")
        if after[0] > before[0] + 10 or after[1] > before[1]:
            print("error: something was not given back")
            return 1
        if server.process.poll() is not None:
            print("error: the server is gone")
            return 1
    print("held")
    return 0


if __name__ == "__main__":
    sys.exit(main())
