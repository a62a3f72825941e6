"""The query protocol with botocore as oracle: it serialises, we parse; we serialise, it parses."""

from datetime import UTC, datetime
from urllib.parse import urlencode

import botocore.session
import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from lambent.api import query_form as query
from lambent.api import query_xml as xml
from lambent.api.cloudformation import NAMESPACE, model
from lambent.errors import StackError, UnknownOperation

SERVICE = botocore.session.get_session().get_service_model("cloudformation")


def sent(operation, **parameters):
    body = create_serializer("query").serialize_to_request(
        parameters, SERVICE.operation_model(operation)
    )["body"]
    return urlencode(body).encode()


def test_lists_structures_booleans_and_empty_lists():
    parameters = {
        "StackName": "s",
        "TemplateBody": "é & =\n{}",
        "Parameters": [{"ParameterKey": f"K{at}", "ParameterValue": f"v{at}"} for at in range(12)],
        "DisableRollback": True,
        "TimeoutInMinutes": 5,
        "Capabilities": ["CAPABILITY_IAM"],
        "Tags": [],
    }
    body = sent("CreateStack", **parameters)
    match = query.operation_of(model().operations, body)
    assert match.operation.name == "CreateStack"
    assert query.parse(match, None, body) == parameters


def test_answers_are_read_by_botocore():
    operation = model().operations["DescribeStacks"]
    answer = {
        "Stacks": [
            {
                "StackName": "a<b>&\x00c",
                "StackStatus": "CREATE_COMPLETE",
                "CreationTime": datetime(2026, 11, 21, 1, 2, 3, 4000, UTC),
                "DisableRollback": False,
                "Outputs": [{"OutputKey": "k", "OutputValue": "v", "Description": None}],
            }
        ]
    }
    reply = xml.with_request_id(xml.serialise(operation, answer, None, namespace=NAMESPACE), "id-1")
    output = SERVICE.operation_model("DescribeStacks").output_shape
    response = {"status_code": 200, "headers": {}, "body": reply.body}
    found = create_parser("query").parse(response, output)
    stack = found["Stacks"][0]
    assert stack["StackName"] == "a<b>&?c"
    assert stack["CreationTime"] == answer["Stacks"][0]["CreationTime"]
    assert stack["DisableRollback"] is False
    assert stack["Outputs"] == [{"OutputKey": "k", "OutputValue": "v"}]
    assert found["ResponseMetadata"]["RequestId"] == "id-1"


def test_errors_are_read_by_botocore():
    reply = xml.with_request_id(
        xml.render(StackError("a < b @request-id@"), namespace=NAMESPACE), "id-2"
    )
    output = SERVICE.operation_model("DescribeStacks").output_shape
    response = {"status_code": 400, "headers": {}, "body": reply.body}
    found = create_parser("query").parse(response, output)
    assert found["Error"]["Code"] == "ValidationError"
    assert found["Error"]["Message"] == "a < b @request-id@"
    assert found["ResponseMetadata"]["RequestId"] == "id-2"


@pytest.mark.parametrize("body", [b"", b"Action=Surprise", b"x" * 100])
def test_no_operation(body):
    with pytest.raises(UnknownOperation):
        query.operation_of(model().operations, body)


def test_forms_that_are_none():
    with pytest.raises(StackError):
        query.form(b"\xff\xfe=1")
    with pytest.raises(StackError):
        query.form(b"&".join(b"a=%d" % at for at in range(query.MAX_FIELDS + 1)))
    match = query.operation_of(model().operations, b"Action=CreateStack")
    nested = b"Action=CreateStack&StackName=a&StackName.x=1&Parameters.member=3&TimeoutInMinutes=x"
    with pytest.raises(StackError):
        query.parse(match, None, nested)
