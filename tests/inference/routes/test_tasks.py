"""The shape of every answer of `/infer/<task>`, what may be asked, and what comes with it."""

import asyncio
import base64
import io
import json
import re

import pytest
from PIL import Image as PillowImage

from lambent_inference.models import contract as c

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BOX = {
    "x": 4.0, "y": 3.0, "width": 6.0, "height": 4.0, "confidence": 0.9, "class": "cat", "class_id": 1,
}  # fmt: skip
HEAD = {"inference_id": "r1", "time": 0.5, "image": {"width": 8, "height": 6}}


@pytest.fixture
def image(picture):
    return {"type": "base64", "value": picture}


def without_ids(value):
    for one in value["predictions"]:
        assert UUID.fullmatch(one.pop("detection_id"))
    return value


def test_object_detection(client, image):
    server = client()
    body = {"id": "r1", "model_id": "coco/3", "image": image, "api_key": None, "unknown": 1}
    answer = server.post("/infer/object_detection", body)
    assert answer.status == 200
    assert list(answer.json()) == ["inference_id", "time", "image", "predictions"]
    assert without_ids(answer.json()) == {**HEAD, "predictions": [BOX]}
    assert server.models.asked == [("coco/3", c.Detect(), None)]


def test_every_parameter_arrives(client, image):
    server = client()
    body = {
        "model_id": "coco/3", "image": image, "confidence": "best", "iou_threshold": 0.7,
        "max_detections": 5, "class_agnostic_nms": True, "class_filter": ["cat"],
        "disable_preproc_contrast": True, "disable_preproc_grayscale": True,
        "disable_preproc_static_crop": True, "max_candidates": 7, "fix_batch_size": True,
    }  # fmt: skip
    assert server.post("/infer/object_detection", body).status == 200
    off = c.Preprocessing(contrast=False, grayscale=False, static_crop=False)
    assert server.models.asked[0][1] == c.Detect(
        confidence="best", iou_threshold=0.7, max_detections=5, class_agnostic_nms=True,
        class_filter=("cat",), preprocessing=off,
    )  # fmt: skip


def test_several_images_make_a_list_in_order(client, image):
    body = {"model_id": "coco/3", "image": [image, image]}
    answers = client().post("/infer/object_detection", body).json()
    assert [one["image"] for one in answers] == [HEAD["image"]] * 2
    one = client().post("/infer/object_detection", {**body, "image": [image]}).json()
    assert isinstance(one, list)


def test_instance_segmentation(client, image):
    body = {"id": "r1", "model_id": "outlines/1", "image": image}
    answer = without_ids(client().post("/infer/instance_segmentation", body).json())
    points = [{"x": 1.0, "y": 1.0}, {"x": 7.0, "y": 1.0}, {"x": 7.0, "y": 5.0}]
    assert answer == {**HEAD, "predictions": [{**BOX, "points": points, "mask_format": "polygon"}]}
    body["response_mask_format"] = "rle"
    answer = without_ids(client().post("/infer/instance_segmentation", body).json())
    rle = {"rle": {"size": [6, 8], "counts": "abc"}, "mask_format": "rle"}
    assert answer["predictions"] == [{**BOX, **rle}]


@pytest.mark.parametrize("wrong", [{"mask_decode_mode": "best"}, {"tradeoff_factor": 2}])
def test_mask_modes(client, image, wrong):
    body = {"model_id": "outlines/1", "image": image, **wrong}
    answer = client().post("/infer/instance_segmentation", body)
    assert answer.status == 400
    assert answer.json()["message"].startswith("Invalid mask decode argument sent.")


def test_keypoints(client, image):
    body = {"id": "r1", "model_id": "bodies/1", "image": image, "keypoint_confidence": 0.3}
    server = client()
    answer = without_ids(server.post("/infer/keypoints_detection", body).json())
    nose = {"x": 2.0, "y": 2.0, "confidence": 0.7, "class_id": 0, "class": "nose"}
    assert answer == {**HEAD, "predictions": [{**BOX, "keypoints": [nose]}]}
    assert server.models.asked[0][1] == c.DetectKeypoints(keypoint_confidence=0.3)
    assert server.post("/infer/keypoints_detection", {**body, "confidence": "best"}).status == 422


def test_classification(client, image):
    server = client()
    body = {"id": "r1", "model_id": "sorts/1", "image": image}
    score = {"class": "cat", "class_id": 1, "confidence": 0.9}
    assert server.post("/infer/classification", body).json() == {
        **HEAD, "predictions": [score], "top": "cat", "confidence": 0.9,
    }  # fmt: skip
    unsure = server.post("/infer/classification", {**body, "confidence": 0.95}).json()
    assert unsure == {**HEAD, "predictions": [], "top": "", "confidence": 0.0}
    body["model_id"] = "tags/1"
    assert server.post("/infer/classification", body).json() == {
        **HEAD,
        "predictions": {
            "dog": {"confidence": 0.1, "class_id": 0},
            "cat": {"confidence": 0.9, "class_id": 1},
        },
        "predicted_classes": ["cat"],
    }


def test_semantic_segmentation(client, image):
    body = {"id": "r1", "model_id": "roads/1", "image": image}
    answer = client().post("/infer/semantic_segmentation", body).json()
    found = answer.pop("predictions")
    assert answer == HEAD
    assert found["class_map"] == {"0": "road", "1": "sky"}
    for key, value in (("segmentation_mask", 1), ("confidence_mask", 200)):
        with PillowImage.open(io.BytesIO(base64.b64decode(found[key]))) as mask:
            assert (mask.format, mask.mode, mask.size) == ("PNG", "L", (8, 6))
            assert mask.getextrema() == (value, value)


def test_visualization_is_a_jpeg_of_the_picture(client, image):
    body = {"model_id": "coco/3", "image": image, "visualize_predictions": True}
    body |= {"visualization_labels": True, "visualization_stroke_width": 2}
    for path, model_id in (
        ("object_detection", "coco/3"), ("instance_segmentation", "outlines/1"),
        ("keypoints_detection", "bodies/1"), ("classification", "sorts/1"),
        ("classification", "tags/1"),
    ):  # fmt: skip
        answer = client().post(f"/infer/{path}", {**body, "model_id": model_id}).json()
        with PillowImage.open(io.BytesIO(base64.b64decode(answer["visualization"]))) as drawn:
            assert (drawn.format, drawn.size) == ("JPEG", (8, 6))


def test_cold_start_headers(client, image):
    server = client()
    body = {"model_id": "coco/3", "image": image}
    cold = server.post("/infer/object_detection", body).headers
    assert cold["x-model-cold-start"] == "true"
    assert cold["x-model-cold-start-count"] == "1"
    assert float(cold["x-model-load-time"]) == 0.25
    assert cold["x-model-load-details"] == '[{"m":"coco/3","t":0.25}]'
    assert (cold["x-model-id"], cold["x-model-version"]) == ("coco/3", "7")
    warm = server.post("/infer/object_detection", body).headers
    assert warm["x-model-cold-start"] == "false"
    assert "x-model-load-time" not in warm
    assert warm["x-model-id"] == "coco/3"


def test_the_key_comes_by_query_header_body_or_environment(client, image):
    server = client(ROBOFLOW_API_KEY="env")
    body = {"model_id": "coco/3", "image": image}
    bearer = {"authorization": "Bearer header"}
    post = server.post
    post("/infer/object_detection", {**body, "api_key": "body"}, bearer, api_key="query")
    post("/infer/object_detection", {**body, "api_key": "body"}, bearer)
    post("/infer/object_detection", {**body, "api_key": "body"})
    post("/infer/object_detection", body)
    assert [key for *_, key in server.models.asked] == ["query", "header", "body", "env"]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"image": None}, 422, None),
        ({"model_id": None}, 400, "Invalid Model ID sent in request."),
        ({"model_id": "../etc"}, 400, "Invalid Model ID sent in request."),
        ({"model_id": "sorts/1"}, 400, "Model sorts/1 is for classification"),
        ({"model_id": "none/1"}, 404, "Requested Roboflow resource not found."),
        ({"image": []}, 400, "Could not load input image. Cause: there is none"),
        ({"confidence": "high"}, 422, None),
        ({"image": {"type": "base64", "value": "!"}}, 400, "Could not load input image. Cause: "),
        ({"image": {"type": "pil", "value": "x"}}, 400, "Could not load input image. Cause: image"),
        ({"image": {"type": "bytes", "value": "x"}}, 400, "Could not load input image. Cause: "),
        ({"image": {"type": "file", "value": "/etc/passwd"}}, 400,
         "Could not load input image. Cause: Loading images from local filesystem is disabled."),
        ({"image": {"type": "url", "value": "http://example.com/a.jpg"}}, 400,
         ("Could not load input image. Cause: Providing images via non https:// URL is not supported "
         "in this configuration of `inference`.")),
        ({"image": {"type": "numpy", "value": "AAAA"}}, 400,
         ("Could not load input image. Cause: NumPy image type is not supported in this configuration "
         "of `inference`.")),
    ],
)  # fmt: skip
def test_what_is_refused(client, image, body, status, message):
    given = {"model_id": "coco/3", "image": image, **body}
    answer = client().post("/infer/object_detection", given)
    assert answer.status == status, answer.text
    if message is None:
        assert {"type", "loc", "msg", "input"} <= set(answer.json()["detail"][0])
    else:
        assert answer.json()["message"].startswith(message)


def test_nulls_and_empty_filters_are_fields_left_out(client, image):
    """The public API's optional fields may be null; a filter of no class filters nothing."""
    server = client()
    fields = (
        "confidence", "iou_threshold", "max_detections", "class_agnostic_nms", "class_filter",
        "fix_batch_size", "max_candidates", "visualize_predictions", "visualization_labels",
        "visualization_stroke_width", "disable_preproc_auto_orient", "disable_preproc_contrast",
        "disable_preproc_grayscale", "disable_preproc_static_crop", "disable_model_monitoring",
        "disable_active_learning", "source", "start", "id", "usage_billable",
    )  # fmt: skip
    body = {"model_id": "coco/3", "image": image}
    answer = server.post("/infer/object_detection", {**body, **dict.fromkeys(fields)})
    assert answer.status == 200, answer.text
    assert UUID.fullmatch(answer.json()["inference_id"])
    server.post("/infer/object_detection", {**body, "class_filter": []})
    assert [task for _, task, _ in server.models.asked] == [c.Detect(), c.Detect()]


ONE = "InferenceRequestImage"
OBJECT = "Input should be a valid dictionary or object to extract fields from"
UNREADABLE = [
    ("{bad", [("json_invalid", ["body", 1], "JSON decode error")]),
    ("[]", [("model_attributes_type", ["body"], OBJECT)]),
    ("{}", [("missing", ["body", "image"], "Field required")]),
    ('{"image": "x"}', [
        ("list_type", ["body", "image", f"list[{ONE}]"], "Input should be a valid list"),
        ("model_attributes_type", ["body", "image", ONE], OBJECT),
    ]),
    ('{"image": {}}', [
        ("list_type", ["body", "image", f"list[{ONE}]"], "Input should be a valid list"),
        ("missing", ["body", "image", ONE, "type"], "Field required"),
    ]),
]  # fmt: skip


# FastAPI wraps a model that is built late in a type of its own and warns about that.
@pytest.mark.filterwarnings("ignore:The 'alias' attribute with value 'body'")
@pytest.mark.parametrize(("body", "errors"), UNREADABLE)
def test_bodies_that_cannot_be_read_are_told_in_fastapis_words(client, body, errors):
    """The oracle is FastAPI itself, with the same model as an ordinary parameter."""
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from lambent_inference.routes.schema import ObjectDetectionInferenceRequest

    answer = client().post("/infer/object_detection", body)
    found = answer.json()["detail"]
    assert [(one["type"], one["loc"], one["msg"]) for one in found] == errors
    plain = FastAPI()

    async def endpoint(body):
        del body

    endpoint.__annotations__["body"] = ObjectDetectionInferenceRequest
    plain.post("/")(endpoint)
    headers = {"content-type": "application/json"}
    told = TestClient(plain).post("/", content=body, headers=headers)
    assert (answer.status, found) == (told.status_code, told.json()["detail"])


@pytest.mark.parametrize("depth", [150, 600, 5000, 100_000])
def test_depths_beyond_any_use(client, depth):
    deep = "[" * depth + "]" * depth
    for body in (f'{{"image": 1, "confidence": {deep}}}', f'{{"image": {deep}}}', deep):
        answer = client().post("/infer/object_detection", body)
        assert answer.status == 422, answer.text[:200]


def test_half_characters(client):
    for body in (r'{"model_id": "\ud800/1", "image": 1}', r'{"id": "\udfff", "image": 1}'):
        answer = client().post("/infer/object_detection", body)
        assert (answer.status, answer.json()["detail"][0]["type"]) == (422, "json_invalid")


def test_numbers_that_are_none(client):
    nan = '{"model_id": "coco/3", "image": {"type": "base64", "value": ""}, "confidence": NaN}'
    answer = client().post("/infer/object_detection", nan)
    assert answer.status == 422


def test_too_many_images(client, image):
    body = {"model_id": "coco/3", "image": [image] * 3}
    answer = client(MAX_IMAGES_PER_REQUEST="2").post("/infer/object_detection", body)
    assert (answer.status, "MAX_IMAGES_PER_REQUEST" in answer.text) == (400, True)


def test_images_that_are_too_large_together(client):
    stream = io.BytesIO()
    PillowImage.new("RGB", (1000, 900)).save(stream, "PNG")
    image = {"type": "base64", "value": base64.b64encode(stream.getvalue()).decode()}
    server = client(MAX_IMAGE_MEGAPIXELS="1")
    body = {"model_id": "coco/3", "image": [image] * 2}
    assert server.post("/infer/object_detection", body).status == 200
    answer = server.post("/infer/object_detection", {**body, "image": [image] * 20})
    assert (answer.status, "too large together" in answer.text) == (400, True)


def test_one_broken_image_of_several(client, image):
    body = {"model_id": "coco/3", "image": [image, {"type": "base64", "value": "!"}, image]}
    answer = client().post("/infer/object_detection", body)
    assert answer.status == 400
    assert answer.json()["message"].startswith("Could not load input image. Cause: ")


def test_a_request_that_is_too_large(client):
    body = {"model_id": "coco/3", "image": {"type": "base64", "value": "A" * (2 << 20)}}
    answer = client(MAX_REQUEST_MB="1").post("/infer/object_detection", body)
    assert (answer.status, "MAX_REQUEST_MB" in answer.json()["message"]) == (413, True)


def test_a_request_that_is_too_slow(client):
    """A long-running server's: a byte now and then, for ever."""
    server = client(REQUEST_TIMEOUT_S="0.3")
    sent = []

    async def drip():
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/infer/object_detection", "query_string": b"",
        "headers": [(b"content-type", b"application/json")], "http_version": "1.1",
        "scheme": "http", "root_path": "", "client": ("192.0.2.1", 1), "server": ("x", 80),
    }  # fmt: skip
    asyncio.run(server.handler.app(scope, drip, send))
    assert sent[0]["status"] == 408
    assert "REQUEST_TIMEOUT_S" in json.loads(sent[1]["body"])["message"]


def test_calls_that_are_not_to_be_counted_need_the_secret(client, image):
    body = {"model_id": "coco/3", "image": image}
    for server, status in ((client(), 500), (client(ROBOFLOW_SERVICE_SECRET="s"), 200)):
        query = {"countinference": "false", "service_secret": "s"}
        answer = server.post("/infer/object_detection", body, **query)
        assert answer.status == status
        if status == 500:
            assert answer.json() == {"message": "Service misconfiguration."}
        assert server.post("/infer/object_detection", body, countinference="true").status == 200
        wrong = server.post("/infer/object_detection", body, countinference="0", service_secret="x")
        assert wrong.status == 500


@pytest.mark.slow
def test_what_breaks_inside_is_told_without_a_trace(client, image, caplog):
    server = client()

    async def broken(*_, **__):
        raise RuntimeError("a secret detail")

    server.models.infer = broken
    body, page = {"model_id": "coco/3", "image": image}, {"origin": "https://shop.example.com"}
    answer = server.post("/infer/object_detection", body, page)
    assert (answer.status, answer.json()) == (500, {"message": "Internal error."})
    assert "x-request-id" in answer.headers
    assert answer.headers["access-control-allow-origin"] == "*", "pages may read that, too"
    assert "a secret detail" in caplog.text
