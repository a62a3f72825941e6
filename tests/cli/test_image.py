"""`lambent image`, and projects of `PackageType: Image`: built, deployed, compared, rolled back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from lambent.images import manifest

APP = "import sys\n\ndef handler(event, context):\n    return [WORD, event, sys.executable]\n"
DOCKERFILE = """FROM machine
COPY app.py ${LAMBDA_TASK_ROOT}
ENTRYPOINT []
CMD ["app.handler"]
"""
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Pictured:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: pictured, PackageType: Image, MemorySize: 256, Timeout: 20}
    Metadata: {DockerContext: ., Dockerfile: Dockerfile, DockerTag: v1}
"""


@pytest.fixture(scope="module")
def project(live) -> Path:
    folder = live.folder / "pictured"
    folder.mkdir()
    (folder / "app.py").write_text(APP.replace("WORD", "'one'"))
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "template.yaml").write_text(TEMPLATE)
    return folder


def done(place, *words: str, **more) -> dict:
    ended = place.run(*words, **more)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.root
@pytest.mark.slow  # the base is made of this machine's Python, once for the module
def test_a_project_is_deployed_compared_and_rolled_back(live, project) -> None:
    (first,) = done(live, "deploy", cwd=project)["functions"]
    assert (first["version"], first["created"], first["package"]) == ("1", True, None)
    assert first["image"]["uri"].endswith(".lambent/image:pictured")
    said = done(live, "invoke", "pictured", "-d", '{"a": 1}')["payload"]
    assert said == ["one", {"a": 1}, f"/var/lang/bin/{Path(said[2]).name}"]
    (same,) = done(live, "deploy", cwd=project)["functions"]
    assert (same["version"], same["code_changed"], same["changed"]) == ("1", False, [])
    (project / "app.py").write_text(APP.replace("WORD", "'two'"))
    (found,) = done(live, "diff", cwd=project)["functions"]
    assert (found["code"]["changed"], found["code"]["files"]) == (True, None)
    assert found["code"]["before"] == first["image"]["sha256"]
    assert done(live, "invoke", "pictured")["payload"][0] == "one", "a comparison changes nothing"
    (second,) = done(live, "deploy", cwd=project)["functions"]
    assert (second["version"], second["code_changed"]) == ("2", True)
    assert done(live, "invoke", "pictured", "--qualifier", "production")["payload"][0] == "two"
    assert done(live, "rollback", cwd=project)["to"] == "1"
    assert done(live, "invoke", "pictured", "--qualifier", "production")["payload"][0] == "one"
    text = (project / "template.yaml").read_text().replace("Timeout: 20", "Timeout: 9")
    text = text.replace("MemorySize", "ImageConfig: {Command: [app.other]}, MemorySize")
    (project / "template.yaml").write_text(text)
    (found,) = done(live, "diff", cwd=project)["functions"]
    assert [change["field"] for change in found["configuration"]] == ["ImageConfig", "Timeout"]
    (project / "template.yaml").write_text(TEMPLATE)


@pytest.mark.slow  # builds, and starts a server
@pytest.mark.root
def test_an_image_is_served_where_people_know_it(live, project, place) -> None:
    built = done(live, "image", "build", "pictured", "-f", "pictured/Dockerfile", "-t", "run")
    program, port = Path(sys.executable).parent / "lambent", place.port
    process = subprocess.Popen(
        [program, "image", "run", built["image"], "-p", str(port), "--memory", "256", "--json"],
        cwd=live.folder, env=live.env, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        ready = json.loads(process.stdout.readline())
        path = "/2015-03-31/functions/function/invocations"
        assert ready["url"] == f"http://127.0.0.1:{port}{path}"
        assert ready["digest"] == built["digest"]
        request = urllib.request.Request(ready["url"], b'{"b": 2}')
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)[1] == {"b": 2}
        assert "START RequestId" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        with pytest.raises(ProcessLookupError):
            os.kill(ready["pid"], 0)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.slow
def test_built_and_measured(place) -> None:
    folder = place.folder / "app"
    folder.mkdir()
    (folder / "app.py").write_text("x = 1\n")
    (folder / "weights.bin").write_bytes(b"x" * 5_000_000)
    words = ["image", "build", "app", "--base", "scratch", "--cmd", "app.handler", "-e", "A=1"]
    built = done(place, *words, "--label", "team=x", "-t", "v1")
    assert [layer["made_by"] for layer in built["layers"]] == ["data", "code"]
    assert (
        done(place, *words, "--label", "team=x", "-o", "other", "-t", "v1")["digest"]
        == built["digest"]
    )
    found = done(place, "image", "size", "app/.lambent/image:v1")
    assert found["files"][0] == {"path": "/var/task/weights.bin", "bytes": 5_000_000}
    assert found["unpacked_bytes"] == 5_000_006
    assert found["limit_bytes"] == 10 << 30
    shown = place.on_terminal("image", "size", "app/.lambent/image:v1").text
    assert "of Lambda's 10 GB" in shown
    assert "5.0 MB  /var/task" in shown


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("size", "./none"), "IMAGE_NOT_FOUND", 1),
        (("run", "./none"), "IMAGE_NOT_FOUND", 1),
        (("push", "./none", "localhost:1/x:y"), "IMAGE_NOT_FOUND", 1),
        (("build", "none", "--base", "scratch"), "SOURCE_NOT_FOUND", 1),
        (("build", ".", "--base", "machine:3.1"), "IMAGE_BASE", 2),
        (("build", ".", "--base", "scratch", "-o", "layout"), "USAGE", 2),
        (("build", ".", "-f", "none"), "FILE", 1),
        (("bulid",), "UNKNOWN_VERB", 2),
    ],
)
def test_what_is_wrong_is_said(place, words, code, exit_code) -> None:
    (place.folder / "app.py").write_text("")
    ended = place.run("image", *words)
    assert (ended.returncode, f"error[{code}]" in ended.stderr) == (exit_code, True), ended.stderr
    assert "fix" in ended.stderr


def test_dev_is_for_zips(place) -> None:
    (place.folder / "template.yaml").write_text(TEMPLATE)
    ended = place.run("dev")
    assert "error[DEV_NEEDS_ZIP] pictured is a container image" in ended.stderr
    assert ended.returncode == 2


def test_flags_stand_over_a_dockerfile(place) -> None:
    (place.folder / "app.py").write_text("x = 1\n")
    (place.folder / "Dockerfile").write_text(
        'FROM scratch\nENV A=1\nCOPY app.py .\nCMD ["app.handler"]\n'
    )
    words = ["image", "build", ".", "-f", "Dockerfile", "-e", "B=2", "--cmd", "app.other"]
    done(place, *words, "--no-client")
    image = place.folder / ".lambent/image"
    digest = manifest.layout_digest(image, "latest")
    config = manifest.read_layout(image, digest, "x86_64").document["config"]
    assert config == {
        "Env": ["A=1", "B=2"], "Cmd": ["app.other"], "WorkingDir": "/var/task",
    }  # fmt: skip


@pytest.mark.slow
def test_a_machine_that_does_not_isolate_is_said_at_once(place) -> None:
    (place.folder / "app.py").write_text("")
    done(place, "image", "build", ".", "--base", "scratch", "--cmd", "a.b")
    ended = place.run(
        "image", "run", ".lambent/image", "-p", str(place.port), LAMBENT_SANDBOX="process"
    )
    assert ended.returncode == 1
    assert "error[SANDBOX_UNAVAILABLE] an image needs a sandbox that isolates" in ended.stderr
