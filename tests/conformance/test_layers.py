"""Functions that run with layers: what stands at /opt, who wins, and what is left on the disk."""

from __future__ import annotations

import hashlib
import io
import zipfile

import pytest
from botocore.exceptions import ClientError

LOOK = """
import json, os, shutil, sys
import thing
def handler(event, context):
    try:
        open("/opt/python/thing.py", "a")
    except OSError as error:
        written = error.strerror
    return {
        "thing": thing.NAME,
        "both": open("/opt/both").read(),
        "listed": sorted(os.listdir("/opt")),
        "written": written,
        "tool": shutil.which("tool"),
        "path": [p for p in sys.path if p.startswith("/opt")],
    }
"""


def publish(server, name, files, archive):
    content = {"ZipFile": archive(files)}
    return server.client.publish_layer_version(LayerName=name, Content=content)["LayerVersionArn"]


@pytest.mark.slow  # three configurations, an environment each
def test_layers_are_merged_in_order_at_opt(server, name, archive):
    first = publish(
        server, f"{name}-a",
        {"python/thing.py": "NAME = 'a'", "both": "a", "bin/tool": "#!/bin/sh\n"}, archive,
    )  # fmt: skip
    second = publish(server, f"{name}-b", {"both": "b", "only-b": ""}, archive)
    server.function(name, LOOK, Layers=[first, second])
    seen = server.invoke(name)
    assert seen == {
        "thing": "a",
        "both": "b",
        "listed": ["bin", "both", "only-b", "python"],
        "written": "Read-only file system",
        "tool": "/opt/bin/tool",
        "path": seen["path"],
    }
    assert "/opt/python" in seen["path"]
    server.client.update_function_configuration(FunctionName=name, Layers=[second, first])
    server.active(name)
    assert server.invoke(name)["both"] == "a"
    third = publish(server, f"{name}-a", {"python/thing.py": "NAME = 'new'", "both": "3"}, archive)
    server.client.update_function_configuration(FunctionName=name, Layers=[third])
    server.active(name)
    seen = server.invoke(name)
    assert (seen["thing"], seen["both"], seen["tool"]) == ("new", "3", None)


@pytest.mark.slow  # starts three servers
def test_a_restarted_server_knows_its_layers_and_keeps_what_is_used(start_server, archive):
    server = start_server()
    kept = {"python/thing.py": "NAME = 'kept'", "both": ""}
    arn = publish(server, "one", kept, archive)
    gone = {"python/thing.py": "NAME = 'gone'"}
    publish(server, "two", gone, archive)
    server.function("fn", LOOK, Layers=[arn])
    for layer in ("one", "two"):
        server.client.delete_layer_version(LayerName=layer, VersionNumber=1)
    server.client.publish_layer_version(LayerName="three", Content={"ZipFile": archive(gone)})
    server.stop()
    again = start_server()
    assert again.invoke("fn")["thing"] == "kept"  # the function keeps what it was made with
    assert [one["LayerName"] for one in again.client.list_layers()["Layers"]] == ["three"]
    assert (
        again.client.publish_layer_version(LayerName="two", Content={"ZipFile": archive(kept)})[
            "Version"
        ]
        == 2
    )
    trees = {entry.name for entry in (again.data_dir / "artifacts" / "trees").iterdir()}
    for files in (kept, gone):
        assert hashlib.sha256(archive(files)).hexdigest() in trees
    again.client.delete_layer_version(LayerName="three", VersionNumber=1)
    again.stop()
    third = start_server()
    trees = {entry.name for entry in (third.data_dir / "artifacts" / "trees").iterdir()}
    assert hashlib.sha256(archive(gone)).hexdigest() not in trees
    assert third.invoke("fn")["thing"] == "kept"


def test_250_mb_together(server, name, archive):
    """Zeros, deflated: the limit is on what is unpacked."""
    big = _zeros(140_000_000)
    content = {"ZipFile": big}
    layer = server.client.publish_layer_version(LayerName=f"{name}-big", Content=content)
    asked = {
        "FunctionName": name,
        "Runtime": "python3.12",
        "Handler": "app.handler",
        "Role": "arn:aws:iam::123456789012:role/test",
        "Layers": [layer["LayerVersionArn"]],
    }
    with pytest.raises(ClientError) as caught:
        server.client.create_function(Code={"ZipFile": big}, **asked)
    assert caught.value.response["Error"]["Message"] == (
        "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. "
        "The actual size is 280000000 bytes."
    )
    other = server.client.publish_layer_version(LayerName=f"{name}-other", Content=content)
    asked["Layers"].append(other["LayerVersionArn"])
    with pytest.raises(ClientError) as caught:
        server.client.create_function(Code={"ZipFile": archive({"app.py": ""})}, **asked)
    assert caught.value.response["Error"]["Message"] == (
        "Layers consume more than the available size of 262144000 bytes"
    )


def _zeros(size):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("zeros", bytes(size))
    return buffer.getvalue()
