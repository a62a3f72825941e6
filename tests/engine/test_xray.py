"""X-Ray through real sandboxes: the real SDK's subsegments, and the platform's own segments."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from lambent.clock import new_uuid

ACCOUNT, REGION = "123456789012", "us-east-1"

RAW = """
import json, os, socket, time
def handler(event, context):
    header = os.environ["_X_AMZN_TRACE_ID"]
    parts = dict(part.split("=") for part in header.split(";"))
    host, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].split(":")
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    now = time.time()
    part = {"name": "step", "id": "00000000000000aa", "type": "subsegment",
            "trace_id": parts["Root"], "parent_id": parts["Parent"],
            "start_time": now, "end_time": now + 0.01}
    head = json.dumps({"format": "json", "version": 1})
    for text in event.get("junk", []):
        sock.sendto(text.encode(), (host, int(port)))
    sock.sendto((head + "\\n" + json.dumps(part)).encode(), (host, int(port)))
    if event.get("fail"):
        raise ValueError("no")
    return {"header": header, "port": port}
"""


def found(engine, request_id):
    return engine.dispatcher.traces.find(ACCOUNT, REGION, request_id)


@pytest.mark.parametrize("sandbox", ["auto", "process"])
def test_subsegments_and_own_segments_make_one_trace(engine, sandbox):
    async def scenario(engine):
        engine.function(RAW, tracing_mode="Active")
        for nth in range(2):
            request_id = new_uuid()
            junk = ["", "x\n{}", '{"format":"json","version":1}\n[]', "\n" * 100]
            answer = await engine.answer({"junk": junk}, request_id=request_id)
            documents = found(engine, request_id)
            by_name = {one.get("origin") or one["name"]: one for one in documents}
            assert sorted(by_name) == ["AWS::Lambda", "AWS::Lambda::Function", "step"]
            service, function = by_name["AWS::Lambda"], by_name["AWS::Lambda::Function"]
            assert function["parent_id"] == service["id"]
            assert by_name["step"]["parent_id"] == function["id"]
            assert f"Parent={function['id']};Sampled=1" in answer["header"]
            assert {one["trace_id"] for one in documents} == {function["trace_id"]}
            assert function["aws"]["request_id"] == request_id
            names = [one["name"] for one in function["subsegments"]]
            expected = ["Invocation"] if nth else ["Initialization", "Invocation"]
            assert [name for name in names if name != "Overhead"] == expected
            assert all(one["start_time"] <= one["end_time"] for one in function["subsegments"])
            assert service["start_time"] <= by_name["step"]["start_time"]
        assert any(one["name"] == "Overhead" for one in function["subsegments"])

    engine(scenario, sandbox=sandbox)


def test_a_failure_is_a_fault_and_a_restarted_runtime_still_traces(engine):
    async def scenario(engine):
        engine.function(RAW.replace('raise ValueError("no")', "os._exit(1)"), tracing_mode="Active")
        first, second = new_uuid(), new_uuid()
        await engine.error({"fail": True}, request_id=first)
        assert [one["fault"] for one in found(engine, first) if one.get("origin")] == [True, True]
        await engine.answer({}, request_id=second)
        assert "step" in {one["name"] for one in found(engine, second)}

    engine(scenario)


def test_the_callers_decision_holds_and_its_segment_is_the_parent(engine):
    async def scenario(engine):
        engine.function(RAW, tracing_mode="Active")
        root, request_id = "1-5bef4de7-ad49b0e87f6ef6c87fc2e700", new_uuid()
        header = f"Root={root};Parent=9a9197af755a6419;Sampled="
        answer = await engine.answer({}, request_id=request_id, trace_header=header + "0")
        assert "Sampled=0" in answer["header"]
        assert found(engine, request_id) == []
        answer = await engine.answer({}, request_id=request_id, trace_header=header + "1")
        assert answer["header"].startswith(f"Root={root};Parent=")
        documents = found(engine, request_id)
        service = next(one for one in documents if one.get("origin") == "AWS::Lambda")
        assert service["parent_id"] == "9a9197af755a6419"
        assert engine.dispatcher.traces.find("999999999999", REGION, request_id) == []

    engine(scenario)


LISTENING = """
def handler(event, context):
    with open("/proc/self/net/udp") as file:
        return ":07D0 " in file.read()
"""
SAMPLED = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"


@pytest.mark.root  # a sandbox has a network of its own
def test_the_port_is_opened_for_the_first_sampled_call(engine, forks):
    async def scenario(engine):
        for name, mode in (("on", "Active"), ("off", "PassThrough")):
            engine.function(LISTENING, name, tracing_mode=mode)
            for header in ("", SAMPLED.replace("Sampled=1", "Sampled=0"), SAMPLED):
                request_id = new_uuid()
                heard = await engine.answer({}, name, request_id=request_id, trace_header=header)
                assert heard is (mode == "Active" or header == SAMPLED)
                sampled = header == SAMPLED or (mode == "Active" and not header)
                assert bool(found(engine, request_id)) is sampled

    engine(scenario)


@pytest.mark.root  # a sandbox has a network of its own
def test_a_function_that_passes_through_is_traced_for_a_caller_that_samples(engine, forks):
    async def scenario(engine):
        kills = RAW.replace('raise ValueError("no")', "os._exit(1)")
        engine.function(kills, tracing_mode="PassThrough")
        for failing in (False, True, False):  # which kills the runtime
            request_id = new_uuid()
            outcome = await engine.call(
                {"fail": failing}, request_id=request_id, trace_header=SAMPLED
            )
            assert bool(outcome.function_error) is failing
            documents = [
                one for one in found(engine, request_id) if one.get("aws") or one["name"] == "step"
            ]
            by_name = {one.get("origin") or one["name"]: one for one in documents}
            assert by_name["AWS::Lambda"]["parent_id"] == "9a9197af755a6419"
            assert by_name["step"]["parent_id"] in {
                one["id"] for one in documents if one.get("origin") == "AWS::Lambda::Function"
            }

    engine(scenario)


@pytest.mark.root  # a sandbox has a network of its own
def test_forks_of_a_template_are_traced_each_by_itself(engine, forks):
    async def scenario(engine):
        engine.function(RAW, tracing_mode="Active", snap_start=True)
        for nth in range(2):
            request_id = new_uuid()
            await engine.answer({}, request_id=request_id)
            by_name = {one.get("origin") or one["name"]: one for one in found(engine, request_id)}
            assert by_name["step"]["parent_id"] == by_name["AWS::Lambda::Function"]["id"]
            names = [one["name"] for one in by_name["AWS::Lambda::Function"]["subsegments"]]
            assert names[0] == ("Invocation" if nth else "Restore")

    engine(scenario)


HOLDS_THE_PORT = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 2000))
def handler(event, context):
    return "well"
"""


@pytest.mark.root  # a sandbox has a network of its own
def test_a_function_that_holds_the_port_itself_runs_all_the_same(engine, forks):
    async def scenario(engine):
        engine.function(HOLDS_THE_PORT, tracing_mode="PassThrough")
        for _ in range(2):
            assert await engine.answer({}, trace_header=SAMPLED) == "well"

    engine(scenario)


SDK = """
from aws_xray_sdk.core import xray_recorder
@xray_recorder.capture("work")
def work():
    with xray_recorder.in_subsegment("inner") as part:
        part.put_annotation("colour", "blue")
def handler(event, context):
    work()
"""


@pytest.mark.slow  # imports the SDK in a sandbox
def test_the_xray_sdk_sends_here(engine, tmp_path):
    layer = tmp_path / "layer"
    for name in ("aws_xray_sdk", "wrapt"):
        spec = importlib.util.find_spec(name)
        shutil.copytree(Path(spec.origin).parent, layer / "python" / name)

    async def scenario(engine):
        engine.function(SDK, tracing_mode="Active", layer_paths=(layer,), memory_mb=512)
        request_id = new_uuid()
        await engine.answer({}, request_id=request_id)
        text = str(found(engine, request_id))
        assert "'work'" in text
        assert "'inner'" in text
        assert "'colour': 'blue'" in text

    engine(scenario)
