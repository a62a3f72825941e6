"""CLIP, OCR, named objects, tables, the model routes, and the contracts of others."""

import json

import pytest

from lambent_inference.models import contract as c

BOX = {
    "x": 4.0, "y": 3.0, "width": 6.0, "height": 4.0, "confidence": 0.9, "class": "cat", "class_id": 1,
}  # fmt: skip
NULLS = {"class_confidence": None, "tracker_id": None, "parent_id": None}


@pytest.fixture
def image(picture):
    return {"type": "base64", "value": picture}


# ── CLIP and embeddings ──────────────────────────────────────────────────────────────────────────


def test_clip_embeds_images_and_texts_and_keeps_nulls(client, image):
    server = client()
    one = {"inference_id": "r1", "frame_id": None, "time": 0.5, "embeddings": [[0.0, 1.0]]}
    assert server.post("/clip/embed_image", {"id": "r1", "image": image}).json() == one
    texts = server.post("/clip/embed_text", {"id": "r1", "text": ["a cat", "a dog"]}).json()
    assert texts["embeddings"] == [[1.0, 0.0], [1.0, 1.0]]
    assert server.post("/clip/embed_text", {"text": "a"}).json()["embeddings"] == [[1.0, 0.0]]
    assert server.post("/clip/embed_text", {"text": "a", "clip_version_id": "RN50"}).status == 404


def test_clip_compares(client, image):
    server = client()
    body = {"id": "r1", "subject": "a dog", "subject_type": "text", "prompt": ["dog", "cat"]}
    near = server.post("/clip/compare", body).json()
    assert near.pop("similarity") == pytest.approx([1.0, 0.5**0.5])
    assert near == {"inference_id": "r1", "frame_id": None, "time": 1.0, "parent_id": None}
    body = {"subject": image, "prompt": {"d": "dog", "c": "cat"}}
    named = server.post("/clip/compare", body).json()["similarity"]
    assert named == pytest.approx({"d": 0.5**0.5, "c": 0.0})
    body = {"subject": image, "prompt": image, "prompt_type": "image"}
    assert server.post("/clip/compare", body).json()["similarity"] == [1.0]
    for wrong in ({"prompt": []}, {"prompt": [image]}, {"prompt": {}}):
        assert server.post("/clip/compare", {"subject": image, **wrong}).status == 400


def test_embeddings_of_the_only_model(client, image):
    server = client()
    answer = server.post("/infer/embeddings", {"id": "r1", "image": [image], "text": "dog"}).json()
    assert answer == {
        "inference_id": "r1", "frame_id": None, "time": 1.0, "embeddings": [[0.0, 1.0], [1.0, 1.0]],
    }  # fmt: skip
    assert server.post("/infer/embeddings", {}).status == 400


# ── OCR ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("route", "boxes"), [("doctr", False), ("easy_ocr", True)])
def test_ocr(client, image, route, boxes):
    """docTR draws boxes when it is asked to, EasyOCR unless it is asked not to."""
    server = client()
    plain = {"result": "EXIT", "time": 0.5, "parent_id": None}
    no_boxes = {"generate_bounding_boxes": None if route == "doctr" else False}
    assert server.post(f"/{route}/ocr", {"image": image, **no_boxes}).json() == plain
    two = server.post(f"/{route}/ocr", {"image": [image, image], **no_boxes}).json()
    assert two == [plain, plain]
    assert ("predictions" in server.post(f"/{route}/ocr", {"image": image}).json()) == boxes
    body = {"image": image, "generate_bounding_boxes": True, "language_codes": ["de"]}
    whole = server.post(f"/{route}/ocr", body).json()
    assert list(whole) == ["result", "image", "predictions", "time", "parent_id"]
    assert whole["predictions"][0].pop("detection_id")
    assert whole == {
        **plain, "image": {"width": 8, "height": 6}, "predictions": [{**BOX, "class": "EXIT"}],
    }  # fmt: skip
    languages = ("en",) if route == "doctr" else ("de",)
    assert server.models.asked[-1][1] == c.ReadText(languages=languages, boxes=True)


# ── objects by name ──────────────────────────────────────────────────────────────────────────────


def test_yolo_world(client, image):
    server = client()
    body = {"id": "r1", "image": image, "text": ["cat", "dog"], "confidence": 0.01}
    answer = server.post("/yolo_world/infer", body).json()
    assert answer["predictions"][0].pop("detection_id")
    assert answer == {
        "inference_id": "r1", "time": 0.5, "image": {"width": 8, "height": 6}, "predictions": [BOX],
    }  # fmt: skip
    assert server.models.asked[-1][:2] == (
        "yolo_world/l", c.DetectNamed(texts=("cat", "dog"), confidence=0.01),
    )  # fmt: skip
    assert server.post("/yolo_world/infer", {"image": image}).status == 422


def test_grounding_dino_keeps_nulls(client, image):
    server = client()
    body = {"image": image, "text": ["cat"], "box_threshold": 0.3, "class_agnostic_nms": True}
    answer = server.post("/grounding_dino/infer", body, api_key="k").json()
    assert answer["predictions"][0].pop("detection_id")
    assert answer["predictions"] == [{**BOX, **NULLS}]
    assert (answer["visualization"], answer["frame_id"]) == (None, None)
    task = c.DetectNamed(texts=("cat",), confidence=0.3, class_agnostic_nms=True)
    assert server.models.asked[-1] == ("grounding_dino/default", task, "k")


# ── tables ───────────────────────────────────────────────────────────────────────────────────────


def test_tabular(client):
    server = client()
    rows = [{"months": 3, "plan": "basic"}, [4, "plus"]]
    answer = server.post("/infer/tabular", {"id": "r1", "rows": rows})
    said = {"prediction": "yes", "probability": 0.8, "probabilities": {"no": 0.2, "yes": 0.8}}
    assert answer.json() == {
        "inference_id": "r1", "time": 0.5, "model_id": "churn", "model_version": "7",
        "predictions": [said, said],
    }  # fmt: skip
    assert answer.headers["x-model-version"] == "7"
    assert server.models.asked[-1][1] == c.Predict(rows=tuple(rows))
    assert server.get("/infer/tabular/schema").json() == {
        "model_id": "churn",
        "model_version": "7",
        "features": [
            {"name": "months", "kind": "integer", "required": True},
            {"name": "plan", "kind": "string", "required": True},
        ],
        "classes": ["no", "yes"],
    }
    for wrong in ({"rows": []}, {"rows": "x"}, {}):
        assert server.post("/infer/tabular", wrong).status == 422
    assert server.post("/infer/tabular", {"rows": rows, "model_id": "coco/3"}).status == 400


def test_errors_name_the_feature(client):
    from lambent_inference.errors import InvalidFeatures

    server = client()

    async def refuse(*_, **__):
        problems = [{"row": 0, "feature": "months", "problem": "is not a whole number"}]
        raise InvalidFeatures(problems)

    server.models.infer = refuse
    answer = server.post("/infer/tabular", {"rows": [{"months": "x"}]})
    assert answer.status == 400
    assert answer.json() == {
        "message": "Feature 'months' of row 0: is not a whole number",
        "features": [{"row": 0, "feature": "months", "problem": "is not a whole number"}],
    }


# ── SageMaker and MLflow ─────────────────────────────────────────────────────────────────────────

ROW = {"months": 3, "plan": "basic"}


def test_ping(client):
    assert client().get("/ping").status == 200


@pytest.mark.parametrize(
    ("body", "kind", "rows"),
    [
        ("3,basic\n4,plus\n", "text/csv", [[3, "basic"], [4, "plus"]]),
        ("months,plan\n3,basic\n", "text/csv", [ROW]),
        ("a,b\n3,basic\n", "text/csv; header=present", [{"a": 3, "b": "basic"}]),
        ("months,plan\n", "text/csv; header=absent", [["months", "plan"]]),
        ("1.5,\n", "text/csv; charset=utf-8", [[1.5, None]]),
        ({"dataframe_split": {"columns": ["months", "plan"], "data": [[3, "basic"]]}}, "", [ROW]),
        ({"dataframe_records": [ROW]}, "", [ROW]),
        ({"instances": [[3, "basic"]]}, "", [[3, "basic"]]),
        ({"instances": [3, "basic"]}, "", [[3, "basic"]]),
        ({"inputs": {"months": [3], "plan": ["basic"]}}, "", [ROW]),
        ([[3, "basic"]], "", [[3, "basic"]]),
    ],
)
def test_tables_of_every_shape(client, body, kind, rows):
    server = client()
    headers = {"content-type": kind or "application/json"}
    answer = server.post("/invocations", body, headers)
    assert answer.status == 200, answer.text
    assert answer.json() == {"predictions": ["yes"] * len(rows)}
    assert server.models.asked[-1][:2] == ("churn", c.Predict(rows=tuple(rows)))


def test_csv_is_answered_with_csv_where_it_is_accepted(client):
    headers = {"content-type": "text/csv", "accept": "text/csv"}
    answer = client().post("/invocations", "3,basic\n4,plus\n", headers)
    assert answer.text == "yes\nyes\n"
    assert answer.headers["content-type"].startswith("text/csv")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("{", "application/json"),
        ("[" * 100_000, "application/json"),
        ('{"dataframe_split": {"data": 3}}', "application/json"),
        ('{"dataframe_split": 3}', "application/json"),
        ('{"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}', "application/json"),
        ('{"dataframe_split": {"columns": [["a"]], "data": [[1]]}}', "application/json"),
        ('{"inputs": {"a": [1], "b": [1, 2]}}', "application/json"),
        ('{"inputs": [[{"a": 1}]]}', "application/json"),
        ('{"inputs": []}', "application/json"),
        ('{"unknown": 1}', "application/json"),
        ("3", "application/json"),
        ("", "text/csv"),
        ("a,b\n1\n", "text/csv; header=present"),
        ("x", "application/x-npy"),
    ],
)
def test_invocations_that_make_no_sense(client, body, kind):
    answer = client().post("/invocations", body, {"content-type": kind})
    assert (answer.status, list(answer.json())) == (400, ["message"]), answer.text


def test_pictures_by_invocation(client, image):
    server = client()
    body = {"image": image, "api_key": "k"}
    answer = server.post("/invocations", body).json()
    assert len(answer["predictions"]) == 1
    assert server.models.asked[-1] == ("coco/3", c.Detect(), "k")
    target = {"x-amzn-sagemaker-target-model": "outlines/1"}
    assert "points" in server.post("/invocations", body, target).json()["predictions"][0]


# ── KServe ───────────────────────────────────────────────────────────────────────────────────────


def test_kserve_says_what_it_is(client):
    server = client()
    assert server.get("/v2").json()["name"] == "lambent-inference"
    assert server.get("/v2/health/live").json() == {"live": True}
    assert server.get("/v2/health/ready").json() == {"ready": True}
    assert server.get("/v2/models/churn/ready").json() == {"name": "churn", "ready": True}
    described = {
        "name": "churn",
        "versions": ["7"],
        "platform": "onnxruntime",
        "inputs": [
            {"name": "months", "datatype": "INT64", "shape": [-1]},
            {"name": "plan", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": "prediction", "datatype": "BYTES", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]},
        ],
    }
    assert server.get("/v2/models/churn").json() == described
    assert server.get("/v2/models/churn/versions/7").json() == described
    assert server.get("/v2/models/churn/versions/8").status == 404
    assert server.get("/v2/models/nobodys/9").status == 404
    assert server.get("/v2/models/coco/3").json()["inputs"][0]["name"] == "image"
    assert server.post("/v2/elsewhere", {}).status == 404


def tensor(name, shape, data, datatype="INT64"):
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


@pytest.mark.parametrize(
    ("inputs", "rows"),
    [
        (
            [tensor("months", [2], [3, 4]), tensor("plan", [2, 1], [["a"], ["b"]], "BYTES")],
            [{"months": 3, "plan": "a"}, {"months": 4, "plan": "b"}],
        ),
        ([tensor("rows", [2, 2], [1, 2, 3, 4])], [[1, 2], [3, 4]]),
        ([tensor("rows", [2, 2], [[1, 2], [3, 4]])], [[1, 2], [3, 4]]),
    ],
)
def test_kserve_predicts(client, inputs, rows):
    server = client()
    answer = server.post("/v2/models/churn/infer", {"id": "r1", "inputs": inputs})
    assert answer.json() == {
        "model_name": "churn",
        "model_version": "7",
        "id": "r1",
        "outputs": [
            {"name": "prediction", "datatype": "BYTES", "shape": [2], "data": ["yes", "yes"]},
            {
                "name": "probabilities",
                "datatype": "FP64",
                "shape": [2, 2],
                "data": [0.2, 0.8, 0.2, 0.8],
                "parameters": {"classes": ["no", "yes"]},
            },
        ],
    }
    assert server.models.asked[-1][1] == c.Predict(rows=tuple(rows))


def test_kserve_sees(client, picture):
    inputs = [tensor("image", [1], [picture], "BYTES")]
    (output,) = client().post("/v2/models/coco/3/infer", {"inputs": inputs}).json()["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1])
    assert json.loads(output["data"][0])["image"] == {"width": 8, "height": 6}


@pytest.mark.parametrize(
    "inputs",
    [
        [],
        [tensor("rows", [3, 2], [1, 2])],
        [tensor("rows", [-1, -2], [1, 2])],
        [tensor("rows", [1], [{"a": 1}])],
        [tensor("months", [1], [1]), tensor("plan", [2], ["a", "b"])],
        [{"name": "months"}],
    ],
)
def test_kserve_refuses(client, inputs):
    answer = client().post("/v2/models/churn/infer", {"inputs": inputs})
    assert answer.status == 400, answer.text


# ── /model/… ─────────────────────────────────────────────────────────────────────────────────────


def test_the_life_of_a_model(client, image):
    server = client()
    nulls = {
        "total_vram_bytes": None, "gpu_memory_used": None, "gpu_memory_total": None,
        "torch_cuda_allocated": None, "torch_cuda_reserved": None,
        "torch_cuda_allocator_cache": None, "non_torch_gpu_memory": None,
    }  # fmt: skip
    entry = {
        "model_id": "coco/3", "task_type": "object-detection", "batch_size": None,
        "input_height": 640, "input_width": 640, "vram_bytes": None, "request_aliases": [],
        "request_paths": [],
    }  # fmt: skip
    assert server.get("/model/registry").json() == {"models": [], **nulls}
    added = server.post("/model/add", {"model_id": "yolov8n-640", "api_key": None})
    assert added.json() == {"models": [entry], **nulls}
    assert added.headers["x-model-cold-start"] == "true"
    assert server.get("/model/registry", api_key="k").json()["models"] == [entry]
    assert server.post("/model/remove", {"model_id": "coco/3"}).json()["models"] == []
    gone = server.post("/model/remove", {"model_id": "coco/3"})
    assert (gone.status, gone.json()) == (404, {"message": "Model with id coco/3 not loaded."})
    server.post("/infer/classification", {"model_id": "sorts/1", "image": image})
    (sorts,) = server.get("/model/registry").json()["models"]
    assert sorts["request_paths"] == ["/infer/classification"]
    assert server.send("POST", "/model/clear").json()["models"] == []
    assert client(GET_MODEL_REGISTRY_ENABLED="0").get("/model/registry").status == 404


@pytest.mark.parametrize(
    ("path", "switch"),
    [
        ("/clip/embed_text", "CORE_MODEL_CLIP_ENABLED"),
        ("/doctr/ocr", "CORE_MODEL_DOCTR_ENABLED"),
        ("/easy_ocr/ocr", "CORE_MODEL_EASYOCR_ENABLED"),
        ("/yolo_world/infer", "CORE_MODEL_YOLO_WORLD_ENABLED"),
        ("/grounding_dino/infer", "CORE_MODEL_GROUNDINGDINO_ENABLED"),
        ("/infer/tabular", "TABULAR_ENABLED"),
        ("/infer/embeddings", "EMBEDDINGS_ENABLED"),
        ("/invocations", "INVOCATIONS_ENABLED"),
        ("/v2/models/churn/infer", "KSERVE_ENABLED"),
    ],
)
def test_a_family_that_is_off_names_its_switch(client, path, switch):
    for method in ("POST", "GET"):
        answer = client(**{switch: "False"}).send(method, path, {})
        assert (answer.status, answer.json()["switch"]) == (404, switch)
    if switch.startswith("CORE_"):
        answer = client(CORE_MODELS_ENABLED="False").post(path, {})
        assert (answer.status, answer.json()["switch"]) == (404, "CORE_MODELS_ENABLED")


def test_workflows_can_be_switched_off(client):
    answer = client(DISABLE_WORKFLOW_ENDPOINTS="True").post("/workflows/run", {})
    assert answer.json()["switch"] == "DISABLE_WORKFLOW_ENDPOINTS"
