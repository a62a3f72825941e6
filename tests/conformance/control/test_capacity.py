"""Provisioned concurrency and capacity providers on a live server, through boto3."""

from __future__ import annotations

import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

SOURCE = """\
import os, time
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    return {"kind": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "pid": os.getpid(),
            "parent": os.getppid()}
"""


def provision(server, name, wanted, qualifier="1"):
    return server.client.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=wanted
    )


def status(server, name, qualifier="1"):
    found = server.client.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
    return found["Status"]


def test_provisioned_from_end_to_end(server, name, until):
    server.function(name, SOURCE, Publish=True)
    answer = provision(server, name, 2)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["Status"] == "IN_PROGRESS"
    assert answer["AllocatedProvisionedConcurrentExecutions"] == 0
    until(lambda: status(server, name) == "READY")
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(server.invoke, name, {"sleep": 1}, Qualifier="1") for _ in range(3)]
        kinds = sorted(call.result()["kind"] for call in calls)
    assert kinds == ["on-demand", "provisioned-concurrency", "provisioned-concurrency"]
    listed = server.client.list_provisioned_concurrency_configs(FunctionName=name)
    (item,) = listed["ProvisionedConcurrencyConfigs"]
    assert item["FunctionArn"].endswith(f":{name}:1")
    server.client.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
    with pytest.raises(
        server.client.exceptions.ProvisionedConcurrencyConfigNotFoundException
    ) as none:
        status(server, name)
    assert none.value.response["Error"]["Message"] == (
        "No Provisioned Concurrency Config found for this function"
    )


def test_an_init_that_fails(server, name, until):
    server.function(name, "raise RuntimeError('no model')\n", Publish=True)
    provision(server, name, 1)
    until(lambda: status(server, name) == "FAILED")
    found = server.client.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
    assert found["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"


def test_an_alias_moves_with_its_environments(server, name, until):
    server.function(name, SOURCE, Publish=True)
    server.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    provision(server, name, 1, "live")
    until(lambda: status(server, name, "live") == "READY")
    server.client.update_function_configuration(FunctionName=name, Description="next")
    server.active(name)
    server.client.publish_version(FunctionName=name)
    until(
        lambda: (
            server.client.get_function_configuration(FunctionName=name, Qualifier="2")["State"]
            == "Active"
        )
    )
    server.client.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    until(lambda: status(server, name, "live") == "READY")
    assert server.invoke(name, Qualifier="2")["kind"] == "provisioned-concurrency"
    assert server.invoke(name, Qualifier="1")["kind"] == "on-demand"


@pytest.fixture
def provider(server, name, until):
    answer = server.client.create_capacity_provider(
        CapacityProviderName=name,
        VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        PermissionsConfig={
            "CapacityProviderOperatorRoleArn": "arn:aws:iam::123456789012:role/operator"
        },
    )
    arn = answer["CapacityProvider"]["CapacityProviderArn"]
    yield arn
    server.client.delete_function(FunctionName=name)
    server.client.delete_capacity_provider(CapacityProviderName=arn)


def test_a_function_on_a_capacity_provider(server, name, provider, until, archive):
    config = {
        "CapacityProviderArn": provider,
        "PerExecutionEnvironmentMaxConcurrency": 4,
    }
    server.client.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="app.handler",
        Role="arn:aws:iam::123456789012:role/test",
        Timeout=30,
        MemorySize=2048,
        Code={"ZipFile": archive({"app.py": SOURCE})},
        CapacityProviderConfig={"LambdaManagedInstancesCapacityProviderConfig": config},
    )

    def state(qualifier):
        found = server.client.get_function_configuration(FunctionName=name, Qualifier=qualifier)
        return found["State"]

    until(lambda: state("$LATEST") == "ActiveNonInvocable")
    with pytest.raises(server.client.exceptions.ClientError) as none:
        server.client.invoke(FunctionName=name)
    assert none.value.response["Error"]["Code"] == "NoPublishedVersionException"
    server.client.publish_version(FunctionName=name, PublishTo="LATEST_PUBLISHED")
    until(lambda: state("$LATEST.PUBLISHED") == "Active")
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(server.invoke, name, {"sleep": 1}) for _ in range(4)]
        found = [call.result() for call in calls]
    assert {f["kind"] for f in found} == {"lambda-managed-instances"}
    assert len({f["pid"] for f in found}) == 4
    assert len({f["parent"] for f in found}) == 1


def test_as_many_environments_as_are_allowed(server, name, provider, until, archive):
    config = {"CapacityProviderArn": provider, "PerExecutionEnvironmentMaxConcurrency": 2}
    server.client.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="app.handler",
        Role="arn:aws:iam::123456789012:role/test",
        Timeout=30,
        MemorySize=2048,
        Publish=True,
        Code={"ZipFile": archive({"app.py": SOURCE})},
        CapacityProviderConfig={"LambdaManagedInstancesCapacityProviderConfig": config},
    )
    published = {"FunctionName": name, "Qualifier": "1"}
    until(lambda: server.client.get_function_configuration(**published)["State"] == "Active")
    bounds = {"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 1}
    server.client.put_function_scaling_config(**published, FunctionScalingConfig=bounds)
    with ThreadPoolExecutor(3) as pool:
        calls = [
            pool.submit(server.client.invoke, Payload=b'{"sleep": 2}', **published)
            for _ in range(3)
        ]
        errors = [call.exception() for call in calls]
    (refused,) = [error for error in errors if error is not None]
    assert refused.response["Error"]["Code"] == "TooManyRequestsException"
    bounds = {"MinExecutionEnvironments": 0, "MaxExecutionEnvironments": 0}
    server.client.put_function_scaling_config(**published, FunctionScalingConfig=bounds)
    with pytest.raises(server.client.exceptions.ResourceConflictException):
        server.client.invoke(**published)


@pytest.mark.slow
def test_a_burst_is_paced_and_answered(start_server, until):
    """Sixty at once of a function with a busy Init, and another function that calls in the middle."""
    server = start_server(start_wait_s=60)
    busy = "import time\nend = time.thread_time() + 0.2\nwhile time.thread_time() < end: pass\n"
    server.function("burst", busy + SOURCE)
    server.function("other", SOURCE)
    most = 0
    stop = threading.Event()

    def watch():
        nonlocal most
        while not stop.wait(0.05):
            stats = server.raw(
                b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            ).decode()
            lines = [x for x in stats.splitlines() if x.startswith("lambent_starts_running ")]
            most = max(most, *(float(x.split()[1]) for x in lines)) if lines else most

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(61) as pool:
            calls = [pool.submit(server.invoke, "burst", {"sleep": 3}) for _ in range(60)]
            other = pool.submit(server.invoke, "other")
            assert other.result()["kind"] == "on-demand"
            still_waiting = sum(not call.done() for call in calls)
            assert all(call.result()["kind"] == "on-demand" for call in calls)
    finally:
        stop.set()
        watcher.join()
    assert still_waiting  # the other function did not wait for the whole burst
    assert 0 < most < 60


def test_one_that_is_killed_while_provisioned_is_replaced(start_server, until):
    server = start_server()
    server.function("kept", SOURCE + "pid = os.getpid()\n", Publish=True)
    provision(server, "kept", 1)
    until(lambda: status(server, "kept") == "READY")
    runtimes = _runtimes(server.process.pid)
    assert runtimes
    for pid in runtimes:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not runtimes & _runtimes(server.process.pid))

    def kind():
        answer = server.client.invoke(FunctionName="kept", Qualifier="1")
        # A call may still meet the dead one, before the server has heard of its end.
        return "FunctionError" not in answer and json.loads(answer["Payload"].read())["kind"]

    until(lambda: status(server, "kept") == "READY" and kind() == "provisioned-concurrency")


def _runtimes(server: int) -> set[int]:
    """Host pids of the Python runtimes below a server."""
    parents, names = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    parents[int(entry)] = int(file.read().rpartition(")")[2].split()[1])
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    names[int(entry)] = file.read()
            except OSError:
                continue

    def below(pid: int) -> bool:
        while pid in parents and pid != server:
            pid = parents[pid]
        return pid == server

    return {p for p, command in names.items() if b"bootstrap.py" in command and below(p)}
