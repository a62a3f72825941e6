"""Every route's answer is what /openapi.json says that it is; the oracle is a JSON schema validator."""

import jsonschema
import pytest


@pytest.fixture(scope="module")
def document():
    from lambent_inference.app import create_app

    return create_app().openapi()


def wanted(document, method, path, status="200"):
    answer = document["paths"][path][method]["responses"][status]
    return {
        "components": document["components"],
        **answer["content"]["application/json"]["schema"],
    }


LIKE = {"id": "r1", "visualize_predictions": True}
REQUESTS = [
    ("/infer/object_detection", {"model_id": "coco/3", **LIKE}),
    ("/infer/instance_segmentation", {"model_id": "outlines/1", **LIKE}),
    ("/infer/instance_segmentation", {"model_id": "outlines/1", "response_mask_format": "rle"}),
    ("/infer/keypoints_detection", {"model_id": "bodies/1", **LIKE}),
    ("/infer/classification", {"model_id": "sorts/1", **LIKE}),
    ("/infer/classification", {"model_id": "tags/1"}),
    ("/infer/semantic_segmentation", {"model_id": "roads/1"}),
    ("/yolo_world/infer", {"text": ["cat"]}),
    ("/grounding_dino/infer", {"text": ["cat"]}),
    ("/doctr/ocr", {}),
    ("/easy_ocr/ocr", {}),
    ("/clip/embed_image", {}),
    ("/infer/embeddings", {"model_id": "clip/ViT-B-16"}),
]


@pytest.mark.parametrize(("path", "body"), REQUESTS)
def test_answers_about_pictures(client, picture, document, path, body):
    image = {"type": "base64", "value": picture}
    schema = wanted(document, "post", path)
    server = client()
    for given in (image, [image, image]):
        answer = server.post(path, {"image": given, **body})
        assert answer.status == 200, answer.text
        jsonschema.validate(answer.json(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"predictions": []}, schema)
    refused = server.post(path, {"image": image, **body, "model_id": "none/1"})
    assert refused.status == 404
    jsonschema.validate(refused.json(), wanted(document, "post", path, "4XX"))
    unread = server.post(path, {**body, "image": 7})
    assert unread.status == 422
    jsonschema.validate(unread.json(), wanted(document, "post", path, "422"))


OTHERS = [
    ("post", "/clip/embed_text", {"text": "cat"}),
    ("post", "/clip/compare", {"subject": "a", "subject_type": "text", "prompt": {"x": "b"}}),
    ("post", "/infer/tabular", {"model_id": "churn", "rows": [{"months": 1, "plan": "a"}]}),
    ("post", "/model/add", {"model_id": "coco/3"}),
    ("post", "/model/clear", None),
    ("get", "/model/registry", None),
    ("get", "/info", None),
]


@pytest.mark.parametrize(("method", "path", "body"), OTHERS)
def test_other_answers(client, document, method, path, body):
    answer = client().send(method.upper(), path, body)
    assert answer.status == 200, answer.text
    jsonschema.validate(answer.json(), wanted(document, method, path))


@pytest.mark.parametrize(
    "model", ["coco/3", "outlines/1", "bodies/1", "sorts/1", "tags/1", "roads/1"]
)
def test_answers_by_path(client, picture, document, model):
    schema = wanted(document, "post", "/{dataset_id}/{version_id}")
    answer = client().post(f"/{model}", picture, format="image_and_json")
    jsonschema.validate(answer.json(), schema)
