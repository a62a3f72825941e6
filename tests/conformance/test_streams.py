"""Kinesis and DynamoDB streams feed functions of a live server, with moto for the streams."""

from __future__ import annotations

import base64
import json
import signal
import uuid

import boto3
import pytest
from moto.server import ThreadedMotoServer

ACCOUNT, REGION = "123456789012", "us-east-1"
SOURCE = """
import base64, json
def handler(event, context):
    print("batch " + json.dumps(event))
    for record in event["Records"]:
        data = base64.b64decode(record.get("kinesis", {}).get("data", ""))
        if data.startswith(b"bad"):
            raise ValueError("on purpose")
"""


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def companion(moto):
    """`companion("kinesis")` is a client of moto, with the same keys as the server's."""

    def client(service):
        return boto3.client(
            service,
            endpoint_url=moto,
            region_name=REGION,
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="test",
        )

    iam = client("iam")
    if not any(role["RoleName"] == "test" for role in iam.list_roles()["Roles"]):
        iam.create_role(RoleName="test", AssumeRolePolicyDocument="{}")
    return client


@pytest.fixture
def keys(tmp_path, monkeypatch):
    """What boto3 finds in the server's home: LiveServer takes AWS variables away."""
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    secret = f"aws_access_key_id = {ACCOUNT}\naws_secret_access_key = test\n"
    (home / ".aws" / "credentials").write_text(f"[default]\n{secret}")
    monkeypatch.setenv("HOME", str(home))


@pytest.fixture
def stream(companion, keys):
    """A Kinesis stream with one shard: its ARN and `put`."""
    kinesis = companion("kinesis")
    name = f"s-{uuid.uuid4().hex[:8]}"
    kinesis.create_stream(StreamName=name, ShardCount=1)

    class Stream:
        arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"

        @staticmethod
        def put(*texts):
            for text in texts:
                kinesis.put_record(StreamName=name, Data=text.encode(), PartitionKey="one")

    return Stream


def batches(server, name):
    lines = [line for line in server.log(name) if line.startswith("batch ")]
    return [json.loads(line.partition(" ")[2])["Records"] for line in lines]


def data(server, name):
    return [
        base64.b64decode(record["kinesis"]["data"]).decode()
        for batch in batches(server, name)
        for record in batch
    ]


def enabled(server, until, uuid):
    until(lambda: server.client.get_event_source_mapping(UUID=uuid)["State"] == "Enabled")


@pytest.mark.slow  # a server of its own, polled once a second, and killed once
def test_a_kinesis_stream_is_read_in_order_and_goes_on_after_a_kill(
    start_server, moto, stream, companion, until
):
    server = start_server(aws_endpoint_url=moto)
    server.function("reads", SOURCE)
    sqs, s3 = companion("sqs"), companion("s3")
    failures = f"f-{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=failures)["QueueUrl"]
    s3.create_bucket(Bucket=failures)
    stream.put("before the mapping")
    mapping = server.client.create_event_source_mapping(
        FunctionName="reads",
        EventSourceArn=stream.arn,
        StartingPosition="LATEST",
        MaximumRetryAttempts=0,
        BisectBatchOnFunctionError=True,
        DestinationConfig={
            "OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{failures}"}
        },
    )
    stream.put("one", "two")
    until(lambda: data(server, "reads") == ["one", "two"], 60)
    (first, *_), *_ = batches(server, "reads")
    kinesis = first.pop("kinesis")
    assert first == {
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{kinesis['sequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT}:role/test",
        "awsRegion": REGION,
        "eventSourceARN": stream.arn,
    }
    assert (kinesis["kinesisSchemaVersion"], kinesis["partitionKey"]) == ("1.0", "one")
    shown = server.client.get_event_source_mapping(UUID=mapping["UUID"])
    assert shown["LastProcessingResult"] == "OK"

    stream.put("bad", "three")
    message = until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"), 60)[0]
    told = json.loads(message["Body"])
    assert told["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert told["responseContext"]["functionError"] == "Unhandled"
    assert told["KinesisBatchInfo"]["batchSize"] == 1
    assert told["KinesisBatchInfo"]["streamArn"] == stream.arn
    until(lambda: "three" in data(server, "reads"), 60)
    stream.put("four")  # its batch begins when the one before has been written down
    until(lambda: "four" in data(server, "reads"), 60)

    server.stop(signal.SIGKILL)
    stream.put("while it was away")
    again = start_server(aws_endpoint_url=moto)
    until(lambda: "while it was away" in data(again, "reads"), 60)
    assert data(again, "reads").count("one") == 1  # what was done is not done again

    again.client.update_event_source_mapping(
        UUID=mapping["UUID"],
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{failures}"}},
        BisectBatchOnFunctionError=False,
    )
    enabled(again, until, mapping["UUID"])
    stream.put("bad again")
    found = until(lambda: s3.list_objects_v2(Bucket=failures).get("Contents"), 60)[0]["Key"]
    assert found.startswith(f"aws/lambda/{mapping['UUID']}/shardId-000000000000/")
    kept = json.loads(s3.get_object(Bucket=failures, Key=found)["Body"].read())
    assert json.loads(kept["payload"])["Records"][0]["eventSourceARN"] == stream.arn


@pytest.mark.slow  # a server of its own
def test_a_table_feeds_a_function_what_its_filter_wants(start_server, moto, companion, keys, until):
    server = start_server(aws_endpoint_url=moto)
    server.function("watches", SOURCE)
    dynamodb = companion("dynamodb")
    table = f"t-{uuid.uuid4().hex[:8]}"
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    arn = dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    dynamodb.put_item(TableName=table, Item={"id": {"S": "a"}, "raw": {"B": b"\x00\x01"}})
    dynamodb.delete_item(TableName=table, Key={"id": {"S": "a"}})
    wanted = {"eventName": ["INSERT"], "dynamodb": {"Keys": {"id": {"S": ["a", "b"]}}}}
    server.client.create_event_source_mapping(
        FunctionName="watches",
        EventSourceArn=arn,
        StartingPosition="TRIM_HORIZON",
        FilterCriteria={"Filters": [{"Pattern": json.dumps(wanted)}]},
    )
    dynamodb.put_item(TableName=table, Item={"id": {"S": "c"}})
    dynamodb.put_item(TableName=table, Item={"id": {"S": "b"}})

    def seen():
        return [record for batch in batches(server, "watches") for record in batch]

    until(lambda: len(seen()) == 2, 60)
    first, second = seen()
    assert (first["eventSource"], first["eventSourceARN"]) == ("aws:dynamodb", arn)
    assert first["dynamodb"]["NewImage"] == {"id": {"S": "a"}, "raw": {"B": "AAE="}}
    assert isinstance(first["dynamodb"]["ApproximateCreationDateTime"], float)
    assert second["dynamodb"]["Keys"] == {"id": {"S": "b"}}
