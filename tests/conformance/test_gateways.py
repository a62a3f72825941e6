"""REST APIs, HTTP APIs and load balancers as their clients meet them, on a live server."""

import base64
import http.client
import json
import time
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ANSWERS = """
import base64, json, time

def handler(event, context):
    asked = (event.get("queryStringParameters") or {}).get("do")
    if asked == "raise":
        raise ValueError("on purpose")
    if asked == "bad":
        return {"statusCode": "x"}
    if asked == "binary":
        return {"statusCode": 200, "headers": {"content-type": "image/png"},
                "body": base64.b64encode(b"\\x89PNG").decode(), "isBase64Encoded": True}
    return {"statusCode": 200, "headers": {"content-type": "application/json"},
            "body": json.dumps(event)}
"""


def ask(url, method="GET", path="", body=None, headers=None):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=60)
    try:
        connection.request(method, parts.path.rstrip("/") + (path or "/"), body, headers or {})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def admin(server, method, name="", document=None):
    """The gateways' own page, as the command line asks it."""
    body = None if document is None else json.dumps(document)
    status, _, answer = ask(server.url, method, f"/_lambent/gateways/{name}", body)
    return status, json.loads(answer)


@pytest.fixture
def gateway(server, name):
    """Puts gateways in front of a function; they are gone after the test."""
    made = []

    def put(kind, *routes, code=ANSWERS, **config):
        if not made:
            server.function(name, code)
        targets = [{"function": name, **route} for route in routes]
        made.append(f"{name}-{kind}")
        status, facts = admin(server, "PUT", made[-1], {"kind": kind, "routes": targets, **config})
        assert status == 200, facts
        return facts

    yield put
    for one in set(made):
        admin(server, "DELETE", one)


def test_a_rest_api(gateway):
    facts = gateway(
        "REST",
        {"method": "GET", "path": "/items/{id}"},
        {"method": "ANY", "path": "/files/{proxy+}"},
        stages={"prod": {"colour": "blue"}},
        base_paths={"v1": "prod"},
    )
    url = facts["urls"]["prod"]
    status, headers, body = ask(url, path="/items/a%20b?x=1&x=2", headers={"X-One": "1"})
    event = json.loads(body)
    assert status == 200
    assert "x-amz-apigw-id" in headers
    assert (event["path"], event["resource"]) == ("/items/a b", "/items/{id}")
    assert event["pathParameters"] == {"id": "a b"}
    assert event["stageVariables"] == {"colour": "blue"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
    assert event["headers"]["X-One"] == "1"
    context = event["requestContext"]
    assert (context["stage"], context["apiId"]) == ("prod", facts["id"])
    assert context["path"] == "/prod/items/a b"
    missing = (403, b'{"message":"Missing Authentication Token"}')
    assert ask(url, path="/nowhere")[::2] == missing
    assert ask(url, "DELETE", "/items/1")[::2] == missing
    root = url.removesuffix("prod/")
    assert ask(root, path="/nostage/items/1")[::2] == (403, b'{"message":"Forbidden"}')
    based = json.loads(ask(root, path="/v1/items/7")[2])
    assert (based["path"], based["resource"]) == ("/v1/items/7", "/items/{id}")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    event = json.loads(ask(url, "POST", "/files/a/b", "k=v", form)[2])
    assert (event["body"], event["isBase64Encoded"]) == ("k=v", False)
    assert event["pathParameters"] == {"proxy": "a/b"}
    for wrong in ("raise", "bad"):
        assert ask(url, path=f"/items/1?do={wrong}")[::2] == (
            502,
            b'{"message":"Internal server error"}',
        )


def test_binary_media_types_of_a_rest_api(gateway):
    route = {"method": "ANY", "path": "/{proxy+}"}
    url = gateway("REST", route)["urls"]["Prod"]
    assert ask(url, path="/x?do=binary", headers={"Accept": "image/png"})[2] == b"iVBORw=="
    url = gateway("REST", route, binary_media_types=["image/*"])["urls"]["Prod"]
    assert ask(url, path="/x?do=binary", headers={"Accept": "image/png"})[2] == b"\x89PNG"
    assert ask(url, path="/x?do=binary", headers={"Accept": "text/html"})[2] == b"iVBORw=="
    png = {"Content-Type": "image/png"}
    event = json.loads(ask(url, "POST", "/x", b"\x89PNG", png)[2])
    assert (event["body"], event["isBase64Encoded"]) == ("iVBORw==", True)


def test_an_http_api(server, gateway):
    facts = gateway(
        "HTTP",
        {"method": "GET", "path": "/items/{id}"},
        {"method": "GET", "path": "/old", "payload_format": "1.0"},
        stages={"$default": {}, "test": {"a": "b"}},
    )
    url = facts["urls"]["$default"]
    event = json.loads(ask(url, path="/items/1?x=1&x=2")[2])
    assert (event["routeKey"], event["rawPath"]) == ("GET /items/{id}", "/items/1")
    assert event["pathParameters"] == {"id": "1"}
    assert event["queryStringParameters"] == {"x": "1,2"}
    assert event["requestContext"]["stage"] == "$default"
    event = json.loads(ask(facts["urls"]["test"], path="/items/1")[2])
    assert (event["rawPath"], event["stageVariables"]) == ("/test/items/1", {"a": "b"})
    event = json.loads(ask(url, path="/old")[2])
    assert (event["version"], event["httpMethod"], event["path"]) == ("1.0", "GET", "/old")
    assert ask(url, path="/nowhere")[::2] == (404, b'{"message":"Not Found"}')
    assert ask(url, path="/items/1?do=raise")[::2] == (500, b'{"message":"Internal Server Error"}')
    for path in (f"/_gateway/{facts['id']}/items/1", f"/_gateway/{facts['id']}/$default/items/1"):
        assert json.loads(ask(server.url, path=path)[2])["rawPath"] == "/items/1"


def test_a_load_balancer(gateway):
    url = gateway("ALB", {"path": "/api/*"}, multi_value=True)["urls"][""]
    event = json.loads(ask(url, path="/api/x?a=1&a=%20")[2])
    assert event["requestContext"]["elb"]["targetGroupArn"].startswith("arn:aws:elasticload")
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "%20"]}
    status, headers, body = ask(url, path="/elsewhere")
    assert (status, headers["content-type"]) == (503, "text/html")
    assert b"<h1>503 Service Temporarily Unavailable</h1>" in body
    url = gateway("ALB", {"path": "$default"})["urls"][""]
    status, headers, body = ask(url, path="/x?do=raise")
    assert (status, headers["server"]) == (502, "awselb/2.0")
    assert b"<h1>502 Bad Gateway</h1>" in body
    assert ask(url, "POST", "/x", b"x" * ((1 << 20) + 1))[0] == 413


def test_throttles(server, gateway, name):
    rest = gateway("REST", {"path": "/a"})["urls"]["Prod"]
    plain = gateway("HTTP", {"path": "/a"})["urls"]["$default"]
    server.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert ask(rest, path="/a")[0] == 500
    assert ask(plain, path="/a")[::2] == (503, b'{"message":"Service Unavailable"}')


def test_cors_of_an_http_api(gateway):
    url = gateway(
        "HTTP",
        {"method": "POST", "path": "/a"},
        cors={
            "allow_origins": ["https://app.example"],
            "allow_methods": ["POST"],
            "allow_headers": ["content-type"],
            "max_age_s": 60,
        },
    )["urls"]["$default"]
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    status, headers, body = ask(url, "OPTIONS", "/a", headers=asked)
    assert (status, body) == (204, b"")
    assert headers["access-control-allow-origin"] == "https://app.example"
    assert headers["access-control-allow-headers"] == "content-type"
    assert headers["access-control-max-age"] == "60"
    _, headers, _ = ask(url, "POST", "/a", "{}", {"Origin": "https://app.example"})
    assert headers["access-control-allow-origin"] == "https://app.example"
    _, headers, _ = ask(url, "POST", "/a", "{}", {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in headers


def test_cors_of_a_rest_api(gateway):
    url = gateway("REST", {"method": "GET", "path": "/a"}, cors={"allow_origins": ["*"]})
    url = url["urls"]["Prod"]
    status, headers, _ = ask(url, "OPTIONS", "/a", headers={"Origin": "https://x.example"})
    assert (status, headers["access-control-allow-origin"]) == (200, "*")
    assert headers["access-control-allow-methods"] == "GET,OPTIONS"
    assert ask(url, "OPTIONS", "/nowhere")[0] == 403


POLICIES = """
import time

def handler(event, context):
    token = event.get("authorizationToken") or (event["headers"].get("X-Token"))
    if token == "fail":
        raise ValueError("on purpose")
    if token == "nobody":
        raise Exception("Unauthorized")
    if token == "nonsense":
        return {"principalId": "x"}
    effect = "Deny" if token == "deny" else "Allow"
    arn = event["methodArn"] if token != "items" else event["methodArn"].rpartition("/")[0] + "/one"
    return {
        "principalId": "user-" + token,
        "policyDocument": {"Version": "2012-10-17", "Statement": [
            {"Action": "execute-api:Invoke", "Effect": effect, "Resource": arn}]},
        "context": {"n": 1, "yes": True, "type": event["type"], "asked": str(time.time())},
    }
"""


@pytest.fixture
def authorizer(server, name):
    """A second function, which decides."""
    made = f"{name}-auth"

    def make(code):
        server.function(made, code)
        return made

    yield make
    server.client.delete_function(FunctionName=made)


@pytest.mark.parametrize("kind", ["TOKEN", "REQUEST"])
def test_authorizers_of_a_rest_api(gateway, authorizer, kind):
    header = "Authorization" if kind == "TOKEN" else "X-Token"
    decides = {
        "function": authorizer(POLICIES),
        "type": kind,
        "identity": [f"header:{header}"],
        "pattern": "[a-z]+$" if kind == "TOKEN" else "",
    }
    url = gateway(
        "REST",
        {"method": "GET", "path": "/{item}", "authorizer": "mine"},
        authorizers={"mine": decides},
    )["urls"]["Prod"]

    def get(token, path="/one"):
        status, _, body = ask(url, path=path, headers={header: token} if token else {})
        return status, json.loads(body)

    status, event = get("allow")
    assert status == 200
    context = event["requestContext"]["authorizer"]
    assert context["principalId"] == "user-allow"
    assert (context["n"], context["yes"], context["type"]) == ("1", "true", kind)
    assert get("allow")[1]["requestContext"]["authorizer"]["asked"] == context["asked"]
    denied = "User is not authorized to access this resource"
    assert get("deny") == (403, {"Message": f"{denied} with an explicit deny"})
    # The answer that is kept holds for what its policy names, and for nothing else.
    assert get("items")[0] == 200
    assert get("items", "/two") == (403, {"Message": denied})
    assert get("") == (401, {"message": "Unauthorized"})
    assert get("nobody") == (401, {"message": "Unauthorized"})
    assert get("fail") == (500, {"message": None})
    assert get("nonsense") == (500, {"message": None})
    if kind == "TOKEN":
        assert get("N0T!") == (401, {"message": "Unauthorized"})


SIMPLE = """
import time

def handler(event, context):
    if event["identitySource"] == ["fail"]:
        raise ValueError("on purpose")
    return {"isAuthorized": event["identitySource"] == ["yes"],
            "context": {"n": 1, "route": event["routeKey"], "asked": time.time()}}
"""


@pytest.mark.parametrize("ttl_s", [0, 60])
def test_simple_answers_of_an_http_api(gateway, authorizer, ttl_s):
    decides = {
        "function": authorizer(SIMPLE),
        "identity": ["header:X-Token"],
        "simple": True,
        "ttl_s": ttl_s,
    }
    url = gateway(
        "HTTP",
        {"method": "GET", "path": "/a", "authorizer": "mine"},
        {"method": "GET", "path": "/open"},
        authorizers={"mine": decides},
    )["urls"]["$default"]

    def get(token, path="/a"):
        status, _, body = ask(url, path=path, headers={"X-Token": token} if token else {})
        return status, json.loads(body)

    status, event = get("yes")
    context = event["requestContext"]["authorizer"]["lambda"]
    assert (status, context["n"], context["route"]) == (200, 1, "GET /a")
    time.sleep(0.01)
    again = get("yes")[1]["requestContext"]["authorizer"]["lambda"]
    assert (again["asked"] == context["asked"]) is bool(ttl_s)
    assert get("no") == (403, {"message": "Forbidden"})
    assert get("") == (401, {"message": "Unauthorized"})
    assert get("fail") == (500, {"message": "Internal Server Error"})
    assert get("", "/open")[0] == 200


def test_an_iam_policy_for_an_http_api(gateway, authorizer):
    decides = {
        "function": authorizer(POLICIES),
        "identity": ["header:Authorization"],
        "payload_format": "1.0",
    }
    url = gateway(
        "HTTP",
        {"method": "GET", "path": "/one", "authorizer": "mine"},
        authorizers={"mine": decides},
    )["urls"]["$default"]
    status, _, body = ask(url, path="/one", headers={"Authorization": "allow"})
    assert status == 200
    assert json.loads(body)["requestContext"]["authorizer"]["lambda"]["n"] == 1
    assert ask(url, path="/one", headers={"Authorization": "deny"})[0] == 403


def test_callers_who_sign(gateway):
    url = gateway("REST", {"path": "/a", "authorizer": "AWS_IAM"})["urls"]["Prod"]
    assert ask(url, path="/a")[::2] == (403, b'{"message":"Missing Authentication Token"}')
    request = AWSRequest("GET", f"{url}a")
    SigV4Auth(Credentials("AKIDEXAMPLE", "secret"), "execute-api", "us-east-1").add_auth(request)
    status, _, body = ask(url, path="/a", headers=dict(request.headers))
    assert status == 200
    identity = json.loads(body)["requestContext"]["identity"]
    assert (identity["accessKey"], identity["accountId"]) == ("AKIDEXAMPLE", "123456789012")


ISSUER = "https://tokens.example"


def wrap(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture
def token(start_server, tmp_path):
    """Tokens of an issuer whose keys a server was told of; that server is the fixture's `server`."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    numbers = private.public_key().public_numbers()
    key = {"kty": "RSA", "kid": "k1", "n": wrap(numbers.n.to_bytes(256)), "e": "AQAB"}
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [key]}))

    def made(**claims):
        whole = {"iss": ISSUER, "aud": "app", "exp": int(time.time()) + 300, **claims}
        text = f"{wrap({'alg': 'RS256', 'kid': 'k1'})}.{wrap(whole)}"
        return f"{text}.{wrap(private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    made.server = start_server(jwt_keys=json.dumps({ISSUER: str(file)}))
    return made


@pytest.mark.slow  # a server of its own
def test_tokens_of_an_issuer(token):
    server = token.server
    server.function("guarded", ANSWERS)
    routes = [
        {"path": "/plain", "authorizer": "issuer"},
        {"path": "/scoped", "authorizer": "issuer", "scopes": ["read", "write"]},
        {"path": "/old", "authorizer": "issuer", "payload_format": "1.0"},
        {"path": "/open"},
    ]
    document = {
        "kind": "HTTP",
        "routes": [{"function": "guarded", **route} for route in routes],
        "jwt_authorizers": {
            "issuer": {
                "issuer": ISSUER,
                "audience": ["other", "app"],
                "identity": ["header:Authorization", "query:token"],
            }
        },
    }
    status, facts = admin(server, "PUT", "api", document)
    assert status == 200, facts
    (url,) = facts["urls"].values()

    def get(path, text="", form="Bearer "):
        headers = {"Authorization": form + text} if text else {}
        status, fields, body = ask(url, "GET", path, headers=headers)
        return status, fields.get("www-authenticate"), json.loads(body)

    assert get("/open")[0] == 200
    assert get("/plain") == (401, "Bearer", {"message": "Unauthorized"})
    status, _, event = get("/plain", token(sub="ann", groups=["a", "b"], level=3, scope="read x"))
    assert status == 200
    known = event["requestContext"]["authorizer"]["jwt"]
    assert known["scopes"] is None
    assert {k: known["claims"][k] for k in ("sub", "groups", "level", "iss", "aud")} == {
        "sub": "ann", "groups": "[a b]", "level": "3", "iss": ISSUER, "aud": "app",
    }  # fmt: skip
    assert get("/plain", token(), "")[0] == 200
    assert ask(url, "GET", f"/plain?token={token()}")[0] == 200
    status, _, event = get("/scoped", token(scope="read x"))
    assert (status, event["requestContext"]["authorizer"]["jwt"]["scopes"]) == (200, ["read", "x"])
    for text in (token(), token(scope="other"), token(scp=[])):
        assert get("/scoped", text) == (
            403,
            (
                'Bearer scope="read write" error="insufficient_scope" '
                'error_description="the token does not have the required scopes"'
            ),
            {"message": "Forbidden"},
        )
    for text, why in (
        (token(aud="else"), "the token does not have a valid audience"),
        (token(exp=int(time.time()) - 1), "the token has expired"),
        ("nonsense", "token contains an invalid number of segments"),
        (token()[:-8] + "AAAAAAAA", "the token has an invalid signature"),
    ):
        challenge = f'Bearer scope="" error="invalid_token" error_description="{why}"'
        assert get("/plain", text) == (401, challenge, {"message": "Unauthorized"})
    status, _, event = get("/old", token(sub="ann"))
    assert (status, event["version"]) == (200, "1.0")
    assert event["requestContext"]["authorizer"]["claims"]["sub"] == "ann"
    for wrong in (
        {"kind": "REST"},
        {"jwt_authorizers": {"issuer": {"issuer": ISSUER, "audience": []}}},
        {"jwt_authorizers": {"issuer": {"issuer": "file:///etc", "audience": ["a"]}}},
        {"jwt_authorizers": {}},
        {"authorizers": {"issuer": {"function": "guarded"}}},
    ):
        assert admin(server, "PUT", "wrong", document | wrong)[0] == 400, wrong


def test_what_is_kept_and_what_is_refused(server, gateway, name):
    facts = gateway("HTTP", {"path": "/a"})
    key = facts["name"]
    assert admin(server, "GET", key) == (200, facts)
    assert facts in admin(server, "GET")[1]["gateways"]
    for wrong in (
        {"kind": "SOAP", "routes": []},
        {"kind": "HTTP", "routes": []},
        {"kind": "HTTP", "routes": [{"path": "a", "function": name}]},
        {"kind": "HTTP", "routes": [{"path": "/{x+}/a", "function": name}]},
        {"kind": "REST", "routes": [{"path": "$default", "function": name}]},
        {"kind": "HTTP", "routes": [{"path": "/a", "function": name, "authorizer": "who"}]},
        {"kind": "HTTP", "routes": [{"path": p, "function": name} for p in ("/{a}", "/{b}")]},
    ):
        assert admin(server, "PUT", key, wrong)[0] == 400, wrong
    assert ask(facts["urls"]["$default"], path="/a")[0] == 200
    assert admin(server, "DELETE", key)[0] == 200
    assert admin(server, "DELETE", key)[0] == 404
    assert ask(facts["urls"]["$default"], path="/a")[0] == 404


@pytest.mark.slow
def test_gateways_outlive_the_server(start_server):
    server = start_server()
    server.function("f", ANSWERS)
    _, facts = admin(
        server, "PUT", "g", {"kind": "HTTP", "routes": [{"path": "/a", "function": "f"}]}
    )
    server.stop()
    again = start_server()
    assert admin(again, "GET", "g")[1] == facts
    assert ask(facts["urls"]["$default"], path="/a")[0] == 200


@pytest.mark.slow
def test_only_key_holders_may_change_gateways(start_server):
    server = start_server(auth="sigv4", auth_keys='{"AKIDEXAMPLE": "secret"}')
    document = json.dumps({"kind": "HTTP", "routes": [{"path": "/a", "function": "f"}]})
    path = "/_lambent/gateways/g"
    assert ask(server.url, "PUT", path, document)[0] == 403
    request = AWSRequest("PUT", f"{server.url}{path}", data=document)
    SigV4Auth(Credentials("AKIDEXAMPLE", "secret"), "lambda", "us-east-1").add_auth(request)
    headers = dict(request.headers)
    assert ask(server.url, "PUT", path, document.replace("/a", "/b"), headers)[0] == 403
    assert ask(server.url, "PUT", path, document, headers)[0] == 200
