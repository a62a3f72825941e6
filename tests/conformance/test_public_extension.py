"""An extension that others wrote and published: Serverless Inc.'s, from npm, in a Node.js function.

Its wrapper script starts the runtime with OpenTelemetry's instrumentation in it. Its external half
registers for INVOKE and SHUTDOWN, subscribes to the Logs API with a listener of its own, hears from
the wrapper at another, and puts both together by request id.
"""

from __future__ import annotations

import json

import pytest
from scripts import fetch_interpreters

NAME, VERSION = "@serverless/aws-lambda-otel-extension-dist", "0.1.11"


@pytest.fixture
def layer(node_server):
    try:
        folder = fetch_interpreters.package(NAME, VERSION)
    except fetch_interpreters.Unavailable as reason:
        pytest.skip(f"no {NAME} to test with: {reason}")
    published = node_server.client.publish_layer_version(
        LayerName="otel", Content={"ZipFile": (folder / "extension.zip").read_bytes()}
    )
    return published["LayerVersionArn"]


@pytest.mark.slow  # fetches the package, and starts two programs of Node.js in a sandbox
def test_a_published_extension_runs_as_it_is(node_server, layer, until):
    server, name = node_server, "extended"
    server.function(
        name,
        {"app.js": "exports.handler = async (event) => event;"},
        Runtime="nodejs22.x",
        Layers=[layer],
        MemorySize=512,
        Environment={
            "Variables": {
                "AWS_LAMBDA_EXEC_WRAPPER": "/opt/otel-extension/otel-handler",
                "DEBUG_SLS_OTEL_LAYER": "1",
            }
        },
    )
    answer = server.client.invoke(FunctionName=name, Payload=b'{"n": 1}')
    assert json.loads(answer["Payload"].read()) == {"n": 1}
    request_id = answer["ResponseMetadata"]["RequestId"]

    def joined():
        """What it made of the wrapper's words and of the platform's report of the same request."""
        for line in server.log(name):
            if line.startswith("READY: ") and request_id in line:
                found = json.loads(line.removeprefix("READY: "))[request_id]
                if found.get("platform.report"):
                    return found
        return None

    found = until(joined)
    assert found["function"]["record"]["faas.name"] == name
    assert found["traces"]["record"]["resourceSpans"]
    report = found["platform.report"]["record"]
    assert report["requestId"] == request_id
    assert report["metrics"]["billedDurationMs"] >= 1
    assert server.invoke(name, {"n": 2}) == {"n": 2}
    log = server.log(name)
    assert "EXTENSION\tName: otel-extension\tState: Ready\tEvents: [INVOKE,SHUTDOWN]" in log
    assert not [line for line in log if line.startswith(("register failed", "next failed", "logs"))]
    server.client.delete_function(FunctionName=name)
    until(lambda: [x for x in server.log(name) if x.startswith("Processing event:  SHUTDOWN")])
