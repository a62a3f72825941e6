"""The public client, inference-sdk from PyPI and unchanged, against the server under uvicorn.

It runs in a virtual environment of its own (`scripts/inference_client`): it wants other versions of
numpy and Pillow. A session is one process that prints what each call returned.
"""

import base64
import json
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from lambent_inference.app import create_app
from lambent_inference.models import contract as c
from lambent_inference.service import Service
from lambent_inference.settings import load

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".cache/inference-client"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("inference-sdk")]

SESSION = """
import dataclasses, json, sys, warnings
warnings.simplefilter("ignore")
from inference_sdk import InferenceConfiguration, InferenceHTTPClient
url, picture = sys.argv[1:3]
client = InferenceHTTPClient(api_url=url, api_key="the-key")
found = {}

def plain(value):
    if dataclasses.is_dataclass(value):
        return plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)

def step(name, call):
    try:
        found[name] = plain(call())
    except Exception as error:
        found[name] = {"error": type(error).__name__, "text": str(error)}

exec(sys.stdin.read())
print(json.dumps(found))
"""

CALLS = """
step("info", client.get_server_info)
step("none", client.list_loaded_models)
step("one", lambda: client.infer(picture, model_id="coco/3"))
step("alias", lambda: client.infer(picture, model_id="yolov8n-640"))
step("many", lambda: client.infer([picture, picture], model_id="coco/3"))
with client.use_configuration(InferenceConfiguration(
    confidence_threshold=0.8, iou_threshold=0.5, max_detections=3, class_filter=["cat"],
    visualize_predictions=True, max_batch_size=2,
)):
    step("configured", lambda: client.infer([picture, picture], model_id="coco/3"))
step("segmented", lambda: client.infer(picture, model_id="outlines/1"))
step("keypoints", lambda: client.infer(picture, model_id="bodies/1"))
step("classified", lambda: client.infer(picture, model_id="sorts/1"))
step("loaded", lambda: client.load_model("tags/1"))
step("listed", client.list_loaded_models)
step("described", lambda: client.get_model_description("tags/1"))
step("unloaded", lambda: client.unload_model("tags/1"))
step("cleared", client.unload_all_models)
step("compared", lambda: client.clip_compare("a dog", ["dog", "cat"], subject_type="text"))
step("image_vector", lambda: client.get_clip_image_embeddings(picture))
step("text_vector", lambda: client.get_clip_text_embeddings("a dog"))
step("read", lambda: client.ocr_image(picture))
step("read_easily", lambda: client.ocr_image(picture, model="easy_ocr"))
step("read_otherwise", lambda: client.ocr_image(picture, model="trocr"))
step("world", lambda: client.infer_from_yolo_world(picture, class_names=["cat"]))
step("missing", lambda: client.infer(picture, model_id="nobodys/9"))
step("workflow", lambda: client.run_workflow(specification={}, images={"image": picture}))
client.select_api_v0()
step("legacy", lambda: client.infer(picture, model_id="coco/3"))
step("legacy_classified", lambda: client.infer(picture, model_id="tags/1"))
"""


@pytest.fixture(scope="module")
def python():
    try:
        subprocess.run([ROOT / "scripts/inference_client", VENV], check=True, timeout=600)
    except subprocess.CalledProcessError:
        pytest.skip("inference-sdk cannot be installed: the package index cannot be reached")
    return VENV / "bin/python"


class Live:
    """The app under uvicorn, in a thread."""

    def __init__(self, app):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        config = uvicorn.Config(app, ws="none", log_level="warning")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],))
        self.thread.start()

    def stop(self):
        self.server.should_exit = True
        self.thread.join()
        self.socket.close()


@pytest.fixture
def live(known_answers):
    made = []

    def start(**environ):
        settings = load({"PREDICTION_LOG": "False", **environ})
        made.append(Live(create_app(Service(settings, lambda _: known_answers))))
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.fixture
def session(python, picture, tmp_path):
    (tmp_path / "picture.png").write_bytes(base64.b64decode(picture))

    def run(url, calls):
        done = subprocess.run(
            [python, "-c", SESSION, url, tmp_path / "picture.png"],
            input=calls,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_every_call_of_the_client(live, session, known_answers):
    found = session(live().url, CALLS)
    assert found["info"]["name"] == "Roboflow Inference Server"
    assert found["none"]["models"] == []
    for name in ("one", "alias", "legacy"):
        (box,) = found[name]["predictions"]
        assert (box["class"], box["x"], box["confidence"]) == ("cat", 4.0, 0.9), name
        assert found[name]["image"] == {"width": 8, "height": 6}
    assert [one["image"]["width"] for one in found["many"]] == [8, 8]
    assert len(found["configured"]) == 2
    assert len(base64.b64decode(found["configured"][0]["visualization"])) > 100
    configured = c.Detect(
        confidence=0.8, iou_threshold=0.5, max_detections=3, class_filter=("cat",)
    )
    assert ("coco/3", configured, "the-key") in known_answers.asked
    assert len(found["segmented"]["predictions"][0]["points"]) == 3
    assert found["keypoints"]["predictions"][0]["keypoints"][0]["class"] == "nose"
    assert found["classified"]["top"] == "cat"
    loaded = {one["model_id"]: one["task_type"] for one in found["loaded"]["models"]}
    assert loaded["tags/1"] == "classification"
    assert found["listed"] == found["loaded"]
    assert found["described"]["model_id"] == "tags/1"
    assert "tags/1" not in [one["model_id"] for one in found["unloaded"]["models"]]
    assert found["cleared"]["models"] == []
    assert found["compared"]["similarity"] == pytest.approx([1.0, 0.5**0.5])
    assert found["image_vector"]["embeddings"] == [[0.0, 1.0]]
    assert found["text_vector"]["embeddings"] == [[1.0, 1.0]]
    assert found["read"]["result"] == found["read_easily"]["result"] == "EXIT"
    assert "CORE_MODEL_TROCR_ENABLED" in found["read_otherwise"]["text"]
    assert found["world"][0]["predictions"][0]["class"] == "cat"
    assert "404" in found["missing"]["text"]
    assert "Workflows are not in this version" in found["workflow"]["text"]
    assert found["legacy_classified"]["predicted_classes"] == ["cat"]
    assert {key for *_, key in known_answers.asked} == {"the-key"}


def test_the_client_tries_again_while_a_model_is_not_ready(live, session, known_answers):
    """503 twice, as while another request loads the model; the client's third try is answered."""
    from lambent_inference.errors import NotReady

    real, refused = known_answers.infer, []

    async def not_yet(*args, **options):
        if len(refused) < 2:
            refused.append(time.monotonic())
            raise NotReady
        return await real(*args, **options)

    known_answers.infer = not_yet
    found = session(live().url, 'step("one", lambda: client.infer(picture, model_id="coco/3"))')
    assert len(found["one"]["predictions"]) == 1
    assert len(refused) == 2


def test_a_key_in_the_header(live, session, known_answers):
    calls = """
client.configure(InferenceConfiguration(api_key_transport="header"))
step("one", lambda: client.infer(picture, model_id="coco/3"))
"""
    found = session(live().url, calls)
    assert "predictions" in found["one"], found
    assert {key for *_, key in known_answers.asked} == {"the-key"}


def test_preloading_happens_while_the_server_answers(live, known_answers):
    """A long-running server says 503 on /readiness until its models are there."""
    import urllib.error
    import urllib.request

    gate = threading.Event()
    real = known_answers.add

    async def slow(model_id, **options):
        import asyncio

        await asyncio.to_thread(gate.wait, 60)
        return await real(model_id, **options)

    known_answers.add = slow
    url = live(PRELOAD_MODELS="coco/3,nobodys/9", PINNED_MODELS="sorts/1").url
    with pytest.raises(urllib.error.HTTPError, match="503") as refused:
        urllib.request.urlopen(f"{url}/readiness")
    assert json.loads(refused.value.read()) == {"status": "not ready"}
    refused.value.close()
    with urllib.request.urlopen(f"{url}/healthz") as answer:
        assert answer.status == 200
    gate.set()
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{url}/readiness") as answer:
                assert json.loads(answer.read()) == {"status": "ready"}
            break
        except urllib.error.HTTPError as error:
            error.close()
            time.sleep(0.05)
    else:
        pytest.fail("never ready")
    assert set(known_answers.loaded) == {"coco/3", "sorts/1"}
