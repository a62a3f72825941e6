"""Images that nobody calls for long: Inactive, and Pending again on use, with AWS's answers."""

from __future__ import annotations

import shutil
import time

import pytest
from botocore.exceptions import ClientError

IDLE_S = 3.0
APP = {"srv/app.py": "def handler(event, context):\n    return event\n"}


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory, live_server, shared_runtimes):
    """A server that calls an image idle after seconds."""
    found = live_server(
        tmp_path_factory.mktemp("forgetful"), image_idle_days=IDLE_S / 86_400, state_delay_s=0
    )
    yield found
    found.stop()


def states(server, name):
    shown = server.client.get_function_configuration(FunctionName=name)
    return shown["State"], shown.get("StateReasonCode"), shown.get("StateReason")


def refused(server, name):
    with pytest.raises(ClientError) as caught:
        server.client.invoke(FunctionName=name)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@pytest.mark.root
@pytest.mark.slow  # it must be idle for some seconds
def test_idle_then_called_then_gone(forgetful, layout, create, until):
    server, name = forgetful, "idle"
    uri = layout.image("v1", APP, Cmd=["app.handler"], WorkingDir="/srv")
    create(server, name, uri)
    server.active(name)
    end = time.monotonic() + IDLE_S * 1.5
    while time.monotonic() < end:  # while it is called it stays
        assert server.invoke(name, {"a": 1}) == {"a": 1}
        time.sleep(0.3)
    until(lambda: states(server, name)[0] == "Inactive")
    assert states(server, name) == ("Inactive", "Idle", "The function is currently idle.")
    digest = server.client.get_function(FunctionName=name)["Configuration"]["CodeSha256"]
    tree = next(server.data_dir.rglob(f"trees/{digest}"), None)
    until(lambda: tree is None or not tree.exists())
    assert refused(server, name) == (409, "CodeArtifactUserPendingException")
    until(lambda: states(server, name)[:2] in {("Pending", "Restoring"), ("Active", None)})
    server.active(name)
    assert server.invoke(name, {"a": 2}) == {"a": 2}
    shutil.rmtree(layout.folder)
    until(lambda: states(server, name)[0] == "Inactive")
    assert refused(server, name) == (409, "CodeArtifactUserPendingException")
    until(lambda: states(server, name)[:2] == ("Inactive", "ImageDeleted"))
    server.client.delete_function(FunctionName=name)
