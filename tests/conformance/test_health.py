"""`/healthz`, `/readyz` and `/metrics` of a live server; parts are broken for real."""

import http.client
import json
import os
import signal
import sqlite3
import threading
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from prometheus_client.parser import text_string_to_metric_families

KEYS = {"AKIDEXAMPLE": "secret"}


def get(server, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(
            "GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def numbers(server):
    status, body = get(server, "/metrics")
    assert status == 200, body
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def of(found, metric, name, **more):
    labels = {"function": name, "account": "123456789012", "region": "us-east-1", **more}
    return found.get((metric, *sorted(labels.items())))


def test_a_server_that_serves_is_ready(server):
    assert get(server, "/healthz") == (200, b"ok\n")
    status, body = get(server, "/readyz")
    assert status == 200
    assert json.loads(body)["parts"] == dict.fromkeys(
        ("store", "sandbox host", "control", "events"), "ready"
    )
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/readyz")
    assert connection.getresponse().status == 404
    connection.close()


def test_calls_are_seen(server, name, until):
    server.function(name, "import time\ndef handler(e, c):\n    return 1 / e['by']\n")
    server.invoke(name, {"by": 1})
    assert "FunctionError" in server.client.invoke(FunctionName=name, Payload=b'{"by": 0}')
    server.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(server.client.exceptions.TooManyRequestsException):
        server.client.invoke(FunctionName=name)
    found = numbers(server)
    assert of(found, "lambent_function_invocations_total", name) == 2
    assert of(found, "lambent_function_errors_total", name) == 1
    assert of(found, "lambent_function_throttles_total", name) == 1
    assert of(found, "lambent_function_duration_seconds_count", name) == 2
    assert of(found, "lambent_function_init_duration_seconds_count", name) == 1
    assert of(found, "lambent_function_concurrency", name) == 0
    environments = [
        value
        for key, value in numbers(server).items()
        if key[0] == "lambent_environments" and ("function", name) in key
    ]
    assert sum(environments) >= 1
    server.client.delete_function(FunctionName=name)
    gone = numbers(server)
    assert of(gone, "lambent_function_invocations_total", name) is None


def test_a_call_that_runs_is_counted_now(server, name, until):
    server.function(name, "import time\ndef handler(e, c):\n    time.sleep(e['s'])\n")
    server.invoke(name, {"s": 0})
    call = threading.Thread(target=server.invoke, args=(name, {"s": 3}))
    call.start()
    until(lambda: of(numbers(server), "lambent_function_concurrency", name) == 1)
    assert of(numbers(server), "lambent_environments", name, state="running") == 1
    call.join()
    assert of(numbers(server), "lambent_function_concurrency", name) == 0


def test_a_store_that_cannot_commit_is_named(start_server, until):
    server = start_server()
    blocker = sqlite3.connect(server.data_dir / "lambent.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    try:
        status, body = get(server, "/readyz")
        assert status == 503
        assert json.loads(body)["not_ready"] == ["store"]
        assert get(server, "/healthz") == (200, b"ok\n")
    finally:
        blocker.execute("ROLLBACK")
        blocker.close()
    until(lambda: get(server, "/readyz")[0] == 200)
    log = server.log_file.read_text()
    assert "server.not_ready" in log
    assert "server.ready_again" in log


@pytest.mark.skipif(os.geteuid() != 0, reason="finds the spawner by its parent, as root sees it")
def test_a_killed_spawner_comes_back(start_server, name):
    server = start_server()
    if "namespaces" not in server.facts["sandbox"]:
        pytest.skip("this machine has no namespace sandbox, so there is no spawner")
    (spawner,) = _children(server.process.pid)
    os.kill(spawner, signal.SIGKILL)
    assert get(server, "/readyz")[0] == 200
    server.function("f")
    assert server.invoke("f", {"a": 1}) == {"a": 1}


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def test_draining_is_said_before_the_door_closes(start_server, until):
    server = start_server(drain_notice_s=3)
    server.process.send_signal(signal.SIGTERM)
    until(lambda: get(server, "/readyz")[0] == 503)
    assert json.loads(get(server, "/readyz")[1])["not_ready"] == ["draining"]
    assert get(server, "/healthz")[0] == 200
    assert server.process.wait(60) == 0


def test_with_signatures_health_is_open_and_metrics_are_not(start_server):
    server = start_server(auth="sigv4", auth_keys=json.dumps(KEYS))
    assert get(server, "/healthz")[0] == 200
    assert get(server, "/readyz")[0] == 200
    assert get(server, "/metrics")[0] == 200  # from this machine
    # What a proxy on this machine forwards is not from this machine.
    status, body = get(server, "/metrics", X_Forwarded_For="203.0.113.9")
    assert (status, json.loads(body)) == (403, {"message": "Missing Authentication Token"})
    assert get(server, "/metrics", Authorization="AWS4-HMAC-SHA256 nonsense")[0] == 400
    request = botocore.awsrequest.AWSRequest("GET", f"{server.url}/metrics")
    request.headers["X-Forwarded-For"] = "203.0.113.9"
    credentials = botocore.credentials.Credentials(*next(iter(KEYS.items())))
    botocore.auth.SigV4Auth(credentials, "lambda", "us-east-1").add_auth(request)
    signed = urllib.request.Request(request.url, headers=dict(request.headers))
    with urllib.request.urlopen(signed, timeout=60) as answer:
        assert b"lambent_build_info" in answer.read()


def test_web_pages_may_not_read_the_numbers(server):
    assert get(server, "/metrics", Origin="https://example.com")[0] == 403
