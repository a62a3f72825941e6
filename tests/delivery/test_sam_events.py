"""Which gateways a SAM template stands for."""

from pathlib import Path
from textwrap import dedent

import msgspec
import pytest

from lambent.control.gateways import GatewayConfig, checked
from lambent.delivery import template

TEMPLATE = """
    Transform: AWS::Serverless-2016-10-31
    Globals:
      Function: {Runtime: python3.13, CodeUri: .}
    Resources:
      Rest:
        Type: AWS::Serverless::Api
        Properties:
          StageName: live
          Variables: {COLOUR: blue}
          BinaryMediaTypes: [image~1png]
          Cors: {AllowOrigin: "'https://a.example'", AllowMethods: "'GET,POST'", MaxAge: "'60'"}
          Auth:
            DefaultAuthorizer: Token
            Authorizers:
              Token: {FunctionArn: !GetAtt Auth.Arn, Identity: {ReauthorizeEvery: 30}}
              Asked:
                FunctionArn: !GetAtt Auth.Arn
                FunctionPayloadType: REQUEST
                Identity: {Headers: [X-Key], QueryStrings: [k]}
              Pool: {UserPoolArn: arn:aws:cognito-idp:us-east-1:1:userpool/x}
      Http:
        Type: AWS::Serverless::HttpApi
        Properties:
          CorsConfiguration: {AllowOrigins: ["*"], AllowMethods: [GET], MaxAge: 5}
          Auth:
            Authorizers:
              Simple:
                FunctionArn: !GetAtt Auth.Arn
                EnableSimpleResponses: true
                AuthorizerPayloadFormatVersion: 2.0
                Identity: {Headers: [Authorization]}
              Tokens:
                JwtConfiguration: {issuer: "https://issuer.example", audience: [app]}
                IdentitySource: $request.querystring.token
                AuthorizationScopes: [read]
      Auth:
        Type: AWS::Serverless::Function
        Properties: {Handler: auth.handler, FunctionName: decides}
      Main:
        Type: AWS::Serverless::Function
        Properties:
          Handler: app.handler
          FunctionName: main
          AutoPublishAlias: live
          Events:
            One: {Type: Api, Properties: {RestApiId: !Ref Rest, Path: "/a/{id}", Method: get}}
            Two:
              Type: Api
              Properties:
                {RestApiId: !Ref Rest, Path: /b, Method: any, Auth: {Authorizer: Asked}}
            Open:
              Type: Api
              Properties: {RestApiId: !Ref Rest, Path: /o, Method: any, Auth: {Authorizer: NONE}}
            Pooled:
              Type: Api
              Properties: {RestApiId: !Ref Rest, Path: /p, Method: any, Auth: {Authorizer: Pool}}
            Three:
              Type: HttpApi
              Properties:
                {ApiId: !Ref Http, Path: /c, Method: POST, Auth: {Authorizer: Simple}}
            Jwt:
              Type: HttpApi
              Properties: {ApiId: !Ref Http, Path: /j, Method: GET, Auth: {Authorizer: Tokens}}
            Wider:
              Type: HttpApi
              Properties:
                ApiId: !Ref Http
                Path: /w
                Method: GET
                Auth: {Authorizer: Tokens, AuthorizationScopes: [read, write]}
            Old:
              Type: HttpApi
              Properties: {ApiId: !Ref Http, Path: /d, Method: GET, PayloadFormatVersion: "1.0"}
            Implicit: {Type: Api, Properties: {Path: "/{proxy+}", Method: ANY}}
            Queue: {Type: SQS, Properties: {Queue: arn}}
    """


@pytest.fixture
def project(tmp_path: Path):
    path = tmp_path / "template.yaml"
    path.write_text(dedent(TEMPLATE))
    return template.read(path)


def config(project, logical_id: str) -> GatewayConfig:
    """What the server makes of it, and whether it takes it."""
    (plan,) = [one for one in project.gateways if one.name.endswith(f"-{logical_id}")]
    return checked(plan.name, msgspec.convert(plan.document, GatewayConfig))


def test_a_rest_api(project) -> None:
    found = config(project, "Rest")
    assert found.stages == {"live": {"COLOUR": "blue"}}
    assert found.binary_media_types == ("image/png",)
    assert (found.cors.allow_origins, found.cors.max_age_s) == (("https://a.example",), 60)
    assert found.cors.allow_methods == ("GET", "POST")
    routes = {route.path: route for route in found.routes}
    assert set(routes) == {"/a/{id}", "/b", "/o"}
    assert (routes["/a/{id}"].method, routes["/a/{id}"].authorizer) == ("GET", "Token")
    assert (routes["/a/{id}"].function, routes["/a/{id}"].qualifier) == ("main", "live")
    assert (routes["/b"].authorizer, routes["/o"].authorizer) == ("Asked", None)
    token, asked = found.authorizers["Token"], found.authorizers["Asked"]
    assert (token.type, token.identity, token.ttl_s) == ("TOKEN", ("header:Authorization",), 30)
    assert (asked.type, asked.identity, asked.ttl_s) == (
        "REQUEST",
        ("header:X-Key", "query:k"),
        300,
    )
    assert (token.function, token.qualifier) == ("decides", "production")


def test_an_http_api(project) -> None:
    found = config(project, "Http")
    assert found.cors.allow_methods == ("GET",)
    routes = {route.path: route for route in found.routes}
    assert (routes["/c"].method, routes["/c"].authorizer) == ("POST", "Simple")
    assert routes["/d"].payload_format == "1.0"
    assert [(routes[path].authorizer, routes[path].scopes) for path in ("/j", "/w", "/c")] == [
        ("Tokens", ("read",)),
        ("Tokens", ("read", "write")),
        ("Simple", ()),
    ]
    issuer = found.jwt_authorizers["Tokens"]
    assert (issuer.issuer, issuer.audience) == ("https://issuer.example", ("app",))
    assert issuer.identity == ("query:token",)
    simple = found.authorizers["Simple"]
    assert (simple.simple, simple.payload_format, simple.ttl_s) == (True, "2.0", 0)


def test_the_implicit_api(project) -> None:
    found = config(project, "ServerlessRestApi")
    assert found.stages == {"Prod": {}}
    assert [route.path for route in found.routes] == ["/{proxy+}"]


def test_what_is_not_served_is_named_and_not_open(project) -> None:
    named = {one.partition(" ")[0] for one in project.not_deployed}
    assert named == {"Main.Events.Pooled", "Main.Events.Queue"}
