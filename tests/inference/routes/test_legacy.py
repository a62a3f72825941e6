"""`/{dataset}/{version}`: the image's three dresses, the query, and three formats of answers."""

import base64
import io
import uuid

import numpy as np
import pytest
from PIL import Image as PillowImage

from lambent_inference.models import contract as c


def test_base64_text_whatever_the_content_type(client, picture):
    server = client()
    for kind in (
        "application/json",
        "application/x-www-form-urlencoded",
        "text/plain",
        "image/png",
    ):
        answer = server.post("/coco/3", picture, {"content-type": kind})
        assert answer.status == 200, answer.text
        assert list(answer.json()) == ["inference_id", "time", "image", "predictions"]
    data_url = f"data:image/png;base64,{picture}"
    assert server.post("/coco/3", data_url).status == 200


def multipart(name, data, filename="a.png"):
    disposition = f'form-data; name="{name}"; filename="{filename}"'
    head = f"--cut\r\nContent-Disposition: {disposition}\r\nContent-Type: image/png\r\n\r\n"
    return head.encode() + data + b"\r\n--cut--\r\n"


def send_bytes(server, path, data, kind):
    context = {"stage": "$default", "http": {"method": "POST", "path": path, "sourceIp": "::1"}}
    body = base64.b64encode(data).decode()
    event = {"version": "2.0", "rawPath": path, "requestContext": context, "body": body}
    return server.handler({**event, "isBase64Encoded": True, "headers": {"content-type": kind}})


def test_multipart_and_pictures_as_they_are(client, picture):
    server = client()
    raw = base64.b64decode(picture)
    kind = "multipart/form-data; boundary=cut"
    assert send_bytes(server, "/coco/3", multipart("file", raw), kind)["statusCode"] == 200
    assert send_bytes(server, "/coco/3", raw, "image/png")["statusCode"] == 200
    other = send_bytes(server, "/coco/3", multipart("picture", raw), kind)
    assert (other["statusCode"], "`file`" in other["body"]) == (400, True)
    broken = send_bytes(server, "/coco/3", b"--cut\r\nnonsense", kind)
    assert broken["statusCode"] == 400


def test_arrays_where_they_are_allowed(client):
    server = client(ALLOW_NUMPY_INPUT="True")
    stream = io.BytesIO()
    blue_green_red = np.zeros((6, 8, 3), np.uint8) + np.array([1, 2, 3], np.uint8)
    np.save(stream, blue_green_red)
    event = multipart("file", stream.getvalue())
    context = {"stage": "$default", "http": {"method": "POST", "path": "/coco/3", "sourceIp": "1"}}
    answer = server.handler(
        {
            "version": "2.0", "rawPath": "/coco/3", "requestContext": context,
            "rawQueryString": "image_type=numpy", "isBase64Encoded": True,
            "body": base64.b64encode(event).decode(),
            "headers": {"content-type": "multipart/form-data; boundary=cut"},
        }
    )  # fmt: skip
    assert answer["statusCode"] == 200, answer["body"]
    assert server.models.images[0].pixels[0, 0].tolist() == [3, 2, 1]


def test_a_url_in_the_query(client):
    answer = client().get("/coco/3", image="http://example.com/a.jpg")
    assert answer.status == 400
    assert "non https://" in answer.json()["message"]


def test_content_types(client):
    server = client()
    context = {"stage": "$default", "http": {"method": "POST", "path": "/coco/3", "sourceIp": "1"}}
    event = {"version": "2.0", "rawPath": "/coco/3", "requestContext": context, "body": "AAAA"}
    missing = server.handler(event)
    assert (missing["statusCode"], missing["body"]) == (
        400, '{"message":"Content-Type header not provided with request."}',
    )  # fmt: skip
    invalid = server.handler({**event, "headers": {"content-type": "nonsense"}})
    assert (invalid["statusCode"], invalid["body"]) == (
        400, '{"message":"Invalid Content-Type header provided with request."}',
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "threshold"),
    [
        ("0.4", 0.4),
        ("40", 0.4),
        ("1", 0.01),
        ("0", 0.01),
        ("best", "best"),
        ("default", "default"),
        ("101", 1.01),
        ("-3", 0.01),
    ],
)
def test_confidence(client, picture, given, threshold):
    server = client()
    assert server.post("/coco/3", picture, confidence=given).status == 200
    assert server.models.asked[0][1].confidence == threshold


def test_the_query_by_family(client, picture):
    server = client(ROBOFLOW_API_KEY="env")
    query = {
        "api_key": "k", "overlap": 50, "max_detections": 4, "keypoint_confidence": 0.2,
        "mask_decode_mode": "tradeoff", "tradeoff_factor": 0.5, "response_mask_format": "rle",
        "disable_preproc_static_crop": "true", "unknown": "x", "source": "external",
        "disable_active_learning": "True", "allow_reduced_mask_resolution": "False",
        "classes": "cat,dog",
    }  # fmt: skip
    for path in ("coco/3", "outlines/1", "bodies/1", "sorts/1", "tags/1", "roads/1"):
        assert server.post(f"/{path}", picture, **query).status == 200, path
    common = {
        "iou_threshold": 0.5, "max_detections": 4, "class_filter": ("cat", "dog"),
        "preprocessing": c.Preprocessing(static_crop=False),
    }  # fmt: skip
    off = {"preprocessing": c.Preprocessing(static_crop=False)}
    masks = {"mask_decode_mode": "tradeoff", "tradeoff_factor": 0.5, "mask_format": "rle"}
    assert [task for _, task, key in server.models.asked if key == "k"] == [
        c.Detect(**common),
        c.Segment(**common, **masks),
        c.DetectKeypoints(**common, keypoint_confidence=0.2),
        c.Classify(**off),
        c.Classify(**off),
        c.SegmentSemantics(**off),
    ]


def test_formats(client, picture):
    server = client()
    other = server.post("/coco/3", picture, format="xml").json()
    assert list(other) == ["inference_id", "time", "image", "predictions"]
    assert uuid.UUID(other["inference_id"])
    both = server.post("/coco/3", picture, format="image_and_json", labels="true", stroke=3).json()
    assert len(both["predictions"]) == 1
    with PillowImage.open(io.BytesIO(base64.b64decode(both["visualization"]))) as drawn:
        assert drawn.format == "JPEG"
    image = server.post("/coco/3", picture, format="image")
    assert image.headers["content-type"] == "image/jpeg"
    with PillowImage.open(io.BytesIO(base64.b64decode(image.text))) as drawn:
        assert (drawn.format, drawn.size) == ("JPEG", (8, 6))


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ({"mask_decode_mode": "x"}, 400, "Invalid mask decode argument sent."),
        ({"confidence": "x"}, 422, None),
        ({"confidence": "nan"}, 422, None),
        ({"overlap": "x"}, 422, None),
        ({"response_mask_format": "x"}, 422, None),
        ({"image_type": "x"}, 400, "Could not load input image. Cause: image type 'x'"),
        (
            {"image_type": "numpy"},
            400,
            "Could not load input image. Cause: NumPy image type is not",
        ),
        ({"countinference": "x"}, 422, None),
        ({"countinference": "false"}, 500, "Service misconfiguration."),
    ],
)
def test_what_is_refused(client, picture, query, status, message):
    answer = client().post("/outlines/1", picture, **query)
    assert answer.status == status, answer.text
    assert message is None or answer.json()["message"].startswith(message)


def test_models_that_want_more_than_a_picture(client, picture):
    answer = client().post("/clip/ViT-B-16", picture)
    assert (answer.status, answer.json()["message"]) == (404, "CLIP: there is no such route.")


def test_a_path_of_two_segments_that_is_no_model(client, picture):
    answer = client().post("/nobodys/9", picture)
    assert answer.status == 404
    assert answer.json()["message"].startswith("Requested Roboflow resource not found.")


def test_switched_off(client, picture):
    answer = client(LEGACY_ROUTE_ENABLED="False").post("/coco/3", picture)
    assert (answer.status, answer.json()["switch"]) == (404, "LEGACY_ROUTE_ENABLED")
