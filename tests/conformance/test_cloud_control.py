"""Types that are not made here, made by the Cloud Control API of a configured endpoint.

The endpoint is a small one of this file: Cloud Control itself is AWS's.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import WaiterError

FAST = {"Delay": 0.2, "MaxAttempts": 300}


class CloudControl(BaseHTTPRequestHandler):
    """Keeps resources by identifier; a bus called `refused` cannot be made."""

    kept: ClassVar[dict] = {}

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        operation = self.headers["x-amz-target"].rpartition(".")[2]
        answer = getattr(self, operation)(body)
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass

    @staticmethod
    def progress(identifier, status="SUCCESS", message=""):
        event = {"Identifier": identifier, "RequestToken": "t", "OperationStatus": status}
        return {"ProgressEvent": event | {"StatusMessage": message, "ErrorCode": "InvalidRequest"}}

    def CreateResource(self, body):
        wanted = json.loads(body["DesiredState"])
        if wanted["Name"] == "refused":
            return self.progress("", "FAILED", "no such bus today")
        self.kept[wanted["Name"]] = wanted
        return self.progress(wanted["Name"])

    def UpdateResource(self, body):
        for step in json.loads(body["PatchDocument"]):
            self.kept[body["Identifier"]][step["path"][1:]] = step.get("value")
        return self.progress(body["Identifier"])

    def GetResource(self, body):
        name = body["Identifier"]
        said = self.kept[name] | {"Arn": f"arn:aws:events:::event-bus/{name}", "Inner": {"X": 1}}
        return {"ResourceDescription": {"Identifier": name, "Properties": json.dumps(said)}}

    def DeleteResource(self, body):
        self.kept.pop(body["Identifier"], None)
        return self.progress(body["Identifier"])


@pytest.fixture
def endpoint():
    server = ThreadingHTTPServer(("127.0.0.1", 0), CloudControl)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def template(name, description):
    bus = {
        "Type": "AWS::Events::EventBus",
        "Properties": {"Name": name, "Description": description},
    }
    outputs = {"Arn": {"Value": {"Fn::GetAtt": ["Bus", "Arn"]}}, "X": {"Value": {"Fn::GetAtt": ["Bus", "Inner.X"]}}}  # fmt: skip
    return json.dumps({"Resources": {"Bus": bus}, "Outputs": outputs})


@pytest.mark.slow
def test_another_services_type(start_server, endpoint, monkeypatch, tmp_path):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = x\naws_secret_access_key = x\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    server = start_server(aws_endpoint_url=endpoint)
    client = boto3.client(
        "cloudformation", endpoint_url=server.url, region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}),
    )  # fmt: skip
    client.create_stack(StackName="bus", TemplateBody=template("one", "a"))
    client.get_waiter("stack_create_complete").wait(StackName="bus", WaiterConfig=FAST)
    stack = client.describe_stacks(StackName="bus")["Stacks"][0]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    assert outputs == {"Arn": "arn:aws:events:::event-bus/one", "X": "1"}
    client.update_stack(StackName="bus", TemplateBody=template("one", "b"))
    client.get_waiter("stack_update_complete").wait(StackName="bus", WaiterConfig=FAST)
    assert CloudControl.kept["one"]["Description"] == "b"
    client.delete_stack(StackName="bus")
    client.get_waiter("stack_delete_complete").wait(StackName=stack["StackId"], WaiterConfig=FAST)
    assert CloudControl.kept == {}
    client.create_stack(StackName="no", TemplateBody=template("refused", "a"))
    with pytest.raises(WaiterError):
        client.get_waiter("stack_create_complete").wait(StackName="no", WaiterConfig=FAST)
    events = client.describe_stack_events(StackName="no")["StackEvents"]
    said = [one.get("ResourceStatusReason", "") for one in events]
    assert any("no such bus today" in text for text in said)
    client.close()
