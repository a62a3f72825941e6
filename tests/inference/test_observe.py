"""The line of a prediction in CloudWatch's embedded metric format, and the sample that is kept."""

import base64
import json

import pytest


@pytest.fixture
def body(picture):
    return {
        "model_id": "coco/3",
        "image": {"type": "base64", "value": picture},
        "api_key": "secret",
    }


def test_one_line_per_prediction(client, body, capsys):
    server = client(PREDICTION_LOG="True", METRICS_NAMESPACE="Mine")
    headers = {"x-request-id": "r-1", "authorization": "Bearer secret"}
    server.post("/infer/object_detection", body, headers)
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["_aws"].pop("Timestamp") > 1_700_000_000_000
    metrics = [("Latency", "Milliseconds"), ("Predictions", "Count"), ("TopConfidence", "None")]
    assert found == {
        "_aws": {
            "CloudWatchMetrics": [
                {
                    "Namespace": "Mine",
                    "Dimensions": [["Model", "Version"]],
                    "Metrics": [{"Name": name, "Unit": unit} for name, unit in metrics],
                }
            ]
        },
        "Model": "coco/3",
        "Version": "7",
        "Family": "object-detection",
        "RequestId": "r-1",
        "Latency": 500.0,
        "Predictions": 1,
        "TopConfidence": 0.9,
    }


def test_the_probability_of_rows_and_nothing_of_texts(client, body, capsys):
    server = client(PREDICTION_LOG="True")
    server.post("/infer/tabular", {"rows": [[1, "a"], [2, "b"]]})
    server.post("/clip/embed_text", {"text": "a"})
    rows, text = map(json.loads, capsys.readouterr().out.splitlines())
    assert (rows["TopConfidence"], rows["Predictions"]) == ([0.8, 0.8], 2)
    assert "TopConfidence" not in text
    server = client(PREDICTION_LOG="False")
    server.post("/infer/object_detection", body)
    assert capsys.readouterr().out == ""


def test_captures(client, body, tmp_path):
    server = client(CAPTURE_DESTINATION=str(tmp_path), CAPTURE_RATE="1")
    answer = server.post("/infer/object_detection", body, {"x-request-id": "r-1"})
    (entry,) = tmp_path.glob("coco/3/7/*/*/*/*-r-1.json")
    kept = json.loads(entry.read_text())
    assert kept["output"] == answer.json()
    assert (kept["model_id"], kept["model_version"]) == ("coco/3", "7")
    assert kept["path"] == "/infer/object_detection"
    assert kept["inputs"]["confidence"] == 0.4
    assert "secret" not in entry.read_text()
    (name,) = kept["pictures"]
    assert (tmp_path / name).read_bytes() == base64.b64decode(body["image"]["value"])


def test_captures_are_a_sample_and_off_by_default(client, body, tmp_path):
    client(CAPTURE_DESTINATION=str(tmp_path)).post("/infer/object_detection", body)
    client(CAPTURE_RATE="1").post("/infer/object_detection", body)
    assert not list(tmp_path.iterdir())
    server = client(CAPTURE_DESTINATION=str(tmp_path), CAPTURE_RATE="0.5")
    for _ in range(60):
        server.post("/infer/tabular", {"rows": [[1, "a"]]})
    assert 5 < len(list(tmp_path.rglob("*.json"))) < 55


def test_a_capture_that_fails_fails_no_request(client, body, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    server = client(CAPTURE_DESTINATION=str(tmp_path / "file"), CAPTURE_RATE="1")
    answer = server.post("/infer/object_detection", body, {"x-request-id": "../../up"})
    assert answer.status == 200
    assert "could not be captured" in caplog.text


def test_request_lines_have_no_keys(client, body, capsys):
    server = client(API_LOGGING_ENABLED="True")
    bearer = {"authorization": "Bearer secret"}
    server.post("/infer/object_detection", body, bearer, api_key="secret")
    output = capsys.readouterr()
    lines = [json.loads(text) for text in output.err.splitlines()]
    (line,) = [line for line in lines if "path" in line]
    assert (line["path"], line["status"]) == ("/infer/object_detection", 200)
    assert "secret" not in output.err + output.out
