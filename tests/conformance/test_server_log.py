"""The log of a busy server: JSON lines of ours alone, and nothing that a caller or a function gave."""

import base64
import contextlib
import http.client
import json
import os
import signal
import uuid

import pytest

PLANTED = {
    "payload": f"payload-{uuid.uuid4().hex}",
    "answer": f"answer-{uuid.uuid4().hex}",
    "printed": f"printed-{uuid.uuid4().hex}",
    "raised": f"raised-{uuid.uuid4().hex}",
    "environment": f"environment-{uuid.uuid4().hex}",
    "context": f"context-{uuid.uuid4().hex}",
    "query": f"query-{uuid.uuid4().hex}",
    "secret key": f"secret{uuid.uuid4().hex}",
    "source": f"source-{uuid.uuid4().hex}",
}

SOURCE = f"""
import os, sys, time
# {PLANTED["source"]}
def handler(event, context):
    print("{PLANTED["printed"]}", os.environ["SECRET"], event)
    match event.get("do"):
        case "raise":
            raise ValueError("{PLANTED["raised"]}" + event["text"])
        case "exit":
            os._exit(3)
        case "sleep":
            time.sleep(60)
        case "large":
            return "{PLANTED["answer"]}" * 200_000
    return {{"text": "{PLANTED["answer"]}", "event": event}}
"""

BAD_INIT = f'raise RuntimeError("{PLANTED["raised"]}")\n'


@pytest.mark.slow
@pytest.mark.parametrize("level", ["debug", "warning"])
def test_nothing_that_is_theirs(start_server, until, level):
    keys = {"AKIDEXAMPLE": PLANTED["secret key"]}
    server = start_server(
        auth="sigv4",
        auth_keys=json.dumps(keys),
        log_level=level,
        async_retry_delays_s="[0.05, 0.05]",
        drain_s=5,
    )
    server.client = server.boto3("AKIDEXAMPLE", PLANTED["secret key"])
    variables = {"Variables": {"SECRET": PLANTED["environment"]}}
    server.function("busy", SOURCE, Environment=variables, Timeout=2)
    server.function("broken", BAD_INIT, Environment=variables, Timeout=2)
    text = PLANTED["payload"]
    context = base64.b64encode(json.dumps({"custom": PLANTED["context"]}).encode()).decode()
    for do in ("answer", "raise", "exit", "sleep", "large"):
        server.client.invoke(
            FunctionName="busy",
            Payload=json.dumps({"do": do, "text": text}),
            ClientContext=context,
            LogType="Tail",
        )
    server.client.invoke(FunctionName="broken", Payload=json.dumps({"text": text}))
    for do in ("raise", "exit"):
        server.client.invoke(
            FunctionName="busy",
            InvocationType="Event",
            Payload=json.dumps({"do": do, "text": text}),
        )
    refused(server)
    (spawner,) = _children(server.process.pid) if os.geteuid() == 0 else (None,)
    if spawner:  # every sandbox is lost in the middle
        os.kill(spawner, signal.SIGKILL)
        # It may meet the environment that is just being lost.
        with contextlib.suppress(server.client.exceptions.ServiceException):
            server.client.invoke(FunctionName="busy", Payload=json.dumps({"text": text}))
    with pytest.raises(server.client.exceptions.InvalidParameterValueException):
        server.client.update_function_code(FunctionName="busy", ZipFile=b"PK" + text.encode())
    assert server.stop() == 0
    log = server.log_file.read_text()
    found = [what for what, value in PLANTED.items() if value in log]
    assert not found, log
    events = [json.loads(line) for line in log.splitlines()]
    assert all({"event", "level", "timestamp"} <= event.keys() for event in events)
    assert len(events) < 60  # no line per request
    if level == "warning":
        assert not {"info", "debug"} & {event["level"] for event in events}
    else:
        assert "server.ready" in {event["event"] for event in events}


def refused(server):
    """Requests that end badly before a function sees them."""
    for path, body in (
        (f"/2015-03-31/functions/busy/invocations?{PLANTED['query']}=1", PLANTED["payload"]),
        (f"/{PLANTED['query']}", ""),
        ("/2015-03-31/functions", "{" + PLANTED["payload"]),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", path, body, {"Authorization": PLANTED["secret key"]})
        assert connection.getresponse().status >= 400
        connection.close()


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]
