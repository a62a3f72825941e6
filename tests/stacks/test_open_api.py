"""Definitions of APIs as gateways: SAM's own translator writes them, and what is refused."""

import pytest

from lambent.stacks import open_api
from lambent.stacks.errors import ResourceError

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f:live"
URI = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{ARN}/invocations"


def operation(**more):
    return {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": URI}, **more}


def test_routes_lead_to_functions():
    body = {
        "paths": {"/a/{b}": {"get": operation(), "x-amazon-apigateway-any-method": operation()}}
    }
    target = {"function": "f", "qualifier": "live"}
    assert open_api.document("REST", body) == {
        "kind": "REST",
        "routes": [
            {"path": "/a/{b}", "method": "GET", **target},
            {"path": "/a/{b}", "method": "ANY", **target},
        ],
    }


def test_authorizers():
    lambda_one = {"authorizerUri": URI, "type": "request", "identitySource": ["$request.header.X", "$context.stage"]}  # fmt: skip
    body = {
        "paths": {
            "/l": {"get": operation(security=[{"L": []}])},
            "/j": {"get": operation(security=[{"J": ["read"]}])},
            "/i": {"get": operation(security=[{"AWS_IAM": []}])},
            "/o": {"get": operation(security=[{"NONE": []}])},
        },
        "components": {
            "securitySchemes": {
                "L": {"x-amazon-apigateway-authorizer": lambda_one},
                "J": {"x-amazon-apigateway-authorizer": {"type": "jwt", "jwtConfiguration": {"issuer": "https://i", "audience": ["a"]}, "identitySource": "$request.header.Authorization"}},
            }
        },
    }  # fmt: skip
    found = open_api.document("HTTP", body)
    assert [one.get("authorizer") for one in found["routes"]] == ["L", "J", "AWS_IAM", None]
    assert found["routes"][1]["scopes"] == ["read"]
    assert found["authorizers"]["L"]["identity"] == ["header:X", "context:stage"]
    assert found["jwt_authorizers"]["J"]["issuer"] == "https://i"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"paths": {"/x": {"get": {"x-amazon-apigateway-integration": {"type": "http_proxy"}}}}}, "GET /x: an integration of the type http_proxy"),
        ({"paths": {"/x": {"get": {}}}}, "type none"),
        ({"paths": {"/x": {"get": operation(security=[{"key": []}])}}, "securityDefinitions": {"key": {"type": "apiKey"}}}, "authorizer key is none"),
        ({"paths": {"/x": {"get": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": "arn:aws:states:x"}}}}}, "leads to no function"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_named(body, said):
    with pytest.raises(ResourceError, match=said):
        open_api.document("REST", body)
