"""SnapStart as a client of the API sees it: publish, Pending, Active or Failed, restored calls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from lambent.api.snapshots_page import PATH as SNAPSHOTS

pytestmark = pytest.mark.usefixtures("forks")

SNAP_START = {"ApplyOn": "PublishedVersions"}
SOURCE = """
import os, time, uuid
made = uuid.uuid4().hex
def handler(event, context):
    return {"made": made, "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
            "version": context.function_version}
"""


def _published(server, name):
    version = server.client.publish_version(FunctionName=name)
    assert version["State"] == "Pending"
    server.client.get_waiter("published_version_active").wait(
        FunctionName=name,
        Qualifier=version["Version"],
        WaiterConfig={"Delay": 0.05, "MaxAttempts": 1200},
    )
    return version["Version"]


def _failed(server, name, version):
    """Its configuration once it is Failed."""
    shown = server.client.get_function_configuration(FunctionName=name, Qualifier=version)
    return shown if shown["State"] == "Failed" else None


def test_a_published_version_is_restored_from_its_snapshot(server, name):
    server.function(name, SOURCE, SnapStart=SNAP_START)
    version = _published(server, name)
    shown = server.client.get_function_configuration(FunctionName=name, Qualifier=version)
    assert shown["SnapStart"] == {**SNAP_START, "OptimizationStatus": "On"}
    latest = server.client.get_function_configuration(FunctionName=name)
    assert latest["SnapStart"] == {**SNAP_START, "OptimizationStatus": "Off"}
    answer = server.invoke(name, Qualifier=version)
    assert (answer["type"], answer["version"]) == ("snap-start", version)
    assert server.invoke(name)["type"] == "on-demand"


def test_report_and_billing_tell_of_the_restore(server, name, until):
    server.function(name, SOURCE, SnapStart=SNAP_START)
    version = _published(server, name)
    server.invoke(name, Qualifier=version)
    line = until(lambda: [x for x in server.log(name) if "Billed Restore Duration:" in x])[0]
    facts = dict(part.split(": ") for part in line.split("\t")[1:] if ": " in part)
    billed = int(facts["Billed Restore Duration"].removesuffix(" ms"))
    duration = float(facts["Duration"].removesuffix(" ms"))
    assert int(facts["Billed Duration"].removesuffix(" ms")) == -(-duration // 1) + billed
    assert "Init Duration" not in facts
    log = server.log(name)
    assert any(x.startswith("RESTORE_START Runtime Version") for x in log)
    assert any(x.startswith("RESTORE_REPORT Restore Duration: ") for x in log)


def test_a_version_whose_init_fails_is_failed_and_says_why(server, name, until):
    server.function(name, "raise ValueError('no model here')", SnapStart=SNAP_START)
    version = server.client.publish_version(FunctionName=name)["Version"]

    shown = until(lambda: _failed(server, name, version))
    assert shown["StateReasonCode"] == "FunctionError.RuntimeInitError"
    assert "ValueError: no model here" in shown["StateReason"]
    assert shown["SnapStart"]["OptimizationStatus"] == "Off"


def test_threads_of_init_are_named_and_the_version_is_started_instead(server, name):
    source = """
import os, threading
threading.Thread(target=threading.Event().wait, name="watcher", daemon=True).start()
def handler(event, context):
    return threading.active_count()
"""
    server.function(name, source, SnapStart=SNAP_START)
    version = _published(server, name)
    shown = server.client.get_function_configuration(FunctionName=name, Qualifier=version)
    assert "watcher" in shown["StateReason"]
    assert shown["SnapStart"]["OptimizationStatus"] == "Off"
    assert server.invoke(name, Qualifier=version) == 2


def test_snapshots_are_made_again_after_a_restart(start_server, until):
    first = start_server()
    first.function("f", SOURCE, SnapStart=SNAP_START)
    version = _published(first, "f")
    made = first.invoke("f", Qualifier=version)["made"]
    assert first.stop() == 0
    second = start_server()
    until(lambda: _snapshots(second))  # before anybody has called
    answer = second.invoke("f", Qualifier=version)
    assert answer["type"] == "snap-start"
    assert answer["made"] != made


def test_a_server_stops_while_inits_of_snapshots_run(start_server):
    server = start_server()
    server.function("f", "import time\ntime.sleep(100)\n" + SOURCE, SnapStart=SNAP_START)
    server.client.publish_version(FunctionName="f")
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 60


def _snapshots(server):
    with urllib.request.urlopen(f"{server.url}{SNAPSHOTS}", timeout=20) as answer:
        return json.load(answer)["snapshots"]


def test_snapshot_show_counts_private_shared_and_total(server, name):
    ballast = "ballast = bytearray(b'x') * (40 << 20)\n"
    server.function(name, ballast + SOURCE, SnapStart=SNAP_START)
    version = _published(server, name)
    server.invoke(name, Qualifier=version)
    shown = subprocess.run(
        [Path(sys.executable).with_name("lambent"), "snapshot", "show", name, "--json"],
        env={**os.environ, "LAMBENT_ENDPOINT_URL": server.url, "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    (facts,) = json.loads(shown.stdout)["snapshots"]
    assert (facts["function"], facts["version"]) == (name, version)
    assert facts["environments"] >= 1
    assert facts["shared_kb"] > 40 * 1024
    assert facts["private_kb"] < facts["environments"] * 20 * 1024
    assert facts["total_kb"] < facts["shared_kb"] + facts["private_kb"] + 1024


def test_latest_is_restored_where_the_servers_owner_says_so(start_server):
    server = start_server(snapshots="latest")
    server.function("f", SOURCE, SnapStart=SNAP_START)
    assert server.invoke("f")["type"] == "snap-start"
    server.function("g", SOURCE)
    assert server.invoke("g")["type"] == "on-demand"


def test_a_function_opts_in_by_its_tag(server, name):
    server.function(name, SOURCE, Tags={"lambent:snapshots": "all"})
    arn = server.client.get_function_configuration(FunctionName=name)["FunctionArn"]
    assert server.invoke(name)["type"] == "snap-start"
    server.client.untag_resource(Resource=arn, TagKeys=["lambent:snapshots"])
    assert server.invoke(name)["type"] == "on-demand"
    server.client.tag_resource(Resource=arn, Tags={"lambent:snapshots": "all"})
    assert server.invoke(name)["type"] == "snap-start"
    assert any(line.startswith("RESTORE_REPORT") for line in server.log(name))
    server.client.tag_resource(Resource=arn, Tags={"lambent:snapshots": "latest"})
    assert server.invoke(name)["type"] == "on-demand"  # it does not ask for SnapStart
    server.client.update_function_configuration(FunctionName=name, SnapStart=SNAP_START)
    server.active(name)
    assert server.invoke(name)["type"] == "snap-start"
    shown = server.client.get_function_configuration(FunctionName=name)
    assert shown["SnapStart"] == {**SNAP_START, "OptimizationStatus": "Off"}  # AWS's clients see


def test_the_sample_event_runs_before_a_version_is_active(server, name, until):
    source = SOURCE.replace("    return", "    print('tried with', event)\n    return", 1)
    server.function(
        name,
        {"app.py": source, "events/one.json": '{"row": [1, 2]}'},
        SnapStart=SNAP_START,
        Tags={"lambent:sample-event": "events/one.json"},
    )
    version = _published(server, name)
    until(lambda: "tried with {'row': [1, 2]}" in server.log(name))
    shown = server.client.get_function_configuration(FunctionName=name, Qualifier=version)
    assert shown["SnapStart"]["OptimizationStatus"] == "On"


def test_a_custom_runtime_whose_init_fails_is_failed_when_published(server, name, until):
    server.function(
        name, {"bootstrap": "#!/bin/sh\nexit 3\n"}, Runtime="provided.al2023", SnapStart=SNAP_START
    )
    version = server.client.publish_version(FunctionName=name)["Version"]
    shown = until(lambda: _failed(server, name, version))
    assert shown["StateReasonCode"] == "FunctionError.RuntimeInitError"
    assert "exit status 3" in shown["StateReason"]


def test_publishing_more_than_may_be_made_at_a_time_is_throttled(start_server, until):
    server = start_server(snapshot_creations=1)
    slow = "import time\ntime.sleep(1)\n" + SOURCE
    for name in ("f", "g"):
        server.function(name, slow, SnapStart=SNAP_START)
    version = server.client.publish_version(FunctionName="f")["Version"]
    with pytest.raises(server.client.exceptions.SnapStartNotReadyException) as early:
        server.client.invoke(FunctionName="f", Qualifier=version)
    assert early.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    with pytest.raises(server.client.exceptions.TooManyRequestsException) as refused:
        server.client.publish_version(FunctionName="g")
    assert refused.value.response["Reason"] == "ConcurrentSnapshotCreateLimitExceeded"
    until(lambda: server.client.get_function_configuration(
        FunctionName="f", Qualifier=version)["State"] == "Active")  # fmt: skip
    assert _published(server, "g") == "1"


def test_an_event_for_a_version_that_is_not_ready_is_refused_too(server, name):
    server.function(name, "import time\ntime.sleep(1)\n" + SOURCE, SnapStart=SNAP_START)
    version = server.client.publish_version(FunctionName=name)["Version"]
    with pytest.raises(server.client.exceptions.SnapStartNotReadyException):
        server.client.invoke(FunctionName=name, Qualifier=version, InvocationType="Event")


def test_provisioned_concurrency_of_a_version_with_a_snapshot(server, name, until):
    server.function(name, SOURCE, SnapStart=SNAP_START)
    version = _published(server, name)
    qualified = {"FunctionName": name, "Qualifier": version}
    server.client.put_provisioned_concurrency_config(**qualified, ProvisionedConcurrentExecutions=3)
    until(
        lambda: server.client.get_provisioned_concurrency_config(**qualified)["Status"] == "READY"
    )
    assert server.invoke(name, Qualifier=version)["type"] == "snap-start"
    server.client.delete_provisioned_concurrency_config(**qualified)
