from __future__ import annotations

import importlib.metadata
import subprocess

import pytest

from lambent.runtimes import interpreters, runtime_dir


@pytest.mark.slow  # building a client reads megabytes of models, on every interpreter
def test_boto3_of_the_server_imports_from_it(runtime, start):
    process = start(
        "def handler(event, context):\n"
        "    import boto3, botocore, snapshot_restore_py, dateutil, six, jmespath\n"
        "    client = boto3.client('s3', region_name='us-east-1', aws_access_key_id='a',"
        " aws_secret_access_key='b')\n"
        "    return [boto3.__version__, boto3.__file__, snapshot_restore_py.__file__]\n",
        runtime,
        facts={"log_fd": 4},
    ).ready()
    if runtime == "python3.9":
        assert "boto3" in process.fail({})["errorMessage"]
        return
    version, file, snapshot = process.invoke({})
    assert version == importlib.metadata.version("boto3")
    assert "/runtime-3." in file
    assert "/runtime-3." in snapshot


def test_bytecode_is_unchecked_and_names_var_runtime(runtime, planner, make, tmp_path):
    ground = planner.ground(make.target(tmp_path, runtime))
    assert ground.runtime_dir is not None
    compiled = list((ground.runtime_dir / "lambent_runtime" / "__pycache__").glob("main.*.pyc"))
    assert len(compiled) == 1
    data = compiled[0].read_bytes()
    assert data[4:8] == b"\x01\0\0\0"  # hash-based, never checked
    assert b"/var/runtime/lambent_runtime/main.py" in data


def test_older_pythons_get_what_supports_them():
    names = {each.metadata["Name"].lower() for each in runtime_dir._given_to("3.9")}
    assert "snapshot-restore-py" in names
    assert "boto3" not in names
    assert len(runtime_dir._given_to("3.13")) == len(runtime_dir.PINNED)


@pytest.mark.parametrize(
    ("requires", "minor", "answer"),
    [
        (">=3.10", "3.9", False),
        (">= 3.9", "3.9", True),
        (None, "3.9", True),
        (">=2.7, !=3.0.*", "3.9", True),
    ],
)
def test_support_is_read_from_the_package(requires, minor, answer):
    assert runtime_dir._supports(requires, minor) is answer


def test_holds_nothing_that_tells_of_the_host(planner, make, tmp_path):
    folder = planner.ground(make.target(tmp_path)).runtime_dir
    assert folder is not None
    names = {path.name for path in folder.rglob("*")}
    assert names.isdisjoint({"RECORD", "direct_url.json", "INSTALLER", "REQUESTED"})
    assert "METADATA" in names
    assert not any(name.endswith(".so") for name in names)
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o004, path


def test_made_once(planner, data_dir, make):
    interpreter = interpreters.find(make.running)
    assert interpreter is not None
    first = runtime_dir.assemble(interpreter, data_dir / "runtimes")
    assert runtime_dir.assemble(interpreter, data_dir / "runtimes") == first
    assert not list((data_dir / "runtimes").glob(".making-*/bootstrap.py"))


@pytest.mark.slow
def test_every_file_of_the_runtime_parses_on_3_9(planner, make, tmp_path):
    oldest = interpreters.find("python3.9")
    if oldest is None:
        pytest.skip("no python3.9 here")
    for path in runtime_dir._sources():
        code = "import ast,sys;ast.parse(open(sys.argv[1]).read())"
        subprocess.run([oldest.executable, "-I", "-c", code, path], check=True, timeout=60)
