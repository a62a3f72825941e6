"""SnapStart of container images: forked where our Python runtime serves them, started otherwise."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.root

SOURCE = """
import os, uuid
from snapshot_restore_py import register_after_restore
made = uuid.uuid4().hex
restored = []
register_after_restore(restored.append, "after")
def handler(event, context):
    return {"made": made, "restored": restored, "folder": os.getcwd(),
            "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "own": os.environ.get("OWN")}
"""


def _published(server, name, uri, create):
    create(server, name, uri, SnapStart={"ApplyOn": "PublishedVersions"})
    server.active(name)
    version = server.client.publish_version(FunctionName=name)["Version"]
    server.client.get_waiter("published_version_active").wait(
        FunctionName=name, Qualifier=version, WaiterConfig={"Delay": 0.05, "MaxAttempts": 1200}
    )
    shown = server.client.get_function_configuration(FunctionName=name, Qualifier=version)
    answer = server.client.invoke(FunctionName=name, Qualifier=version)
    return shown, json.loads(answer["Payload"].read())


@pytest.mark.usefixtures("forks")
def test_an_image_with_only_a_handler_is_forked(server, layout, name, create):
    uri = layout.image(
        "snap", {"srv/app.py": SOURCE}, Cmd=["app.handler"], WorkingDir="/srv", Env=["OWN=yes"]
    )
    shown, answer = _published(server, name, uri, create)
    assert (shown["SnapStart"]["OptimizationStatus"], shown.get("StateReason")) == ("On", None)
    made = answer.pop("made")
    assert answer == {
        "restored": ["after"], "folder": "/srv", "type": "snap-start", "own": "yes"
    }  # fmt: skip
    answers = [server.invoke(name, Qualifier="1") for _ in range(2)]
    assert {each["made"] for each in answers} == {made}


def test_the_client_in_an_image_asks_for_its_restore(server, layout, name, create, served):
    uri = layout.image("ric", {"srv/app.py": SOURCE}, **served)
    shown, answer = _published(server, name, uri, create)
    assert shown["SnapStart"]["OptimizationStatus"] == "Off"
    assert "started, not restored" in shown["StateReason"]
    assert (answer["restored"], answer["type"]) == (["after"], "snap-start")
    assert any(line.startswith("RESTORE_REPORT") for line in server.log(name))
