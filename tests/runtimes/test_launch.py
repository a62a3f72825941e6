from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from lambent.errors import InvalidRuntime
from lambent.runtimes import interpreters
from lambent.runtimes.launch import Facts, InvalidEntrypoint, Planner

FACTS = Facts(log_stream="s")


def test_a_managed_runtime_speaks_the_channel(data_dir, make, tmp_path):
    plan = Planner(data_dir).plan(make.target(tmp_path), FACTS)
    python = f"/var/lang/bin/python3.{sys.version_info.minor}"
    assert plan.argv == (python, "-S", "-B", "-X", "utf8", "/var/runtime/bootstrap.py")
    assert plan.transport == "channel"
    assert plan.cwd == "/var/task"
    assert plan.env["_LAMBDA_TELEMETRY_LOG_FD"] == "4"
    assert "_LAMBENT_OPT_DIRS" not in plan.env
    assert plan.lang_dir is not None
    assert (plan.lang_dir / "bin" / python.rpartition("/")[2]).is_file()
    assert plan.runtime_dir is not None
    assert (plan.runtime_dir / "bootstrap.py").is_file()


def test_without_isolation_every_path_is_the_host_s(planner, make, tmp_path):
    layers = (tmp_path / "one", tmp_path / "two")
    plan = planner.plan(make.target(tmp_path / "code", layer_paths=layers), FACTS)
    assert plan.argv[0].startswith(str(plan.lang_dir))
    assert plan.argv[-1] == f"{plan.runtime_dir}/bootstrap.py"
    assert plan.cwd == plan.env["LAMBDA_TASK_ROOT"] == str(tmp_path / "code")
    assert plan.env["_LAMBENT_OPT_DIRS"] == f"{tmp_path / 'two'}:{tmp_path / 'one'}"
    assert not any("/var/" in part for part in plan.env["PATH"].split(":"))


def test_a_missing_interpreter_says_what_to_install(data_dir, make, tmp_path):
    planner = Planner(data_dir)
    missing = [f"python3.{n}" for n in range(9, 15) if not interpreters.find(f"python3.{n}")]
    for runtime in [*missing, "java21", "nodejs18.x"]:
        with pytest.raises(InvalidRuntime) as refusal:
            planner.ground(make.target(tmp_path, runtime))
        assert runtime in str(refusal.value)
        if runtime.startswith("python"):
            assert f"uv python install {runtime.removeprefix('python')}" in str(refusal.value)


def test_prepare_makes_what_is_there_and_passes_over_the_rest(data_dir, make, tmp_path):
    planner = Planner(data_dir)
    planner.prepare([make.running, "python3.77", "nodejs18.x"])
    ground = planner._grounds[make.running]
    assert ground.lang_dir is not None
    assert ground.lang_dir.is_dir()
    assert planner.ground(make.target(tmp_path)) is ground


@pytest.mark.parametrize("custom", ["provided.al2023", "provided.al2"])
def test_a_custom_runtime_s_own_bootstrap_comes_first(data_dir, make, tmp_path, custom):
    make.files(tmp_path, {"code/bootstrap": "", "layer/bootstrap": ""})
    for name in ("code", "layer"):
        (tmp_path / name / "bootstrap").chmod(0o755)
    target = make.target(tmp_path / "code", custom, layer_paths=(tmp_path / "layer",))
    plan = Planner(data_dir).plan(target, FACTS)
    assert plan.argv == ("/var/task/bootstrap",)
    assert plan.transport == "http"
    assert plan.lang_dir is None
    assert plan.env["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:9001"
    (tmp_path / "code" / "bootstrap").unlink()
    assert Planner(data_dir).plan(target, FACTS).argv == ("/opt/bootstrap",)
    host = Planner(data_dir, isolated=False).plan(target, FACTS)
    assert host.argv == (f"{tmp_path / 'layer'}/bootstrap",)


def test_bootstrap_missing_or_not_executable(data_dir, make, tmp_path):
    target = make.target(tmp_path, "provided.al2023")
    with pytest.raises(InvalidEntrypoint) as missing:
        Planner(data_dir).plan(target, FACTS)
    assert missing.value.error_type == "Runtime.InvalidEntrypoint"
    assert "Couldn't find valid bootstrap(s)" in str(missing.value)
    make.files(tmp_path, {"bootstrap": ""})
    with pytest.raises(InvalidEntrypoint, match=r"/var/task/bootstrap: permission denied"):
        Planner(data_dir).plan(target, FACTS)


def test_a_wrapper_gets_the_whole_command(data_dir, make, tmp_path):
    target = make.target(tmp_path, environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"})
    argv = Planner(data_dir).plan(target, FACTS).argv
    assert argv[0] == "/opt/wrap"
    assert argv[1].startswith("/var/lang/bin/python3.")


def test_a_container_image_has_no_plan_of_ours(data_dir, make, tmp_path):
    target = make.target(tmp_path, None)
    assert Planner(data_dir).ground(target).transport == "http"
    with pytest.raises(InvalidRuntime):
        Planner(data_dir).plan(target, FACTS)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting at /var/lang needs root")
def test_runs_where_a_sandbox_shows_it(data_dir, make, tmp_path, runtime):
    """/var/lang and /var/runtime in a mount namespace; even a broken LD_LIBRARY_PATH will do."""
    plan = Planner(data_dir).plan(make.target(tmp_path, runtime), FACTS)
    assert plan.lang_dir is not None
    code = "import sys, ssl, json; print(json.dumps([sys.prefix, sys.path, sys.executable]))"
    script = (
        'mount -t tmpfs none /var && mkdir /var/lang /var/runtime && mount --bind "$1" /var/lang'
        ' && mount --bind "$2" /var/runtime && shift 2 && exec "$@"'
    )
    answer = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "/bin/sh", "-c", script, "sh",
         plan.lang_dir, plan.runtime_dir, plan.argv[0], "-S", "-c", code],
        env={"LD_LIBRARY_PATH": "/nowhere"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    prefix, path, executable = json.loads(answer.stdout)
    assert prefix == "/var/lang"
    assert path == [
        "", f"/var/lang/lib/{runtime.replace('.', '')}.zip", f"/var/lang/lib/{runtime}",
        f"/var/lang/lib/{runtime}/lib-dynload",
    ]  # fmt: skip
    assert executable == plan.argv[0]
