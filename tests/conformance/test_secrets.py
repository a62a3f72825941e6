"""What must stay secret is looked for everywhere that a server writes or shows anything."""

from __future__ import annotations

import json
import os

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

KEY, KEY_SECRET = "AKIDSECRETS", "the-servers-own-key-4242"
VARIABLE, PAYLOAD = "variable-4711-abc", "payload-4711-def"
SOURCE = """
import json, os, sys
def handler(event, context):
    if event.get("exit"):
        os._exit(3)
    if event.get("raise"):
        raise ValueError("plain words")
    return {name: os.environ.get(name) for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
"""


def get(server, path):
    request = AWSRequest("GET", f"{server.url}{path}")
    SigV4Auth(Credentials(KEY, KEY_SECRET), "lambda", "us-east-1").add_auth(request)
    session = URLLib3Session()
    answer = session.send(request.prepare())
    session.close()
    assert answer.status_code == 200, answer.content
    return answer.content


@pytest.mark.slow  # a server of its own, at its most talkative
def test_nothing_that_is_written_or_shown_gives_a_secret_away(start_server, until):
    server = start_server(
        auth="sigv4", auth_keys=json.dumps({KEY: KEY_SECRET}), log_level="debug", audit="all"
    )
    server.client.close()
    server.client = server.boto3(key=KEY, secret=KEY_SECRET)
    server.function(
        "f",
        SOURCE,
        Environment={"Variables": {"PASSWORD": VARIABLE}},
        TracingConfig={"Mode": "Active"},
        LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "DEBUG"},
    )
    session = server.invoke("f", {"password": PAYLOAD})
    requests = []
    for event in ({}, {"raise": 1}, {"exit": 1}):
        answer = server.client.invoke(
            FunctionName="f",
            Payload=json.dumps({"password": PAYLOAD, **event}),
            LogType="Tail",
        )
        requests.append(answer["ResponseMetadata"]["RequestId"])
        assert VARIABLE.encode() not in answer["Payload"].read()
    with pytest.raises(ClientError):
        server.client.update_function_configuration(
            FunctionName="f", Environment={"Variables": {"AWS_REGION": VARIABLE}}
        )
    with pytest.raises(ClientError):
        server.client.invoke(FunctionName="f", Payload=f"not JSON {PAYLOAD}")
    until(lambda: sum('"platform.report"' in line for line in server.log("f")) >= 4)

    shown = [get(server, "/metrics"), *(get(server, f"/_lambent/requests/{i}") for i in requests)]
    shown.append(get(server, "/readyz"))
    assert b'"segments":[{' in shown[1]
    assert server.stop() == 0
    shown.append(server.log_file.read_bytes())
    for folder, _, files in os.walk(server.data_dir):
        for name in files:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not folder.startswith(str(server.data_dir / "runtimes")):
                with open(path, "rb") as file:
                    shown.append(file.read())
    everything = b"\0".join(shown)
    assert b"CreateFunction" in everything  # the trail is among it
    secrets = (VARIABLE, PAYLOAD, KEY_SECRET, *session.values())
    assert [one for one in secrets if one.encode() in everything] == []
