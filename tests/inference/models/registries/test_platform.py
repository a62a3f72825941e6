"""The public platform's API, played by a local server: what is asked, what is kept, how it refuses."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from lambent_inference.errors import (
    Forbidden,
    MissingApiKey,
    NotFound,
    Paused,
    PaymentRequired,
    PlatformMalformed,
    PlatformUnreachable,
    Unauthorized,
)
from lambent_inference.models.contract import Detect
from lambent_inference.models.store import Store

ROWS = {"output0": np.array([[32.0], [32], [20], [10], [0.1], [0.9]])}


class Api:
    def __init__(self, weights: bytes) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.answer: object = None
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                api.asked.append(self.path)
                data = weights if self.path == "/weights" else json.dumps(api.answer).encode()
                self.send_response(200 if self.path == "/weights" else api.status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()
        steps = {"resize": {"enabled": True, "width": 64, "height": 64, "format": "Stretch to"}}
        self.answer = {
            "ort": {
                "type": "object-detection",
                "modelType": "yolov8n",
                "classes": ["cat", "dog"],
                "environment": {"PREPROCESSING": json.dumps(steps)},
                "model": f"{self.url}/weights",
            }
        }


@pytest.fixture
def api(graph):
    made = Api(graph(ROWS))
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


def test_weights_by_key_once(api, ask, blank):
    more = {"api_base_url": api.url, "roboflow_api_key": "secret"}
    (found,) = ask("yolov8n-640", Detect(), [blank()], **more)
    assert [(box.class_name, box.x) for box in found.boxes] == [("dog", 32)]
    path, weights = api.asked
    assert path.startswith("/ort/coco/3?")
    assert "api_key=secret" in path
    assert weights == "/weights"
    ask("coco/3", Detect(), [blank()], **more)
    assert len(api.asked) == 2, "the second process found it in the cache"


def test_without_a_key_it_is_not_asked(api, settings):
    store = Store(settings(api_base_url=api.url))
    with pytest.raises(MissingApiKey):
        store.find("coco/3")
    with pytest.raises(NotFound):
        store.find("coco/three")  # none of its ids
    assert not api.asked


def test_what_one_key_fetched_is_not_anothers(api, settings):
    store = Store(settings(api_base_url=api.url))
    with store.find("coco/3", "one").held():
        pass
    api.status = 401
    with pytest.raises(Unauthorized), store.find("coco/3", "two").held():
        pass


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, Unauthorized), (402, PaymentRequired), (403, Forbidden), (404, NotFound),
     (423, Paused), (500, PlatformMalformed)],
)  # fmt: skip
def test_refusals(api, settings, status, error):
    api.status = status
    with pytest.raises(error), Store(settings(api_base_url=api.url)).find("coco/3", "k").held():
        pass


@pytest.mark.parametrize("answer", [[], {}, {"ort": []}, {"ort": {"model": "file:///etc/passwd"}}])
def test_nonsense(api, settings, answer):
    api.answer = answer
    with (
        pytest.raises(PlatformMalformed),
        Store(settings(api_base_url=api.url)).find("coco/3", "k").held(),
    ):
        pass


def test_a_platform_that_is_away_and_whose_key_is_not_told(settings):
    store = Store(settings(api_base_url="http://127.0.0.1:1"))
    with pytest.raises(PlatformUnreachable) as refused, store.find("coco/3", "secret").held():
        pass
    assert "secret" not in f"{refused.value} {refused.value.detail} {refused.value.message}"
