"""Functions of PackageType Image, from a layout folder and from a registry."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time

import pytest
from botocore.exceptions import ClientError

from lambent.delivery.images import build, recipe
from lambent.delivery.images.push import push

APP = """
import os, pathlib

def handler(event, context):
    return {
        "event": event, "word": "WORD", "cwd": os.getcwd(), "own": os.environ.get("OWN"),
        "memory": context.memory_limit_in_mb, "uid": os.getuid(),
        "hosts": "localhost" in pathlib.Path("/etc/hosts").read_text(),
        "usr": sorted(os.listdir("/usr")), "sys": os.listdir("/sys"),
        "tmp": pathlib.Path("/tmp/x").write_text("x"),
    }

def other(event, context):
    try:
        pathlib.Path("/srv-x").write_text("x")
    except OSError as error:
        return error.strerror
"""


def app(word):
    return {"srv/app.py": APP.replace("WORD", word)}


@pytest.mark.root
def test_the_client_in_the_image_serves_it_and_image_config_takes_its_place(
    server, layout, name, create, served
):
    create(server, name, layout.image("v1", app("one"), **served))
    server.active(name)
    said = server.invoke(name, {"a": 1})
    assert said["event"] == {"a": 1}
    assert (said["cwd"], said["own"], said["uid"]) == ("/srv", "yes", 993)
    assert (said["memory"], said["hosts"], said["sys"]) == ("256", True, [])
    assert said["usr"] == ["lib", "local"] or "local" in said["usr"]
    server.client.update_function_configuration(
        FunctionName=name, ImageConfig={"Command": ["app.other"]}
    )
    server.active(name)
    assert server.invoke(name) == "Read-only file system"


@pytest.mark.root
def test_the_tag_moves_and_the_function_stays(server, layout, name, create, served):
    uri = layout.image("v1", app("one"), **served)
    create(server, name, uri)
    server.active(name)
    layout.image("v1", app("two"), **served)
    assert server.invoke(name)["word"] == "one"
    server.client.update_function_code(FunctionName=name, ImageUri=uri)
    server.active(name)
    assert server.invoke(name)["word"] == "two"


def test_a_broken_layer_fails_with_the_reason(server, layout, name, create, served):
    uri = layout.image("v1", {"../outside": "x"}, **served)
    create(server, name, uri)
    shown = {"State": "Pending"}
    for _ in range(600):
        shown = server.client.get_function_configuration(FunctionName=name)
        if shown["State"] != "Pending":
            break
        time.sleep(0.1)
    assert (shown["State"], shown["StateReasonCode"]) == ("Failed", "InvalidImage")
    assert "leads out of it" in shown["StateReason"]


def test_an_image_that_is_not_there_is_refused(server, layout, name, create, served):
    layout.image("v1", app("one"), **served)
    with pytest.raises(ClientError, match="does not exist"):
        create(server, name, f"oci:{layout.folder}:v2")


@pytest.fixture
def registry(tmp_path, debian):
    program = debian("docker-registry")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (tmp_path / "registry.json").write_text(json.dumps(settings))
    process = subprocess.Popen(
        [program, "serve", tmp_path / "registry.json"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            with socket.socket() as sock:
                if not sock.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.root
@pytest.mark.slow
def test_pushed_created_by_tag_moved_updated(
    start_server, layout, name, registry, debian, create, served, tmp_path
):
    debian("skopeo")
    uri = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/app:v1"

    def send(word):
        sent = push(layout.image("v1", app(word), **served), uri, registry=registry)
        assert sent.sent_to == f"{registry}/team/app:v1"
        return sent

    first = send("one")
    server = start_server(image_registry=registry)
    create(server, name, uri)
    server.active(name)
    second = send("two")
    assert second.digest != first.digest
    assert server.invoke(name)["word"] == "one"
    code = server.client.get_function(FunctionName=name)["Code"]
    assert code["ImageUri"] == uri
    assert code["ResolvedImageUri"] == first.pinned
    server.client.update_function_code(FunctionName=name, ImageUri=uri)
    server.active(name)
    assert server.invoke(name)["word"] == "two"
    resolved = server.client.get_function(FunctionName=name)["Code"]["ResolvedImageUri"]
    assert resolved == second.pinned
    # What lies in the registry is a base, too: a layer more, and the same entry point.
    (tmp_path / "more").mkdir()
    (tmp_path / "more/app.py").write_text(APP.replace("WORD", "three"))
    steps = recipe.from_folder(tmp_path / "more", to="/srv")
    built = build.build(
        recipe.Recipe(base=uri, steps=steps, registry=registry), tmp_path / "built", "v3"
    )
    create(server, f"{name}-built", built.uri)
    server.active(f"{name}-built")
    said = server.invoke(f"{name}-built")
    assert (said["word"], said["own"]) == ("three", "yes")


@pytest.mark.root
@pytest.mark.slow  # two servers
def test_a_failed_update_leaves_the_old_image_serving_also_after_a_restart(
    start_server, layout, name, create, served
):
    server = start_server()
    create(server, name, layout.image("v1", app("one"), **served))
    server.active(name)
    broken = layout.image("v2", {"../outside": "x"}, **served)
    server.client.update_function_code(FunctionName=name, ImageUri=broken)
    shown = {"LastUpdateStatus": "InProgress"}
    for _ in range(600):
        if shown["LastUpdateStatus"] != "InProgress":
            break
        time.sleep(0.05)
        shown = server.client.get_function_configuration(FunctionName=name)
    assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Failed")
    assert shown["LastUpdateStatusReasonCode"] == "InvalidImage"
    assert server.invoke(name)["word"] == "one"
    server.stop()
    server = start_server()
    assert server.invoke(name)["word"] == "one"
    server.client.update_function_code(
        FunctionName=name, ImageUri=layout.image("v3", app("three"), **served)
    )
    server.active(name)
    assert server.invoke(name)["word"] == "three"


BASE_IMAGE = {
    "lambda-entrypoint.sh": "import os, sys\nos.environ['_HANDLER'] = sys.argv[1]\n"
    "os.execv('/var/runtime/bootstrap', ['bootstrap'])\n",
    "var/runtime/bootstrap": "import os, sys\nprint('own bootstrap', flush=True)\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'awslambdaric', os.environ['_HANDLER']])\n",
}


@pytest.mark.root
def test_a_base_image_with_its_own_client_runs_as_it_is(server, layout, name, create, served):
    """As AWS's are laid out; in Python, because there is no shell in the image."""
    python = served["Entrypoint"][0]
    files = {path: f"#!{python}\n{text}" for path, text in BASE_IMAGE.items()}
    uri = layout.image(
        "v1", {**app("one"), **files}, **{**served, "Entrypoint": ["/lambda-entrypoint.sh"]}
    )
    create(server, name, uri)
    server.active(name)
    assert server.invoke(name)["word"] == "one"
    assert any("own bootstrap" in line for line in server.log(name))


@pytest.mark.root
@pytest.mark.slow  # two servers
def test_a_kill_while_it_is_unpacked_is_made_good_by_the_next_start(
    start_server, layout, name, create, served
):
    server = start_server()
    create(server, name, layout.image("v1", app("one"), **served))
    server.stop(signal.SIGKILL)
    server = start_server()
    server.active(name)
    assert server.invoke(name)["word"] == "one"
    code = next(server.data_dir.glob("*/trees")).parent
    trees = [path.name for path in (code / "trees").iterdir() if path.is_dir()]
    assert len(trees) == 1
    assert not list((code / "incoming").iterdir())
