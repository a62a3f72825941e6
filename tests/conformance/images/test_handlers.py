"""Images whose command is only a handler: our runtime serves them with the image's interpreter."""

from __future__ import annotations

import json
import sys

import pytest
from botocore.exceptions import ClientError

APP = """
import os, sys

def handler(event, context):
    return {
        "event": event, "task": os.environ["LAMBDA_TASK_ROOT"], "cwd": os.getcwd(),
        "handler": os.environ["_HANDLER"], "python": sys.executable, "own": os.environ.get("OWN"),
        "client": "awslambdaric" in sys.modules, "runtime": os.path.isdir("/var/runtime/boto3"),
        "pinned": __import__("jmespath").__file__, "id": context.aws_request_id,
    }

def fails(event, context):
    raise ValueError("no")
"""
SITE = f"usr/local/lib/python3.{sys.version_info.minor}/site-packages"
FILES = {"srv/app.py": APP, f"{SITE}/jmespath.py": ""}
HANDLER = {
    "Cmd": ["app.handler"],
    "WorkingDir": "/srv",
    "Env": ["OWN=yes", "PYTHONDONTWRITEBYTECODE=1"],
}


@pytest.mark.root
def test_a_handler_alone_is_served_by_our_runtime_with_the_images_python(
    server, layout, name, create
):
    create(server, name, layout.image("v1", FILES, **HANDLER))
    server.active(name)
    said = server.invoke(name, {"a": 1})
    assert said["event"] == {"a": 1}
    assert (said["task"], said["cwd"], said["handler"]) == ("/srv", "/srv", "app.handler")
    assert said["python"].startswith("/usr/local/bin/python3")
    assert (said["own"], said["client"], said["runtime"]) == ("yes", False, True)
    assert said["pinned"] == f"/{SITE}/jmespath.py", "what the image has installed wins over ours"
    server.client.update_function_configuration(
        FunctionName=name, ImageConfig={"Command": ["app.fails"]}
    )
    server.active(name)
    answer = server.client.invoke(FunctionName=name)
    error = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled"
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no")
    assert error["stackTrace"] == [
        '  File "/srv/app.py", line 13, in fails\n    raise ValueError("no")\n'
    ]
    server.client.update_function_configuration(
        FunctionName=name, ImageConfig={"Command": ["missing.handler"]}
    )
    server.active(name)
    error = json.loads(server.client.invoke(FunctionName=name)["Payload"].read())
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"].startswith("Unable to import module 'missing'")


@pytest.mark.root
def test_the_entry_point_of_awss_base_images_without_its_client(server, layout, name, create):
    uri = layout.image("v1", FILES, **{**HANDLER, "Entrypoint": ["/lambda-entrypoint.sh"]})
    create(server, name, uri)
    server.active(name)
    assert server.invoke(name)["handler"] == "app.handler"


@pytest.mark.root
def test_a_handler_with_nothing_to_run_it_says_so(server, bare_layout, name, create):
    create(server, name, bare_layout.image("v1", {"srv/app.py": APP}, **HANDLER))
    server.active(name)
    with pytest.raises(ClientError, match="neither python3 nor node"):
        server.client.invoke(FunctionName=name)


EXTENSION = """#!/usr/local/bin/python3.{minor}
import json, os, urllib.request
api = "http://%s/2020-01-01/extension" % os.environ["AWS_LAMBDA_RUNTIME_API"]
body = json.dumps(dict(events=["INVOKE"])).encode()
name = {{"Lambda-Extension-Name": "watch.py"}}
with urllib.request.urlopen(urllib.request.Request(api + "/register", body, name)) as answer:
    known = {{"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}}
while True:
    with urllib.request.urlopen(urllib.request.Request(api + "/event/next", headers=known)) as event:
        print("extension saw", json.load(event)["eventType"], flush=True)
"""


@pytest.mark.root
def test_extensions_that_are_in_the_image_are_started(server, layout, name, create, until):
    files = {**FILES, "opt/extensions/watch.py": EXTENSION.format(minor=sys.version_info.minor)}
    create(server, name, layout.image("v1", files, **HANDLER))
    server.active(name)
    assert server.invoke(name, {})["handler"] == "app.handler"
    until(lambda: any("extension saw INVOKE" in line for line in server.log(name)))


NODE_APP = """
exports.handler = async (event, context) => ({
  event, node: process.execPath, task: process.env.LAMBDA_TASK_ROOT, cwd: process.cwd(),
});
exports.fails = async () => { throw new TypeError("no"); };
"""


@pytest.mark.root
@pytest.mark.slow  # the interpreter alone is a hundred megabytes
def test_a_node_handler_is_served_with_the_images_node(server, node_layout, name, create):
    uri = node_layout.image(
        "v1", {"app/index.js": NODE_APP}, Cmd=["index.handler"], WorkingDir="/app"
    )
    create(server, name, uri)
    server.active(name)
    assert server.invoke(name, {"a": 1}) == {
        "event": {"a": 1}, "node": "/usr/local/bin/node", "task": "/app", "cwd": "/app",
    }  # fmt: skip
    server.client.update_function_configuration(
        FunctionName=name, ImageConfig={"Command": ["index.fails"]}
    )
    server.active(name)
    error = json.loads(server.client.invoke(FunctionName=name)["Payload"].read())
    assert (error["errorType"], error["errorMessage"]) == ("TypeError", "no")
    assert "/app/index.js" in error["trace"][1]
