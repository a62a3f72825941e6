"""The control plane over one kept-alive connection: create, get, and a list of 1,000 functions.

Each beside the plain case of the same run: creating beside unpacking the same package to disk and
syncing it, reading and listing beside a round trip to the same server that does nothing.
"""

from __future__ import annotations

import base64
import io
import json
import os
import statistics
import tempfile
import time
import zipfile
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.platform_under_test import PYTHON, ROLE, archive, platform

FUNCTIONS = "/2015-03-31/functions"
COUNT = 1000
PACKAGE = archive({"app.py": "def handler(event, context):\n    return event\n"})


class Client:
    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)

    def timed(self, method: str, path: str, body: bytes | None = None) -> tuple[float, bytes]:
        """Milliseconds from the request to the whole answer, and the answer."""
        started = time.perf_counter()
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return (time.perf_counter() - started) * 1000, content

    def close(self) -> None:
        self._connection.close()


def measure() -> dict[str, tuple[float, float]]:
    """Ours and the plain case, in milliseconds, by measure; medians."""
    with platform() as server:
        client = Client(server.port)
        try:
            creates = [client.timed("POST", FUNCTIONS, _create(n))[0] for n in range(COUNT)]
            gets = [client.timed("GET", f"{FUNCTIONS}/bench-{n}")[0] for n in range(300)]
            lists = [_list_all(client) for _ in range(5)]
            nothing = [client.timed("GET", "/healthz")[0] for _ in range(300)]
        finally:
            client.close()
    plain = statistics.median(nothing)
    pages = COUNT // 50
    return {
        "control_plane_create": (statistics.median(creates), _unpacking_ms()),
        "control_plane_get": (statistics.median(gets), plain),
        "control_plane_list_1000": (statistics.median(lists), plain * pages),
    }


def _create(number: int) -> bytes:
    return json.dumps(
        {
            "FunctionName": f"bench-{number}",
            "Runtime": PYTHON,
            "Role": ROLE,
            "Handler": "app.handler",
            "Code": {"ZipFile": base64.b64encode(PACKAGE).decode()},
        }
    ).encode()


def _list_all(client: Client) -> float:
    """All pages, as a paginator reads them."""
    total, seen, marker = 0.0, 0, ""
    while True:
        taken, content = client.timed("GET", f"{FUNCTIONS}?MaxItems=50{marker}")
        page = json.loads(content)
        total, seen = total + taken, seen + len(page["Functions"])
        if "NextMarker" not in page:
            break
        marker = f"&Marker={page['NextMarker']}"
    if seen != COUNT:
        raise RuntimeError(f"{seen} functions are listed")
    return total


def _unpacking_ms() -> float:
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(50):
            started = time.perf_counter()
            target = Path(folder, str(number))
            with zipfile.ZipFile(io.BytesIO(PACKAGE)) as package:
                package.extractall(target)
            with (target / "app.py").open("rb+") as file:
                os.fsync(file.fileno())
            taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)
