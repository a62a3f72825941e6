"""Event invokes from the 202 to the last retry, against a live server that retries soon."""

import itertools
import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

RECORDING = """
import os, time
def handler(event, context):
    print(event.get("n"), os.environ.get("STAGE"), context.aws_request_id)
    time.sleep(event.get("s", 0))
    if event.get("fail"):
        raise RuntimeError("on purpose")
    return os.environ.get("STAGE")
"""


@pytest.fixture(scope="module")
def eager(server, tmp_path_factory, shared_runtimes):
    """A server that retries after 0.2 and 0.4 s."""
    data_dir = tmp_path_factory.mktemp("eager")
    (data_dir / "runtimes").symlink_to(shared_runtimes)
    live = type(server)(data_dir, state_delay_s=0, async_retry_delays_s="[0.2,0.4]")
    yield live
    assert live.stop() == 0, live.log_file.read_text()


@pytest.fixture
def name():
    return f"event-{uuid.uuid4().hex[:12]}"


def send(server, name, event, **options):
    """The request id of an accepted event."""
    answer = server.client.invoke(
        FunctionName=name, InvocationType="Event", Payload=json.dumps(event).encode(), **options
    )
    assert answer["StatusCode"] == 202
    assert answer["Payload"].read() == b""
    return answer["ResponseMetadata"]["RequestId"]


def runs(server, name):
    """(n, stage, request id) of every attempt that has begun to run."""
    lines = (line.split() for line in server.log(name))
    return [tuple(words) for words in lines if len(words) == 3 and words[0].isdigit()]


def dropped(server, condition, request_id):
    return any(
        "events.dropped" in line and condition in line and request_id in line
        for line in server.log_file.read_text().splitlines()
    )


def test_a_function_error_is_retried_twice_with_its_request_id(eager, name, until):
    eager.function(name, RECORDING)
    request_id = send(eager, name, {"n": 1, "fail": True})
    until(lambda: dropped(eager, "RetriesExhausted", request_id))
    until(lambda: len(runs(eager, name)) >= 3)
    assert runs(eager, name) == [("1", "None", request_id)] * 3
    assert len(eager.log_streams(name)) == 1, "retries go where the first attempt went"


def test_a_retry_that_succeeds_is_the_last(eager, name, until):
    source = """
import os
def handler(event, context):
    print(event["n"], len(os.listdir("/tmp")), context.aws_request_id)
    if event["n"] == 1 and not os.path.exists("/tmp/seen"):
        open("/tmp/seen", "w").close()
        os._exit(1)
"""
    eager.function(name, source)
    request_id = send(eager, name, {"n": 1})
    until(lambda: len(runs(eager, name)) >= 2)
    second = send(eager, name, {"n": 2, "fail": True})
    until(lambda: len(runs(eager, name)) >= 3)
    assert {run[2] for run in runs(eager, name) if run[0] == "1"} == {request_id}
    assert [run[0] for run in runs(eager, name)] == ["1", "1", "2"]
    assert not dropped(eager, "", second)


def test_a_throttled_event_waits_until_the_reservation_is_lifted(eager, name, until):
    eager.function(name, RECORDING)
    eager.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(eager.invoke, name, {"n": 0, "s": 4})
        until(lambda: runs(eager, name))
        request_id = send(eager, name, {"n": 1})
        with pytest.raises(ClientError, match="TooManyRequestsException"):
            eager.client.invoke(FunctionName=name)
        assert len(runs(eager, name)) == 1
        eager.client.delete_function_concurrency(FunctionName=name)
        until(lambda: ("1", "None", request_id) in runs(eager, name))
        assert not busy.done(), (
            "it was delivered when the call ended, not when the limit was lifted"
        )
        busy.result()


def test_a_throttled_event_takes_the_place_of_the_call_that_ends(eager, name, until):
    eager.function(name, RECORDING)
    eager.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(eager.invoke, name, {"n": 0, "s": 0.5})
        until(lambda: runs(eager, name))
        sent = [send(eager, name, {"n": n}) for n in (1, 2, 3)]
        busy.result()
    until(lambda: len(runs(eager, name)) >= 4)
    assert [run[2] for run in runs(eager, name)][1:] == sent, "once each, and in order"
    assert len(eager.log_streams(name)) == 1


def test_with_a_reservation_of_zero_events_are_accepted_and_dropped(eager, name, until):
    eager.function(name, RECORDING)
    eager.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    request_id = send(eager, name, {"n": 1})
    until(lambda: dropped(eager, "ZeroReservedConcurrency", request_id))
    eager.client.delete_function_concurrency(FunctionName=name)
    second = send(eager, name, {"n": 2})
    until(lambda: runs(eager, name))
    assert runs(eager, name) == [("2", "None", second)]


def test_a_deleted_functions_events_are_dropped(eager, name, until):
    eager.function(name, RECORDING)
    eager.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(eager.invoke, name, {"n": 0, "s": 2})
        until(lambda: runs(eager, name))
        request_id = send(eager, name, {"n": 1})
        eager.client.delete_function(FunctionName=name)
        assert busy.result() is None, "what runs, finishes"
    until(lambda: dropped(eager, "FunctionDeleted", request_id))
    eager.function(name, RECORDING)
    eager.invoke(name, {"n": 2})
    until(lambda: len(runs(eager, name)) >= 2)
    assert sorted(run[0] for run in runs(eager, name)) == ["0", "2"]
    with pytest.raises(ClientError, match="Function not found"):
        send(eager, f"{name}-unknown", {})


def test_a_queued_event_runs_on_the_configuration_of_its_time(eager, name, until):
    def stage(value):
        return {"Variables": {"STAGE": value}}

    eager.function(name, RECORDING, Environment=stage("old"))
    eager.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(eager.invoke, name, {"n": 0, "s": 1.5})
        until(lambda: runs(eager, name))
        request_id = send(eager, name, {"n": 1})
        eager.client.update_function_configuration(FunctionName=name, Environment=stage("new"))
        eager.active(name)
        assert busy.result() == "old"
    until(lambda: len(runs(eager, name)) >= 2)
    assert ("1", "new", request_id) in runs(eager, name)


def test_events_go_to_the_version_they_name(eager, name, until):
    eager.function(
        name,
        "def handler(event, context):\n"
        "    print(1, context.function_version, context.invoked_function_arn.split(':')[-1])\n",
    )
    eager.client.publish_version(FunctionName=name)
    eager.active(f"{name}:1")
    eager.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    send(eager, name, {}, Qualifier="live")
    until(lambda: runs(eager, name))
    assert runs(eager, name) == [("1", "1", "live")]


def test_one_megabyte_and_one_byte_more(eager, name, until):
    source = "def handler(event, context):\n    print(len(event), 'is', context.aws_request_id)\n"
    eager.function(name, source)
    limit = 1024 * 1024
    exact = b'"' + b"a" * (limit - 2) + b'"'
    answer = eager.client.invoke(FunctionName=name, InvocationType="Event", Payload=exact)
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    with pytest.raises(ClientError) as caught:
        eager.client.invoke(FunctionName=name, InvocationType="Event", Payload=exact + b" ")
    assert caught.value.response["Error"]["Code"] == "RequestTooLargeException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    until(lambda: runs(eager, name))
    assert [run[0] for run in runs(eager, name)] == [str(limit - 2)]


def test_bad_json_is_refused_before_it_is_accepted(eager, name):
    eager.function(name)
    with pytest.raises(ClientError, match="Could not parse request body into json"):
        eager.client.invoke(FunctionName=name, InvocationType="Event", Payload=b"{")


def test_many_callers_at_once_lose_nothing(eager, name, until):
    eager.function(name, RECORDING)
    eager.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=4)
    numbers = itertools.count()
    with ThreadPoolExecutor(8) as pool:
        sent = set(pool.map(lambda n: send(eager, name, {"n": n}), itertools.islice(numbers, 80)))
    until(lambda: {run[2] for run in runs(eager, name)} == sent)
    assert len(runs(eager, name)) == len(sent) == 80
    assert len(eager.log_streams(name)) <= 4


def test_the_invoke_async_of_2014(server, name, until):
    server.function(name, "def handler(event, context):\n    print('had', event)\n")
    answer = server.client.invoke_async(FunctionName=name, InvokeArgs=b'{"old": 1}')
    assert answer["Status"] == 202
    until(lambda: "had {'old': 1}" in server.log(name))
    with pytest.raises(server.client.exceptions.InvalidRequestContentException):
        server.client.invoke_async(FunctionName=name, InvokeArgs=b"{")
    with pytest.raises(server.client.exceptions.ResourceNotFoundException):
        server.client.invoke_async(FunctionName=f"{name}-none", InvokeArgs=b"{}")
    with pytest.raises(server.client.exceptions.ClientError, match="262144 bytes"):
        server.client.invoke_async(FunctionName=name, InvokeArgs=b'"' + b"x" * 262_143 + b'"')
