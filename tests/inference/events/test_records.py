"""Images from S3, SQS and EventBridge; results to a prefix or a queue; what failed comes again."""

import base64
import io
import json
import urllib.request
import uuid

import boto3
import numpy as np
import pytest
from PIL import Image as PillowImage

from lambent_inference.events.records import EventFailed


@pytest.fixture
def cloud(aws_server, monkeypatch, picture):
    """A bucket with `in/a b.png`, `in/broken.png`, and a queue."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return Cloud(aws_server, base64.b64decode(picture))


class Cloud:
    def __init__(self, url, picture):
        where = {"endpoint_url": url, "region_name": "us-east-1"}
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.s3, self.sqs = (boto3.client(name, **where, **keys) for name in ("s3", "sqs"))
        self.bucket = f"bucket-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.s3.put_object(Bucket=self.bucket, Key="in/a b.png", Body=picture)
        self.s3.put_object(Bucket=self.bucket, Key="in/broken.png", Body=b"nonsense")
        self.queue = self.sqs.create_queue(QueueName=self.bucket)["QueueUrl"]

    def record(self, key="in/a+b.png"):
        return {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": self.bucket}, "object": {"key": key, "size": 100}},
        }

    def message(self, name, body, arn="arn:aws:sqs:us-east-1:123456789012:in"):
        body = body if isinstance(body, str) else json.dumps(body)
        return {"messageId": name, "body": body, "eventSource": "aws:sqs", "eventSourceARN": arn}

    def keys(self, prefix):
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [one["Key"] for one in found.get("Contents", [])]

    def received(self):
        found = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        return [json.loads(one["Body"]) for one in found.get("Messages", [])]


def test_s3_records_to_a_prefix(client, cloud):
    server = client(RESULTS_DESTINATION=f"s3://{cloud.bucket}/out", EVENTS_MODEL_ID="coco/3")
    returned = server.handler({"Records": [cloud.record()]})
    (key,) = cloud.keys("out/")
    assert key == "out/in/a b.png.json"
    stored = json.loads(cloud.s3.get_object(Bucket=cloud.bucket, Key=key)["Body"].read())
    assert returned == {"results": [stored]}
    assert stored["source"] == f"s3://{cloud.bucket}/in/a b.png"
    assert (stored["model_id"], stored["model_version"]) == ("coco/3", "7")
    assert stored["answer"]["image"] == {"width": 8, "height": 6}
    assert len(stored["answer"]["predictions"]) == 1
    assert server.handler({"Records": [cloud.record("out/in/a+b.png.json")]}) == {"results": []}


def test_s3_events_that_fail_come_again(client, cloud):
    server = client()
    records = [cloud.record(), cloud.record("in/broken.png"), cloud.record("in/none.png")]
    with pytest.raises(EventFailed, match=r"2 of 3 failed: .*Could not load"):
        server.handler({"Records": records})


def test_eventbridge(client, cloud):
    event = {
        "id": "e1",
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": cloud.bucket}, "object": {"key": "in/a b.png"}},
    }
    (result,) = client(EVENTS_MODEL_ID="sorts/1").handler(event)["results"]
    assert result["answer"]["top"] == "cat"
    image = f"s3://{cloud.bucket}/in/a b.png"
    own = {"id": "e2", "source": "mine", "detail-type": "look", "detail": {"image": image}}
    (result,) = client().handler(own)["results"]
    assert (result["source"], result["model_id"]) == (image, "coco/3")


def test_messages_to_a_queue_and_what_failed(client, cloud, picture):
    server = client(RESULTS_DESTINATION=cloud.queue)
    asked = {"image": {"type": "base64", "value": picture}, "model_id": "outlines/1"}
    wrapped = {"Type": "Notification", "Message": json.dumps({"Records": [cloud.record()]})}
    returned = server.handler(
        {
            "Records": [
                cloud.message(
                    "asked",
                    {**asked, "confidence": 0.9, "response_mask_format": "rle", "labels": None},
                ),
                cloud.message("s3", {"Records": [cloud.record()]}),
                cloud.message("sns", wrapped),
                cloud.message("test", {"Event": "s3:TestEvent"}),
                cloud.message("text", "not JSON"),
                cloud.message("empty", {}),
                cloud.message("list", []),
                cloud.message("model", {**asked, "model_id": "../none"}),
                cloud.message("options", {**asked, "stroke": "wide"}),
                cloud.message("picture", {"Records": [cloud.record("in/broken.png")]}),
                cloud.message("record", {"Records": [{"s3": {}}]}),
            ]
        }
    )
    failed = [one["itemIdentifier"] for one in returned["batchItemFailures"]]
    assert failed == ["text", "empty", "list", "model", "options", "picture", "record"]
    received = cloud.received()
    assert sorted(one["source"] for one in received) == sorted(
        ["asked", *[f"s3://{cloud.bucket}/in/a b.png"] * 2]
    )
    assert sorted(received, key=str) == sorted(returned["results"], key=str)
    (task,) = [task for model, task, _ in server.models.asked if model == "outlines/1"]
    assert (task.confidence, task.mask_format) == (0.9, "rle")


def test_in_a_queue_with_order_nothing_after_a_failure_is_done(client, cloud):
    arn = "arn:aws:sqs:us-east-1:123456789012:in.fifo"
    good = {"Records": [cloud.record()]}
    messages = [("1", good), ("2", "broken"), ("3", good)]
    records = [cloud.message(name, body, arn) for name, body in messages]
    server = client()
    returned = server.handler({"Records": records})
    assert returned["batchItemFailures"] == [{"itemIdentifier": "2"}, {"itemIdentifier": "3"}]
    assert len(server.models.asked) == 1


def test_a_destination_that_is_not_there_fails_the_message(client, cloud):
    server = client(RESULTS_DESTINATION="s3://no-such-bucket-here/out")
    returned = server.handler({"Records": [cloud.message("1", {"Records": [cloud.record()]})]})
    assert returned == {"batchItemFailures": [{"itemIdentifier": "1"}], "results": []}


def test_images_of_type_s3_in_requests(client, cloud):
    body = {
        "model_id": "coco/3",
        "image": {"type": "s3", "value": f"s3://{cloud.bucket}/in/a b.png"},
    }
    assert client().post("/infer/object_detection", body).status == 200
    allowed = client(S3_INPUT_DESTINATIONS=f"s3://{cloud.bucket}/in, s3://other")
    assert allowed.post("/infer/object_detection", body).status == 200
    refused = client(S3_INPUT_DESTINATIONS="s3://other").post("/infer/object_detection", body)
    assert (refused.status, "S3_INPUT_DESTINATIONS" in refused.text) == (400, True)
    body["image"]["value"] = f"s3://{cloud.bucket}/none"
    missing = client().post("/infer/object_detection", body)
    assert (missing.status, "NoSuchKey" in missing.text) == (400, True)
    for bad in ("s3://", "s3://../x", "http://x", 3, None):
        body["image"]["value"] = bad
        assert client().post("/infer/object_detection", body).status == 400
    large = client(MAX_IMAGE_MB="0")
    body["image"]["value"] = f"s3://{cloud.bucket}/in/a b.png"
    assert "MAX_IMAGE_MB" in large.post("/infer/object_detection", body).text


def test_answers_that_are_too_large(client, cloud):
    """Links where there is a bucket; without one, or where pictures are not what is large, 413."""
    noise = np.random.default_rng(1).integers(0, 255, (300, 300, 3), np.uint8)
    stream = io.BytesIO()
    PillowImage.fromarray(noise).save(stream, "PNG")
    picture = base64.b64encode(stream.getvalue()).decode()
    image = {"type": "base64", "value": picture}
    body = {"model_id": "coco/3", "image": image, "visualize_predictions": True}
    limit = {"MAX_ANSWER_MB": "0.05"}
    plain = client(**limit).post("/infer/object_detection", body)
    assert plain.status == 413
    assert "largest part is visualization with 0.1 MB" in plain.json()["message"]
    assert client(**limit).post("/coco/3", picture, format="image").status == 413

    server = client(**limit, ANSWER_BUCKET=f"s3://{cloud.bucket}/answers")
    answer = server.post("/infer/object_detection", body)
    moved = server.post("/coco/3", picture, format="image")
    assert (answer.status, moved.status) == (200, 303)
    for url in (answer.json()["visualization"], moved.headers["location"]):
        with urllib.request.urlopen(url) as linked:
            assert linked.headers["content-type"] == "image/jpeg"
            assert linked.read()[:2] == b"\xff\xd8"

    server.models.boxes = 1000
    body["visualize_predictions"] = False
    refused = server.post("/infer/object_detection", body)
    assert refused.status == 413
    assert "largest part is predictions with" in refused.json()["message"]
    packed = server.post("/infer/object_detection", body, {"accept-encoding": "gzip"})
    assert packed.status == 200, "what is small enough once compressed may go"
