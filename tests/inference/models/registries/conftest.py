"""A registry over HTTP that can be made to lie, and Redis's wire protocol as far as it is used."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class Registry:
    """Serves a folder; `faults` by path say what goes wrong, call by call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: dict[str, list] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.tokens: set[str | None] = set()
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                registry.answer(self)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def count(self, end: str) -> int:
        return sum(path.endswith(end) for path, _ in self.asked)

    def answer(self, call: BaseHTTPRequestHandler) -> None:
        path, wanted = call.path, call.headers.get("Range")
        self.asked.append((path, wanted))
        self.tokens.add(call.headers.get("Authorization"))
        name = path.rpartition("/")[2]
        faults = self.faults.get(name)
        fault = (faults.pop(0) if len(faults) > 1 else faults[0]) if faults else None
        if isinstance(fault, int) and fault >= 300:
            call.send_response(fault)
            call.send_header("Content-Length", "0")
            call.end_headers()
            return
        file = self.folder / path.lstrip("/")
        if not file.is_file():
            call.send_error(404)
            return
        data = file.read_bytes()
        if fault == "other":
            data = bytes(len(data))
        begin = int(wanted.split("=")[1].rstrip("-")) if wanted and fault != "whole" else 0
        call.send_response(206 if begin else 200)
        call.send_header("Content-Length", str(len(data) - begin))
        if begin:
            call.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        call.end_headers()
        end = len(data)
        if isinstance(fault, tuple):  # ("cut", bytes) or ("stall", bytes)
            end = min(end, begin + fault[1])
        call.wfile.write(data[begin:end])
        if isinstance(fault, tuple) and fault[0] == "stall":
            self.released.wait(60)
        if end < len(data):
            call.close_connection = True

    released = threading.Event()

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def registry(root, write, graph):
    """One model in a registry over HTTP, and what its index says."""
    import numpy as np

    from lambent_inference.models import index

    # A hundred thousand bytes, so that a download has a middle.
    rows = {"output0": np.random.default_rng(0).random((5, 20_000)) * 0.1}
    manifest = write("shapes/1", {"weights.onnx": graph(rows)}, classes=["a"], aliases=["forms"])
    known = index.Index()
    known.add(manifest)
    known.models["shapes"].aliases["production"] = "1"
    (root / "index.json").write_bytes(index.encode(known))
    served = Registry(root)
    served.released = threading.Event()
    yield served
    served.close()


@pytest.fixture
def remote(registry, settings):
    """remote(**settings) → a registry that has little patience, and its cache."""
    from lambent_inference.models.cache import Cache
    from lambent_inference.models.download import Patience
    from lambent_inference.models.registries.remote import Remote, web
    from lambent_inference.models.registries.shared import Shared

    def remote(request_s=20.0, max_mb=0, **more):
        configured = settings(**more)
        cache = Cache(configured.model_cache_dir, max_mb=max_mb)
        patience = Patience(request_s=request_s, pause_s=0.01)
        return Remote(
            registry.uri, web(configured.model_registry_token), cache, Shared(configured), patience
        )

    return remote
