"""Destinations, dead letters and queues of a live server, with moto for the services beside it."""

from __future__ import annotations

import functools
import json
import operator
import signal
import uuid

import boto3
import pytest
from moto.server import ThreadedMotoServer

ACCOUNT, REGION = "123456789012", "us-east-1"
SOURCE = """
import json, os
def handler(event, context):
    if event.get("fail"):
        raise RuntimeError("on purpose")
    return {"got": event}
"""


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def companion(moto, monkeypatch, tmp_path):
    """`companion("sqs")` is a client of moto; the server finds moto's keys in its home."""
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    keys = f"aws_access_key_id = {ACCOUNT}\naws_secret_access_key = test\n"
    (home / ".aws" / "credentials").write_text(f"[default]\n{keys}")
    monkeypatch.setenv("HOME", str(home))

    def client(service):
        return boto3.client(
            service,
            endpoint_url=moto,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    iam = client("iam")
    if not any(role["RoleName"] == "test" for role in iam.list_roles()["Roles"]):
        iam.create_role(RoleName="test", AssumeRolePolicyDocument="{}")
    return client


@pytest.fixture
def queue(companion):
    """Makes queues; `read` waits for one message, `arn` names the queue."""
    sqs = companion("sqs")

    class Queue:
        def __init__(self, **attributes):
            self.name = f"q-{uuid.uuid4().hex[:8]}"
            self.url = sqs.create_queue(QueueName=self.name, Attributes=attributes)["QueueUrl"]
            self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.name}"

        def poll(self):
            answer = sqs.receive_message(
                QueueUrl=self.url, MessageAttributeNames=["All"], MaxNumberOfMessages=1
            )
            for message in answer.get("Messages", ()):
                sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                return message
            return None

        def send(self, body, **members):
            return sqs.send_message(QueueUrl=self.url, MessageBody=body, **members)["MessageId"]

        def counts(self):
            """Visible and in flight."""
            names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            kept = sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
            return tuple(int(kept[name]) for name in names)

    return Queue


def send(server, name, event):
    answer = server.client.invoke(
        FunctionName=name, InvocationType="Event", Payload=json.dumps(event).encode()
    )
    return answer["ResponseMetadata"]["RequestId"]


def test_a_failure_reaches_its_destination_and_its_dead_letter_queue(
    start_server, moto, queue, until
):
    server = start_server(aws_endpoint_url=moto)
    told, letters = queue(), queue()
    server.function("fails", SOURCE, DeadLetterConfig={"TargetArn": letters.arn})
    server.client.put_function_event_invoke_config(
        FunctionName="fails",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": told.arn}},
    )
    request_id = send(server, "fails", {"fail": 1})
    record = json.loads(until(told.poll, 60)["Body"])
    assert record["requestContext"]["requestId"] == request_id
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestPayload"] == {"fail": 1}
    assert record["responsePayload"]["errorMessage"] == "on purpose"
    letter = until(letters.poll, 60)
    assert json.loads(letter["Body"]) == {"fail": 1}
    attributes = {k: v["StringValue"] for k, v in letter["MessageAttributes"].items()}
    assert attributes == {
        "RequestID": request_id,
        "ErrorCode": "200",
        "ErrorMessage": "on purpose",
    }


def test_records_reach_a_topic_a_bucket_and_a_function(start_server, moto, companion, queue, until):
    server = start_server(aws_endpoint_url=moto)
    heard = queue()
    sns, s3 = companion("sns"), companion("s3")
    topic = sns.create_topic(Name="told")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=heard.arn)
    bucket = f"b-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    server.function("works", SOURCE)
    server.function("next", "def handler(event, context):\n    print(event['responsePayload'])\n")

    def to(arn, when="OnSuccess"):
        server.client.put_function_event_invoke_config(
            FunctionName="works",
            MaximumRetryAttempts=0,
            DestinationConfig={when: {"Destination": arn}},
        )

    to(topic)
    send(server, "works", {"n": 1})
    told = json.loads(json.loads(until(heard.poll, 60)["Body"])["Message"])
    assert told["requestContext"]["condition"] == "Success"
    assert told["responsePayload"] == {"got": {"n": 1}}
    to(f"arn:aws:s3:::{bucket}", "OnFailure")  # AWS takes buckets for failures only
    send(server, "works", {"fail": 2})
    (kept,) = until(lambda: s3.list_objects_v2(Bucket=bucket).get("Contents"), 60)
    assert kept["Key"].startswith("aws/lambda/async/works/")
    body = json.loads(s3.get_object(Bucket=bucket, Key=kept["Key"])["Body"].read())
    assert body["requestPayload"] == {"fail": 2}
    to(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:next")
    send(server, "works", {"n": 3})
    until(lambda: any("{'got': {'n': 3}}" in line for line in server.log("next")), 60)


def test_a_record_outlives_a_kill(start_server, moto, companion, queue, until):
    """The queue is away when the event ends, and the server is killed before it is back."""
    told = queue()
    companion("sqs").delete_queue(QueueUrl=told.url)
    server = start_server(aws_endpoint_url=moto)
    server.function("keeps", SOURCE)
    server.client.put_function_event_invoke_config(
        FunctionName="keeps", DestinationConfig={"OnSuccess": {"Destination": told.arn}}
    )
    request_id = send(server, "keeps", {"n": 1})
    until(lambda: "destinations.not_sent" in server.log_file.read_text(), 60)
    server.stop(signal.SIGKILL)
    companion("sqs").create_queue(QueueName=told.name)
    start_server(aws_endpoint_url=moto)
    record = json.loads(until(told.poll, 60)["Body"])
    assert record["requestContext"]["requestId"] == request_id


BATCHES = """
import json
def handler(event, context):
    bodies = sorted(record["body"] for record in event["Records"])
    print("batch", json.dumps(bodies))
    if any(body.startswith("raise") for body in bodies):
        raise RuntimeError("on purpose")
    failed = [r["messageId"] for r in event["Records"] if r["body"].startswith("fail")]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
"""


def batches(server, name):
    lines = [line for line in server.log(name) if line.startswith("batch ")]
    return [json.loads(line.partition(" ")[2]) for line in lines]


def test_a_queue_feeds_a_function(start_server, moto, queue, until):
    server = start_server(aws_endpoint_url=moto)
    jobs = queue(VisibilityTimeout="300")
    server.function("eats", BATCHES)
    mapping = server.client.create_event_source_mapping(
        FunctionName="eats",
        EventSourceArn=jobs.arn,
        BatchSize=5,
        MaximumBatchingWindowInSeconds=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        FilterCriteria={"Filters": [{"Pattern": json.dumps({"body": [{"prefix": ""}]})}]},
    )
    for body in ("one", "two", "fail-1"):
        jobs.send(body)
    until(
        lambda: (
            sorted(functools.reduce(operator.iadd, batches(server, "eats"), []))
            == ["fail-1", "one", "two"]
        ),
        60,
    )
    until(lambda: jobs.counts() == (0, 1), 60)  # only the one that was reported stays
    jobs.send("raise-1")
    until(lambda: ["raise-1"] in batches(server, "eats"), 60)
    until(lambda: jobs.counts() == (0, 2), 60)
    server.client.update_event_source_mapping(
        UUID=mapping["UUID"],
        FilterCriteria={"Filters": [{"Pattern": json.dumps({"body": {"kind": ["cat"]}})}]},
    )
    jobs.send('{"kind": "dog"}')
    jobs.send('{"kind": "cat"}')
    until(lambda: ['{"kind": "cat"}'] in batches(server, "eats"), 60)
    until(lambda: jobs.counts() == (0, 2), 60)  # the dog was deleted, not delivered
    assert not any('{"kind": "dog"}' in batch for batch in batches(server, "eats"))
    server.client.delete_event_source_mapping(UUID=mapping["UUID"])


def test_a_mapping_of_a_missing_queue_is_refused(start_server, moto, queue):
    server = start_server(aws_endpoint_url=moto)
    jobs = queue()
    server.function("waits", BATCHES)
    with pytest.raises(server.client.exceptions.InvalidParameterValueException) as raised:
        server.client.create_event_source_mapping(
            FunctionName="waits", EventSourceArn=f"{jobs.arn}-missing"
        )
    assert raised.value.response["Error"]["Message"] == (
        "Error occurred while ReceiveMessage. SQS Error Code: "
        "AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does "
        "not exist."
    )
