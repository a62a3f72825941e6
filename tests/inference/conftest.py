"""The app as a function sees it: a handler call per request, on one event loop.

`KnownAnswers` is a holder of models whose answers are known, so that tests of the wire compare whole
bodies; what models really say is tested under models/.
"""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image as PillowImage

from lambent_inference.errors import ModelNotLoaded, NotFound, WrongFamily
from lambent_inference.handler import Handler
from lambent_inference.models import contract as c
from lambent_inference.service import Service
from lambent_inference.settings import load

BOX = c.Box(x=4.0, y=3.0, width=6.0, height=4.0, confidence=0.9, class_name="cat", class_id=1)
OUTLINE = ((1.0, 1.0), (7.0, 1.0), (7.0, 5.0))
FEATURES = (c.Feature(name="months", kind="integer"), c.Feature(name="plan", kind="string"))
FAMILIES = {
    "coco/3": c.Family.DETECTION,
    "outlines/1": c.Family.SEGMENTATION,
    "bodies/1": c.Family.KEYPOINTS,
    "sorts/1": c.Family.CLASSIFICATION,
    "tags/1": c.Family.CLASSIFICATION,
    "roads/1": c.Family.SEMANTIC,
    "clip/ViT-B-16": c.Family.EMBEDDING,
    "yolo_world/l": c.Family.GROUNDED,
    "grounding_dino/default": c.Family.GROUNDED,
    "doctr/default": c.Family.OCR,
    "easy_ocr/english_g2": c.Family.OCR,
    "churn": c.Family.TABULAR,
}
ALIASES = {"yolov8n-640": "coco/3"}
ASKS = {
    c.Family.DETECTION: c.Detect,
    c.Family.SEGMENTATION: c.Segment,
    c.Family.KEYPOINTS: c.DetectKeypoints,
    c.Family.CLASSIFICATION: c.Classify,
    c.Family.SEMANTIC: c.SegmentSemantics,
    c.Family.EMBEDDING: c.Embed,
    c.Family.GROUNDED: c.DetectNamed,
    c.Family.OCR: c.ReadText,
    c.Family.TABULAR: c.Predict,
}


class KnownAnswers:
    """Holds the models above; `asked` has every question with the key it came with."""

    def __init__(self) -> None:
        self.loaded: dict[str, c.Description] = {}
        self.asked: list[tuple[str, c.Task, str | None]] = []
        self.images: list[c.Image] = []
        self.boxes = 1

    async def add(self, model_id, *, api_key=None, model_type=None):
        model_id = ALIASES.get(model_id, model_id)
        if model_id not in FAMILIES:
            raise NotFound
        if model_id in self.loaded:
            return c.Loaded(self.loaded[model_id])
        family = FAMILIES[model_id]
        table = family is c.Family.TABULAR
        self.loaded[model_id] = c.Description(
            model_id=model_id,
            family=family,
            version="7",
            input_height=None if table else 640,
            input_width=None if table else 640,
            classes=("no", "yes") if table else ("dog", "cat"),
            features=FEATURES if table else (),
        )
        return c.Loaded(self.loaded[model_id], c.Load(model_id, 0.25))

    async def remove(self, model_id):
        if self.loaded.pop(model_id, None) is None:
            raise ModelNotLoaded(model_id)

    async def clear(self):
        self.loaded.clear()

    def usage(self):
        return [c.Usage(name, "3", 7, 4, 0, 1000) for name in self.loaded]

    def describe(self):
        return list(self.loaded.values())

    def fixed(self, family):
        found = [name for name, one in FAMILIES.items() if one is family]
        return found[0] if len(found) == 1 else None

    async def infer(self, model_id, task, images=(), *, api_key=None):
        added = await self.add(model_id, api_key=api_key)
        self.asked.append((model_id, task, api_key))
        self.images.extend(images)
        model = added.model
        if type(task) is not ASKS[model.family]:
            raise WrongFamily(model_id, model.family, type(task).__name__)
        answers = tuple(self.answers(model, task, images))
        loads = (added.load,) if added.load else ()
        return c.Outcome(model=model, answers=answers, seconds=0.5, loads=loads)

    def answers(self, model, task, images):
        match task:
            case c.Embed():
                # Two texts alike are as near as can be, a picture stands at a right angle to both.
                yield from (c.Embedding((1.0, float("dog" in one))) for one in task.texts)
                yield from (c.Embedding((0.0, 1.0)) for _ in images)
            case c.Predict():
                for _ in task.rows:
                    yield c.Row("yes", {"no": 0.2, "yes": 0.8})
            case _:
                yield from (self.seen(model, task, image) for image in images)

    def seen(self, model, task, image):
        size = (image.width, image.height)
        match task:
            case c.Segment():
                rle = {"rle": "abc"} if task.mask_format == "rle" else {"points": OUTLINE}
                return c.Detections(*size, (replace(BOX, **rle),))
            case c.DetectKeypoints():
                nose = c.Keypoint(2.0, 2.0, 0.7, 0, "nose")
                return c.Detections(*size, (replace(BOX, keypoints=(nose,)),))
            case c.Detect() | c.DetectNamed():
                return c.Detections(*size, (BOX,) * self.boxes)
            case c.Classify() if model.model_id == "tags/1":
                scores = (c.ClassScore("dog", 0, 0.1), c.ClassScore("cat", 1, 0.9))
                return c.MultiLabel(*size, scores, ("cat",))
            case c.Classify():
                sure = task.confidence <= 0.9
                return c.SingleLabel(*size, (c.ClassScore("cat", 1, 0.9),) if sure else ())
            case c.SegmentSemantics():
                plane = np.ones((image.height, image.width), np.uint8)
                return c.SemanticMask(*size, plane, plane * 200, ("road", "sky"))
            case c.ReadText():
                return c.Text(*size, "EXIT", (replace(BOX, class_name="EXIT"),))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    """Sends requests to a handler as HTTP-API events."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    @property
    def models(self) -> KnownAnswers:
        return self.handler.service.models

    def get(self, path: str, **query: Any) -> Answer:
        return self.send("GET", path, query=query)

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None, **query):
        return self.send("POST", path, body, headers, query)

    def send(self, method, path, body=None, headers=None, query=None) -> Answer:
        given = {"content-type": "application/json"} if body is not None else {}
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": urlencode(query or {}),
            "headers": given | (headers or {}),
            "body": body if isinstance(body, str) or body is None else json.dumps(body),
            "requestContext": {
                "stage": "$default",
                "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
            },
        }
        answer = self.handler(event)
        return Answer(answer["statusCode"], answer["headers"], answer["body"])


@pytest.fixture
def known_answers() -> KnownAnswers:
    return KnownAnswers()


@pytest.fixture
def client():
    """`client(ALLOW_NUMPY_INPUT="True")`: a server with these variables."""
    made = []

    def make(**environ: str) -> Client:
        environ = {"PREDICTION_LOG": "False", **environ}
        made.append(Handler(Service(load(environ), lambda _: KnownAnswers())))
        return Client(made[-1])

    yield make
    for handler in made:
        handler.close()


@pytest.fixture(scope="session")
def aws_server():
    """S3 and SQS over HTTP, in this process; yields the address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def picture() -> str:
    """An 8 x 6 PNG in base64."""
    stream = io.BytesIO()
    PillowImage.new("RGB", (8, 6), (200, 10, 10)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()
