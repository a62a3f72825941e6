import json
import urllib.request

import pytest


def get(url: str):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_routes_are_added_listed_and_removed(served) -> None:
    made = served.run("gateway", "add", "shop", "GET /items/{id}", "hello")
    assert made.returncode == 0, made.stderr
    (url,) = json.loads(made.stdout)["urls"].values()
    assert get(f"{url}items/7")["pathParameters"] == {"id": "7"}
    for asked in ("gateway:shop", url):
        found = json.loads(served.run("curl", asked, "/items/8?a=1", "-H", "X-Two: 2").stdout)
        assert (found["status"], len(found["request_id"])) == (200, 36)
        event = json.loads(found["body"])
        assert (event["rawPath"], event["rawQueryString"]) == ("/items/8", "a=1")
        assert event["headers"]["x-two"] == "2"
    missing = served.run("curl", "gateway:shop", "/nowhere", "-X", "POST", "-d", "x", "-f")
    assert (missing.returncode, json.loads(missing.stdout)["status"]) == (5, 404)
    assert served.run("curl", "gateway:none", "/").returncode == 2
    again = served.run("gateway", "add", "shop", "/other", "hello", "--stage", "test")
    assert json.loads(again.stdout)["urls"]["test"] == f"{url}test/"
    (found,) = json.loads(served.run("gateway", "ls", "shop").stdout)["gateways"]
    assert [route["path"] for route in found["config"]["routes"]] == ["/items/{id}", "/other"]
    shown = served.on_terminal("gateway", "ls")
    assert "GET /items/{id}" in shown.text
    assert url in shown.text
    wrong = served.run("gateway", "add", "shop", "/x", "hello", "--kind", "rest")
    assert (wrong.returncode, "is of the kind http" in wrong.stderr) == (2, True)
    issuer = ("--issuer", "https://issuer.example/", "--audience", "app")
    assert (
        served.run("gateway", "add", "shop", "/t", "hello", *issuer, "--scope", "r").returncode == 0
    )
    (found,) = json.loads(served.run("gateway", "ls", "shop").stdout)["gateways"]
    guarded = found["config"]["routes"][-1]
    assert (guarded["authorizer"], guarded["scopes"]) == ("issuer.example", ["r"])
    assert served.run("gateway", "add", "shop", "/u", "hello", *issuer[:2]).returncode == 2
    assert served.run("gateway", "rm", "shop").returncode == 0
    assert json.loads(served.run("gateway", "ls", "shop").stdout) == {"gateways": []}
    gone = served.run("gateway", "rm", "shop")
    assert "Gateway not found: shop" in gone.stderr


@pytest.mark.slow
def test_the_events_of_a_template_are_deployed(served, tmp_path) -> None:
    served.run("init", "shop", cwd=tmp_path)
    folder = tmp_path / "shop"
    text = (folder / "template.yaml").read_text().rstrip()
    assert "\n    Properties:\n" in text
    events = (
        "      Events:\n        A: {Type: HttpApi, Properties: {Path: '/a/{x}', Method: get}}\n"
    )
    text = text.replace("\n    Properties:\n", f"\n    Properties:\n{events}", 1)
    (folder / "template.yaml").write_text(text + "\n")
    (folder / "handler.py").write_text("def handler(event, context):\n    return event\n")
    done = served.run("deploy", "--json", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads(done.stdout)
    assert facts["not_deployed"] == []
    (gateway,) = facts["gateways"]
    assert get(f"{gateway['urls']['$default']}a/1")["routeKey"] == "GET /a/{x}"
