"""Mangum with FastAPI, and Powertools' resolvers, behind every kind of HTTP front."""

import http.client
import importlib.metadata
import json
import re
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement

FASTAPI = """
from fastapi import Cookie, FastAPI, Query, Request, Response
from mangum import Mangum

app = FastAPI()

@app.get("/items/{item_id}")
def item(item_id: str, request: Request, q: list[str] = Query(default=[]),
         session: str | None = Cookie(default=None)):
    return {"item": item_id, "q": q, "session": session, "agent": request.headers["user-agent"]}

@app.post("/items", status_code=201)
def make(body: dict, response: Response):
    response.set_cookie("a", "1")
    response.headers["X-Made"] = "yes"
    return body

@app.post("/bytes")
async def size(request: Request):
    return Response(bytes(reversed(await request.body())), media_type="application/octet-stream")

handler = Mangum(app, lifespan="off")
"""

POWERTOOLS = """
from aws_lambda_powertools.event_handler import (
    ALBResolver, APIGatewayHttpResolver, APIGatewayRestResolver, LambdaFunctionUrlResolver, Response
)

APPS = {"ALB": ALBResolver(), "HTTP": APIGatewayHttpResolver(), "REST": APIGatewayRestResolver(),
        "URL": LambdaFunctionUrlResolver()}

def routes(kind, app):
    @app.get("/items/<item_id>")
    def item(item_id):
        event = app.current_event
        return {"kind": kind, "item": item_id, "q": event.get_query_string_value("q"),
                "agent": event.headers["user-agent"]}

    @app.post("/items")
    def make():
        return Response(201, "application/json", app.current_event.body, headers={"X-Made": "yes"})

for kind, app in APPS.items():
    routes(kind, app)

def kind_of(event):
    context = event["requestContext"]
    if "elb" in context:
        return "ALB"
    if event.get("version") == "2.0":
        return "URL" if ".lambda-url." in context["domainName"] else "HTTP"
    return "REST"

def handler(event, context):
    return APPS[kind_of(event)].resolve(event, context)
"""


def installed(*names):
    """The files of packages and of all that they need, from this interpreter's own."""
    files, seen, wanted = {}, set(), list(names)
    while wanted:
        name = re.sub(r"[-_.]+", "-", wanted.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        found = importlib.metadata.distribution(name)
        for file in found.files or ():
            wanted_here = file.suffix in {".py", ".so"} or file.name == "METADATA"
            if wanted_here and ".." not in file.parts:  # scripts lie outside
                files[str(file)] = file.locate().read_bytes()
        for text in found.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.append(requirement.name)
    return files


def ask(url, method="GET", path="/", body=None, headers=None):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=60)
    try:
        sent = {"User-Agent": "test", "Host": parts.netloc, **(headers or {})}
        connection.request(method, parts.path.rstrip("/") + path, body, sent)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.fixture
def fronts(server, name):
    """A function behind every kind of front: kind → its address."""
    made = []

    def put(code, *packages):
        server.function(name, {"app.py": code, **installed(*packages)}, MemorySize=512)
        urls = {}
        for kind, path in (("REST", "/{proxy+}"), ("HTTP", "$default"), ("ALB", "$default")):
            document = {
                "kind": kind,
                "routes": [{"path": path, "function": name}],
                "binary_media_types": ["application/octet-stream"] if kind == "REST" else [],
            }
            made.append(f"{name}-{kind}")
            status, _, body = ask(
                server.url, "PUT", f"/_lambent/gateways/{made[-1]}", json.dumps(document)
            )
            assert status == 200, body
            (urls[kind],) = json.loads(body)["urls"].values()
        return urls | {"URL": function_url(server, name)}

    yield put
    for one in made:
        ask(server.url, "DELETE", f"/_lambent/gateways/{one}")


def function_url(server, name):
    for sid, action, more in (
        ("url", "lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
        ("run", "lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
    ):
        server.client.add_permission(
            FunctionName=name, StatementId=sid, Action=action, Principal="*", **more
        )
    made = server.client.create_function_url_config(FunctionName=name, AuthType="NONE")
    url_id = re.search(r"[a-z0-9]{32}", made["FunctionArn"] + made["FunctionUrl"])
    return made["FunctionUrl"] if url_id is None else f"{server.url}/_url/{url_id[0]}"


@pytest.mark.slow
def test_fastapi_behind_mangum(fronts):
    """Slow: a package of 20 MB, four fronts."""
    urls = fronts(FASTAPI, "mangum", "fastapi")
    for kind, url in urls.items():
        repeated = "q=1" if kind == "ALB" else "q=1&q=%20"  # one value each, without multi_value
        cookie = {"Cookie": "session=abc"}
        status, _, body = ask(url, path=f"/items/a%20b?{repeated}", headers=cookie)
        found = {"item": "a b", "q": ["1"] if kind == "ALB" else ["1", " "], "session": "abc"}
        if kind in ("HTTP", "URL"):
            found["q"] = json.loads(body)["q"]  # joined by a comma, which Mangum may split
            assert ",".join(found["q"]) == "1, "
        assert (status, json.loads(body)) == (200, {**found, "agent": "test"}), kind
        sent = {"Content-Type": "application/json"}
        status, headers, body = ask(url, "POST", "/items", '{"a": [1]}', sent)
        assert (status, json.loads(body)) == (201, {"a": [1]}), kind
        assert headers["x-made"] == "yes", kind
        assert headers["set-cookie"].startswith("a=1"), kind
        octets = "application/octet-stream"
        sent = {"Content-Type": octets, "Accept": octets}
        assert ask(url, "POST", "/bytes", b"\xff\x00\x01", sent)[2] == b"\x01\x00\xff", kind
        assert ask(url, path="/nowhere")[::2] == (404, b'{"detail":"Not Found"}'), kind


@pytest.mark.slow
def test_resolvers_of_powertools(fronts):
    """Slow: a package of some MB, four fronts."""
    urls = fronts(POWERTOOLS, "aws-lambda-powertools")
    for kind, url in urls.items():
        status, _, body = ask(url, path="/items/7?q=x")
        found = {"kind": kind, "item": "7", "q": "x", "agent": "test"}
        assert (status, json.loads(body)) == (200, found)
        sent = {"Content-Type": "application/json"}
        status, headers, body = ask(url, "POST", "/items", '{"a": 1}', sent)
        assert (status, headers["x-made"], json.loads(body)) == (201, "yes", {"a": 1}), kind
        assert ask(url, path="/nowhere")[0] == 404, kind
