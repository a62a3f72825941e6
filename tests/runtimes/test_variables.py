from __future__ import annotations

import pytest

from lambent.runtimes.variables import RESERVED, THREAD_POOLS, Facts, Places, environment

FACTS = Facts(
    log_stream="2026/11/21/[$LATEST]abc",
    access_key_id="ASIA1",
    secret_access_key="s",
    session_token="t",
)


def test_as_on_lambda(make, tmp_path):
    env = environment(make.target(tmp_path, "python3.12"), FACTS, Places())
    expected = {
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/21/[$LATEST]abc",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "ASIA1",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_SESSION_TOKEN": "t",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "_HANDLER": "app.handler",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "PYTHONPATH": "/var/runtime",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:"
        "/var/task:/var/task/lib:/opt/lib",
    }
    assert {name: env.get(name) for name in expected} == expected
    assert "_X_AMZN_TRACE_ID" not in env  # set per invoke, not at Init
    assert "AWS_LAMBDA_LOG_FORMAT" not in env
    assert "AWS_ENDPOINT_URL" not in env


def test_nothing_of_the_server_is_inherited(make, tmp_path, monkeypatch):
    monkeypatch.setenv("SERVER_SECRET", "x")
    assert "SERVER_SECRET" not in environment(make.target(tmp_path), FACTS, Places())


@pytest.mark.parametrize("name", sorted(RESERVED - {"_X_AMZN_TRACE_ID"}))
def test_reserved_variables_cannot_be_overruled(make, tmp_path, name):
    target = make.target(tmp_path, environment={name: "mine"})
    assert environment(target, FACTS, Places()).get(name) != "mine"


def test_the_function_s_own_win_over_defaults(make, tmp_path):
    own = {"TZ": "Europe/Zurich", "PATH": "/x", "PYTHONPATH": "/var/task/lib", "FOO": "bar"}
    env = environment(make.target(tmp_path, environment=own), FACTS, Places())
    assert {name: env[name] for name in own} == own


def test_the_interpreter_s_library_is_found_whatever_the_function_sets(make, tmp_path):
    target = make.target(tmp_path, environment={"LD_LIBRARY_PATH": "/var/task/lib"})
    assert environment(target, FACTS, Places())["LD_LIBRARY_PATH"] == "/var/task/lib:/var/lang/lib"


def test_json_logs_bring_a_level(make, tmp_path):
    env = environment(make.target(tmp_path, log_format="JSON"), FACTS, Places())
    assert (env["AWS_LAMBDA_LOG_FORMAT"], env["AWS_LAMBDA_LOG_LEVEL"]) == ("JSON", "INFO")
    target = make.target(tmp_path, log_format="JSON", application_log_level="DEBUG")
    assert environment(target, FACTS, Places())["AWS_LAMBDA_LOG_LEVEL"] == "DEBUG"


def test_thread_pools_are_single_below_two_vcpus(make, tmp_path):
    small = environment(make.target(tmp_path, memory_mb=3537), FACTS, Places())
    assert all(small[name] in {"1", "false"} for name in THREAD_POOLS)
    large = environment(make.target(tmp_path, memory_mb=3538), FACTS, Places())
    assert not set(THREAD_POOLS) & set(large)
    target = make.target(tmp_path, environment={"OMP_NUM_THREADS": "4"})
    assert environment(target, FACTS, Places())["OMP_NUM_THREADS"] == "4"


def test_endpoint_only_when_the_server_has_one(make, tmp_path):
    facts = Facts(log_stream="s", endpoint_url="http://127.0.0.1:9000")
    assert environment(make.target(tmp_path), facts, Places())["AWS_ENDPOINT_URL"] == (
        "http://127.0.0.1:9000"
    )
    target = make.target(tmp_path, environment={"AWS_ENDPOINT_URL": "http://mine"})
    assert environment(target, facts, Places())["AWS_ENDPOINT_URL"] == "http://mine"
    assert "AWS_ACCESS_KEY_ID" not in environment(target, facts, Places())


def test_os_only_runtimes_do_not_name_themselves(make, tmp_path):
    env = environment(make.target(tmp_path, "provided.al2023"), FACTS, Places())
    assert "AWS_EXECUTION_ENV" not in env
