"""AWS Lambda Powertools in a function, unchanged, from a layer: what people's functions use.

The layer is made of the installed packages. Idempotency talks to moto's DynamoDB from a function
that shares the host's network.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

PACKAGES = ("aws-lambda-powertools", "aws-xray-sdk", "wrapt", "jmespath", "typing-extensions")

HANDLER = """
import os
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
logger = Logger(service="shop")
metrics = Metrics(namespace="Shop", service="shop")
tracer = Tracer(service="shop")

@tracer.capture_method
def price(order):
    tracer.put_annotation("order", order)
    return 7

@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler
def handler(event, context):
    metrics.add_metric(name="Orders", unit=MetricUnit.Count, value=1)
    logger.info("ordered", extra={"order": event["order"]})
    return {"price": price(event["order"])}
"""

ONCE = """
import uuid
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer, IdempotencyConfig, idempotent,
)
import boto3
table = boto3.client("dynamodb", endpoint_url=ENDPOINT, region_name="us-east-1")
store = DynamoDBPersistenceLayer(table_name="once", boto3_client=table)

@idempotent(persistence_store=store, config=IdempotencyConfig(event_key_jmespath="order"))
def handler(event, context):
    return {"made": str(uuid.uuid4())}
"""


@pytest.fixture(scope="module")
def layer_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for package in PACKAGES:
            for file in importlib.metadata.files(package) or ():
                path = Path(str(file.locate()))
                if ".." not in file.parts and path.suffix != ".pyc":
                    archive.write(path, f"python/{file.as_posix()}")
    return buffer.getvalue()


@pytest.mark.slow  # imports Powertools and boto3 in a sandbox
def test_logger_metrics_and_tracer(server, name, layer_zip, until):
    layer = server.client.publish_layer_version(
        LayerName=f"{name}-tools", Content={"ZipFile": layer_zip}
    )["LayerVersionArn"]
    server.function(
        name, HANDLER, Layers=[layer], MemorySize=512, Timeout=60,
        TracingConfig={"Mode": "Active"},
    )  # fmt: skip
    answer = server.client.invoke(FunctionName=name, Payload=b'{"order": "o-1"}')
    assert json.loads(answer["Payload"].read()) == {"price": 7}
    request_id = answer["ResponseMetadata"]["RequestId"]

    def lines():
        found = [json.loads(line) for line in server.log(name) if line.startswith("{")]
        return found if len(found) >= 3 else None

    found = until(lines)
    message = next(one for one in found if one.get("message") == "ordered")
    assert (message["order"], message["service"]) == ("o-1", "shop")
    assert message["function_request_id"] == request_id
    assert message["cold_start"] is True
    emf = [one for one in found if "_aws" in one]
    sets = [each for one in emf for each in one["_aws"]["CloudWatchMetrics"]]
    assert {metric["Name"] for each in sets for metric in each["Metrics"]} == {
        "Orders",
        "ColdStart",
    }
    assert next(one["Orders"] for one in emf if "Orders" in one) == [1.0]

    with urllib.request.urlopen(f"{server.url}/_lambent/requests/{request_id}") as looked_up:
        documents = json.load(looked_up)["segments"]
    segments = {one.get("origin") or one["name"]: one for one in documents}
    own = segments["## handler"]
    assert own["parent_id"] == segments["AWS::Lambda::Function"]["id"]
    assert own["annotations"]["ColdStart"] is True
    assert message["xray_trace_id"] == own["trace_id"]
    inner = next(one for name, one in segments.items() if name.endswith("price"))
    assert inner["annotations"] == {"order": "o-1"}
    assert inner["parent_id"] == own["id"]

    shown = subprocess.run(
        [Path(sys.executable).with_name("lambent"), "trace", request_id,
         "--endpoint-url", server.url, "--json"],
        check=True, capture_output=True, text=True, timeout=60,
        env={**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
    )  # fmt: skip
    rows = {row["name"]: row["depth"] for row in json.loads(shown.stdout)["segments"]}
    assert rows["## handler"] < rows[inner["name"]]


@pytest.mark.slow  # a server of its own, moto, and boto3 in a sandbox
def test_idempotency_gives_the_first_answer_again(start_server, layer_zip):
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        table = boto3.client(
            "dynamodb", endpoint_url=endpoint, region_name="us-east-1",
            aws_access_key_id="test", aws_secret_access_key="test",
        )  # fmt: skip
        table.create_table(
            TableName="once", BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )  # fmt: skip
        server = start_server(network="host")
        layer = server.client.publish_layer_version(
            LayerName="tools", Content={"ZipFile": layer_zip}
        )["LayerVersionArn"]
        server.function(
            "once", f"ENDPOINT = {endpoint!r}\n{ONCE}", Layers=[layer], MemorySize=512, Timeout=60
        )
        first, again, other = (server.invoke("once", {"order": key}) for key in ("a", "a", "b"))
        assert first == again
        assert first["made"] != other["made"]
        assert len(table.scan(TableName="once")["Items"]) == 2
    finally:
        moto.stop()
