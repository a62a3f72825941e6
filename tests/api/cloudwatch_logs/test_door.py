"""CloudWatch Logs' protocol at the served door; its operations are tested in conformance/."""

import json

import boto3
import botocore.config
import botocore.exceptions
import pytest

from lambent.api.cloudwatch_logs import model, served
from lambent.api.operation import Operation

TARGET = "Logs_20140328."


def post(door, operation, body=b"{}", **headers):
    sent = {"X-Amz-Target": TARGET + operation, "Content-Type": "application/x-amz-json-1.1"}
    status, answered, text = door.request("POST", "/", body, {**sent, **headers})
    return status, answered, json.loads(text) if text else None


def test_every_registered_operation_is_of_the_model():
    operations = served()
    assert operations.keys() <= model().operations.keys()
    assert all(isinstance(operation, Operation) for operation in operations.values())


def test_an_operation_that_is_not_served_is_501(door):
    status, headers, body = post(door, "StartQuery", b'{"startTime": 0}')
    assert status == 501
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert headers["x-amzn-requestid"]
    assert body == {
        "__type": "NotImplementedException",
        "message": "StartQuery is not available in this version of lambent",
    }


def test_an_unknown_operation(door):
    status, _, body = post(door, "Nonsense")
    assert (status, body["__type"]) == (400, "UnknownOperationException")


def test_a_request_in_logs_scope_without_a_target_is_ours(door):
    credential = "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/logs/aws4_request, SignedHeaders=host, Signature=0"
    status, _, text = door.request("POST", "/", b"{}", {"Authorization": credential})
    assert (status, json.loads(text)["__type"]) == (400, "UnknownOperationException")


def test_lambda_keeps_its_own_words(door):
    status, headers, _ = door.request("POST", "/", b"{}")
    assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_only_post_is_an_operation(door, method):
    status, _, text = door.request(method, "/", None, {"X-Amz-Target": TARGET + "ListLogGroups"})
    assert (status, json.loads(text)["__type"]) == (400, "UnknownOperationException")


def test_constraints_are_invalid_parameters(door):
    status, _, body = post(door, "CreateLogStream", b'{"logGroupName": "a b"}')
    assert (status, body["__type"]) == (400, "InvalidParameterException")
    assert body["message"].startswith("2 validation errors detected: Value 'a b' at 'logGroupName'")
    assert (
        "Value null at 'logStreamName' failed to satisfy constraint: Member must not be null"
        in (body["message"])
    )


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"logGroupName": {}}', b'{"logGroupName": 1}'])
def test_what_cannot_be_read(door, body):
    status, _, answer = post(door, "CreateLogGroup", body)
    assert (status, answer["__type"]) == (400, "SerializationException")


def test_a_body_too_large_is_refused_in_this_protocol(door):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=30)
    connection.putrequest("POST", "/")
    connection.putheader("X-Amz-Target", TARGET + "PutLogEvents")
    connection.putheader("Content-Length", str(10**9))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["__type"]) == (
        400,
        "RequestEntityTooLargeException",
    )
    connection.close()


def test_a_page_of_another_origin_is_refused(door):
    status, _, body = post(door, "ListLogGroups", Origin="http://evil.example")
    assert (status, body["__type"]) == (400, "AccessDeniedException")


class TestSigned:
    def client(self, door, key="AKIDEXAMPLE", secret="secret", service="logs"):
        return boto3.Session(key, secret).client(
            service,
            region_name="us-east-1",
            endpoint_url=door.url,
            config=botocore.config.Config(retries={"max_attempts": 0}),
        )

    def code(self, call, **options):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            call(**options)
        return error.value.response["Error"]["Code"]

    def test_a_known_key_is_let_in(self, locked_door):
        call = self.client(locked_door).start_query
        assert self.code(call, startTime=0, endTime=1, queryString="x") == "NotImplementedException"

    def test_a_wrong_secret_is_not(self, locked_door):
        call = self.client(locked_door, secret="wrong").describe_log_groups
        assert self.code(call) == "InvalidSignatureException"

    def test_an_unknown_key_is_not(self, locked_door):
        call = self.client(locked_door, key="AKIDOTHER").describe_log_groups
        assert self.code(call) == "UnrecognizedClientException"

    def test_a_credential_of_lambdas_scope_is_not(self, locked_door):
        status, _, body = post(
            locked_door,
            "ListLogGroups",
            Authorization="AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0",
            **{"X-Amz-Date": "20260101T000000Z"},
        )
        assert (status, body["__type"]) == (400, "InvalidSignatureException")
        assert "correct service: 'logs'" in body["message"]
