"""Function URLs as browsers, curl and signing clients meet them, on a live server."""

import base64
import gzip
import http.client
import json
import re
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ECHO = "def handler(event, context):\n    return event\n"
RETURN = """
import json
def handler(event, context):
    value = json.loads(event["body"])
    if value == "raise":
        raise ValueError("on purpose")
    if value == "sleep":
        import time; time.sleep(5)
    return value
"""


@pytest.fixture
def make_url(server, name):
    """A function with a URL that everybody may use: its URL's configuration."""

    def make(code=ECHO, *, who="*", auth="NONE", timeout=30, **config):
        client = server.client
        server.function(name, code, Timeout=timeout)
        if who:
            for sid, action, more in (
                ("url", "lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": auth}),
                ("run", "lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
            ):
                client.add_permission(
                    FunctionName=name, StatementId=sid, Action=action, Principal=who, **more
                )
        return client.create_function_url_config(FunctionName=name, AuthType=auth, **config)

    yield make
    server.client.delete_function(FunctionName=name)


def ask(url, method="GET", path="", body=None, headers=None, host=None):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=60)
    try:
        sent = {"Host": host or parts.netloc, **(headers or {})}
        connection.request(method, parts.path.rstrip("/") + (path or "/"), body, sent)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_the_same_function_at_three_addresses(server, make_url, name):
    shown = make_url()["FunctionUrl"]
    status, headers, body = ask(shown, path="/pa2%Fth/1?q=foo&q=%2Fbar", headers={"X-One": "1"})
    event = json.loads(body)
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert event["rawPath"] == "/pa2%Fth/1"
    assert event["queryStringParameters"] == {"q": "foo,/bar"}
    assert event["headers"]["x-one"] == "1"
    assert event["headers"]["x-forwarded-for"] == "127.0.0.1"
    context = event["requestContext"]
    assert context["accountId"] == "anonymous"
    assert event["headers"]["host"] == context["domainName"]
    assert headers["x-amzn-requestid"] == context["requestId"]
    url = context["apiId"]
    status, _, body = ask(server.url, path=f"/_url/{url}/items?a=1")
    assert (status, json.loads(body)["rawPath"]) == (200, "/items")
    status, _, body = ask(
        server.url, path="/items", host=f"{url}.lambda-url.us-east-1.localhost:{server.port}"
    )
    assert (status, json.loads(body)["rawPath"]) == (200, "/items")


def test_what_is_returned(make_url):
    shown = make_url(RETURN)["FunctionUrl"]

    def back(value):
        return ask(
            shown, "POST", body=json.dumps(value), headers={"Content-Type": "application/json"}
        )

    for value, body in (({"a": 1}, b'{"a": 1}'), ("hello", b"hello"), (3, b"3"), (None, b"null")):
        assert back(value)[::2] == (200, body)
    picture = base64.b64encode(b"\x89PNG").decode()
    status, headers, body = back(
        {
            "statusCode": "418",
            "headers": {"content-type": "image/png", "x-n": 1},
            "cookies": ["a=1", "b=2"],
            "body": picture,
            "isBase64Encoded": True,
        }
    )
    assert (status, body) == (418, b"\x89PNG")
    assert headers["content-type"] == "image/png"
    assert headers["x-n"] == "1"
    for bad in ("raise", {"statusCode": "x"}, {"statusCode": 200, "headers": {"a": "b\r\nc: d"}}):
        assert back(bad)[::2] == (502, b"Internal Server Error")


def test_time_limits_sizes_and_throttles(server, make_url, name):
    shown = make_url(RETURN, timeout=1)["FunctionUrl"]
    assert ask(shown, "POST", body='"sleep"', headers={"Content-Type": "text/plain"})[0] == 504
    status, _, body = ask(shown, "POST", body=b"x" * 6_291_457)
    assert (status, json.loads(body)) == (413, {"Message": "Request Entity Too Large"})
    server.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    status, headers, _ = ask(shown, "POST", body="1")
    assert (status, headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")


@pytest.mark.parametrize("forgotten", ["url", "run"])
def test_nobody_gets_in_without_both_permissions(server, make_url, name, forgotten):
    shown = make_url()["FunctionUrl"]
    server.client.remove_permission(FunctionName=name, StatementId=forgotten)
    status, headers, body = ask(shown)
    assert status == 403
    assert headers["x-amzn-errortype"] == "AccessDeniedException"
    assert json.loads(body)["Message"].startswith("Forbidden. For troubleshooting Function URL")


def test_a_url_that_is_not_there(server):
    host = f"{'0' * 32}.lambda-url.us-east-1.localhost:{server.port}"
    status, _, body = ask(server.url, host=host)
    assert (status, json.loads(body)) == (403, {"Message": None})


def test_whoever_signs_is_in_the_event(server, make_url):
    shown = make_url(auth="AWS_IAM", who="")["FunctionUrl"]
    assert ask(shown)[0] == 403
    request = AWSRequest("POST", shown, data=b"{}", headers={"Content-Type": "application/json"})
    credentials = Credentials("AKIDEXAMPLE", "secret")
    SigV4Auth(credentials, "lambda", "us-east-1").add_auth(request)
    status, _, body = ask(shown, "POST", body=b"{}", headers=dict(request.headers))
    assert status == 200
    context = json.loads(body)["requestContext"]
    assert context["accountId"] == "123456789012"
    assert context["authorizer"]["iam"]["accessKey"] == "AKIDEXAMPLE"
    presigned = AWSRequest("GET", shown)
    SigV4QueryAuth(credentials, "lambda", "us-east-1").add_auth(presigned)
    parts = urlsplit(presigned.url)
    assert ask(shown, path=f"/?{parts.query}")[0] == 200


def test_cors(make_url):
    shown = make_url(
        Cors={
            "AllowOrigins": ["https://app.example"],
            "AllowMethods": ["POST"],
            "AllowHeaders": ["content-type"],
            "MaxAge": 60,
        }
    )["FunctionUrl"]
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    status, headers, body = ask(shown, "OPTIONS", headers=asked)
    assert (status, body) == (200, b"")
    assert headers["access-control-allow-origin"] == "https://app.example"
    assert headers["access-control-allow-methods"] == "POST"
    assert headers["access-control-allow-headers"] == "content-type"
    assert headers["access-control-max-age"] == "60"
    _, headers, _ = ask(shown, "OPTIONS", headers={**asked, "Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in headers
    _, headers, _ = ask(shown, "POST", body="{}", headers={"Origin": "https://app.example"})
    assert headers["access-control-allow-origin"] == "https://app.example"
    _, headers, _ = ask(shown, "POST", body="{}")
    assert "access-control-allow-origin" not in headers


def test_bodies_that_are_not_text(make_url):
    shown = make_url()["FunctionUrl"]
    packed = gzip.compress(b"{}")
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    event = json.loads(ask(shown, "PUT", body=packed, headers=headers)[2])
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == packed


def test_an_alias_has_a_url_of_its_own(server, make_url, name):
    make_url()
    client = server.client
    version = client.publish_version(FunctionName=name)["Version"]
    server.active(f"{name}:{version}")
    client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    shown = client.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")[
        "FunctionUrl"
    ]
    assert ask(shown)[0] == 403  # the alias has no policy of its own
    for sid, action, more in (
        ("a", "lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
        ("b", "lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
    ):
        client.add_permission(
            FunctionName=name,
            Qualifier="live",
            StatementId=sid,
            Action=action,
            Principal="*",
            **more,
        )
    assert ask(shown)[0] == 200
    client.delete_function_url_config(FunctionName=name, Qualifier="live")
    assert ask(shown)[0] == 403


STREAMS = """
def handler(event, context):
    for n in range(5):
        yield f"part {n}\\n"
"""


def test_a_stream_reaches_the_client_in_parts(make_url):
    shown = make_url(STREAMS, InvokeMode="RESPONSE_STREAM")["FunctionUrl"]
    status, headers, body = ask(shown)
    assert status == 200
    assert headers["transfer-encoding"] == "chunked"
    assert body.decode().splitlines() == [f"part {n}" for n in range(5)]


def test_a_function_that_does_not_stream_shows_its_envelope(make_url):
    code = 'def handler(event, context):\n    return {"statusCode": 201, "body": "x"}\n'
    shown = make_url(code, InvokeMode="RESPONSE_STREAM")["FunctionUrl"]
    assert ask(shown)[::2] == (200, b'{"statusCode": 201, "body": "x"}')


ENDLESS = """
def handler(event, context):
    while True:
        yield b"x" * 65536
"""


@pytest.mark.slow
def test_a_reader_that_leaves_and_one_that_is_slow(server, make_url, name, until):
    """Memory stays bounded while nobody reads, and the next call finds a working function."""
    shown = make_url(ENDLESS, InvokeMode="RESPONSE_STREAM", timeout=3)["FunctionUrl"]
    parts = urlsplit(shown)
    before = resident_mb(server.process.pid)
    slow = []
    for _ in range(10):
        sock = socket.create_connection(("127.0.0.1", parts.port), timeout=30)
        sock.sendall(f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        sock.recv(1024)
        slow.append(sock)
    time.sleep(1)
    assert resident_mb(server.process.pid) - before < 60
    for sock in slow:
        sock.close()
    until(lambda: ask_quickly(shown), seconds=60)


def ask_quickly(shown):
    parts = urlsplit(shown)
    with socket.create_connection(("127.0.0.1", parts.port), timeout=30) as sock:
        sock.sendall(f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        return sock.recv(1024).startswith(b"HTTP/1.1 200")


def resident_mb(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * 4096 >> 20


@pytest.mark.slow
def test_two_hundred_streams_at_once(server, make_url):
    shown = make_url(STREAMS, InvokeMode="RESPONSE_STREAM")["FunctionUrl"]
    answers = []

    def one():
        for _ in range(10):
            answers.append(ask(shown)[0])

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert answers == [200] * 200


@pytest.mark.slow
def test_a_port_of_its_own_is_remembered(start_server):
    server = start_server(url_style="port")
    server.function("f")
    for sid, action, more in (
        ("url", "lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
        ("run", "lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
    ):
        server.client.add_permission(
            FunctionName="f", StatementId=sid, Action=action, Principal="*", **more
        )
    shown = server.client.create_function_url_config(FunctionName="f", AuthType="NONE")
    shown = shown["FunctionUrl"]
    assert urlsplit(shown).port not in (None, server.port)
    assert ask(shown, path="/x")[0] == 200
    server.stop()
    again = start_server(url_style="port")
    assert again.client.get_function_url_config(FunctionName="f")["FunctionUrl"] == shown
    assert ask(shown, path="/x")[0] == 200


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"url_style": "path"}, "http://127.0.0.1:{port}/_url/{id}/"),
        ({"url_style": "host"}, "http://{id}.lambda-url.us-east-1.localhost:{port}/"),
        ({"url_base_domain": "fn.example"}, "https://{id}.lambda-url.us-east-1.fn.example/"),
    ],
)
@pytest.mark.slow
def test_how_a_url_is_written_is_a_setting(start_server, settings, expected):
    server = start_server(**settings)
    server.function("f")
    shown = server.client.create_function_url_config(FunctionName="f", AuthType="NONE")
    found = re.search(r"[a-z0-9]{32}", shown["FunctionUrl"])
    assert shown["FunctionUrl"] == expected.format(port=server.port, id=found[0])
