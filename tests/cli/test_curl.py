import json

import pytest


def curl(place, *words: str, **more) -> dict:
    done = place.run("curl", "live", *words, **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_event_is_what_a_function_url_sends(live) -> None:
    found = curl(
        live, "echo?a=1&b=2&a=3%204", "-d", '{"x": 1}', "-H", "Content-Type: application/json",
        "-H", "X-Two: 1", "-H", "X-Two: 2", "-H", "Cookie: k=v; l=w",
    )  # fmt: skip
    assert set(found) == {"status", "headers", "cookies", "body", "base64", "request_id"}
    assert found["status"] == 200
    event = json.loads(found["body"])
    assert event["version"] == "2.0"
    assert (event["rawPath"], event["rawQueryString"]) == ("/echo", "a=1&b=2&a=3%204")
    assert event["queryStringParameters"] == {"a": "1,3 4", "b": "2"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"x": 1}', False)
    assert event["cookies"] == ["k=v", "l=w"]
    assert event["headers"]["x-two"] == "1,2"
    assert event["headers"]["content-length"] == "8"
    assert "cookie" not in event["headers"]
    http = event["requestContext"]["http"]
    assert (http["method"], http["path"], http["protocol"]) == ("POST", "/echo", "HTTP/1.1")


@pytest.mark.slow
def test_data_is_a_form_as_with_curl(live, tmp_path) -> None:
    (tmp_path / "body").write_text("b=2\n")
    done = live.run("curl", "live", "/echo", "-d", "a=1", "-d", f"@{tmp_path}/body", "-X", "put")
    event = json.loads(json.loads(done.stdout)["body"])
    assert event["headers"]["content-type"] == "application/x-www-form-urlencoded"
    assert (event["body"], event["isBase64Encoded"]) == ("YT0xJmI9Mg==", True)
    assert event["requestContext"]["http"]["method"] == "PUT"
    assert "looks like JSON" in live.run("curl", "live", "/echo", "-d", '{"a": 1}').stderr
    event = json.loads(curl(live, "/echo", "--data-binary", "-", stdin="a\nb")["body"])
    assert event["body"] == "YQpi"


@pytest.mark.slow
def test_status_headers_cookies_and_bodies_come_back(live, tmp_path) -> None:
    pot = curl(live, "/teapot")
    assert (pot["status"], pot["body"]) == (418, "short and stout")
    assert pot["headers"] == {"x-kind": "pot", "content-type": "application/json"}
    assert pot["cookies"] == ["a=1; Secure"]
    assert live.run("curl", "live", "/teapot", "-f").returncode == 5
    assert live.run("curl", "live", "/teapot", "--raw").stdout == "short and stout"

    image = curl(live, "/image", "-o", str(tmp_path / "image.png"))
    assert (tmp_path / "image.png").read_bytes() == b"\xff\x00"
    assert image["body"] is None
    image = curl(live, "/image")
    assert (image["body"], image["base64"]) == ("/wA=", True)


@pytest.mark.slow
def test_on_a_terminal(live) -> None:
    screen = live.on_terminal("curl", "live", "/teapot")
    assert screen.returncode == 0
    lines = [line for line in screen.text.splitlines() if "…" not in line or "HTTP" in line]
    assert any(line.endswith("HTTP 418") for line in lines)
    assert "x-kind: pot" in lines
    assert "set-cookie: a=1; Secure" in lines
    assert "short and stout" in lines
    assert "lambent trace" in screen.text
    assert "2 bytes that are no text" in live.on_terminal("curl", "live", "/image").text


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("live", "/other"), "FUNCTION_FAILED", 5),
        (("live", "/wrong"), "ANSWER_NOT_HTTP", 1),
        (("live", "/", "-H", "no colon"), "USAGE", 2),
        (("live", "/", "-d", "@/nothing/here"), "FILE", 2),
        (("nobody", "/"), "ResourceNotFoundException", 1),
        ((), "USAGE", 2),
    ],
)
def test_what_is_wrong_is_said(live, words, code, exit_code) -> None:
    done = live.run("curl", *words)
    assert done.returncode == exit_code, done.stderr
    assert f"error[{code}]" in done.stderr
    assert "\n  fix   " in done.stderr
