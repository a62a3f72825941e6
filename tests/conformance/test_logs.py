"""CloudWatch Logs on the same endpoint, by boto3 and the AWS CLI, with a function that prints."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

SOURCE = """
import json

def handler(event, context):
    print("hello", event.get("n"))
    print(json.dumps({"level": "ERROR" if event.get("n", 0) % 2 else "INFO", "latency": event.get("n", 0) * 10}))
    return event
"""
ACCOUNT = "123456789012"


def logs_client(server, **options):
    return boto3.client(
        "logs",
        endpoint_url=server.url,
        region_name=options.pop("region", "us-east-1"),
        aws_access_key_id=options.pop("key", "test"),
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, read_timeout=60, **options),
    )


@pytest.fixture(scope="module")
def logs(server):
    client = logs_client(server)
    yield client
    client.close()


@pytest.fixture
def group(logs):
    chosen = f"test/{uuid.uuid4().hex[:12]}"
    logs.create_log_group(logGroupName=chosen)
    yield chosen
    with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
        logs.delete_log_group(logGroupName=chosen)


@pytest.fixture(scope="module")
def printed(server):
    """A function that has answered six calls, and its log group."""
    name = f"logs-{uuid.uuid4().hex[:12]}"
    server.function(name, SOURCE)
    for n in range(6):
        server.invoke(name, {"n": n})
    yield name, f"/aws/lambda/{name}"
    server.client.delete_function(FunctionName=name)


def refused(call, code, message, **options):
    with pytest.raises(ClientError) as error:
        call(**options)
    found = error.value.response
    assert found["Error"]["Code"] == code
    assert found["Error"]["Message"] == message
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert len(found["ResponseMetadata"]["RequestId"]) == 36


def put(logs, group, stream, *events, create=True):
    if create:
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    return logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": time, "message": text} for time, text in events],
    )


def now_ms():
    return int(time.time() * 1000)


def all_pages(call, tokens=("nextToken", "nextToken"), **options):
    answered, given = tokens
    while True:
        page = call(**options)
        yield page
        if answered not in page:
            return
        options[given] = page[answered]


# --- what a function prints ---


def test_a_functions_log_group_is_there_after_its_first_call(logs, printed):
    _, group = printed
    [found] = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"
    assert (found["logGroupName"], found["arn"], found["logGroupArn"]) == (group, f"{arn}:*", arn)
    assert found["storedBytes"] > 0
    assert "retentionInDays" not in found
    [stream] = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert stream["logStreamName"][:11] == time.strftime("%Y/%m/%d/", time.gmtime())
    assert "[$LATEST]" in stream["logStreamName"]
    assert stream["firstEventTimestamp"] <= stream["lastEventTimestamp"] <= now_ms()
    assert stream["arn"] == f"{arn}:log-stream:{stream['logStreamName']}"


def test_a_call_is_in_the_log_as_soon_as_it_is_answered(logs, server, printed):
    name, group = printed
    for _ in range(5):
        mark = uuid.uuid4().hex
        request_id = server.client.invoke(
            FunctionName=name, Payload=json.dumps({"n": mark[0:0] or 2})
        )["ResponseMetadata"]["RequestId"]
        found = logs.filter_log_events(logGroupName=group, filterPattern=f'"{request_id}"')[
            "events"
        ]
        assert [event["message"].split()[0] for event in found] == ["START", "END", "REPORT"]


def test_filter_patterns_choose_events(logs, printed):
    _, group = printed

    def messages(pattern):
        pages = all_pages(logs.filter_log_events, logGroupName=group, filterPattern=pattern)
        return [event["message"] for page in pages for event in page["events"]]

    assert messages("hello -END")[:3] == ["hello 0", "hello 1", "hello 2"]
    found = messages('{ $.level = "ERROR" && $.latency > 20 }')
    assert [json.loads(text)["latency"] for text in found] == [30, 50]
    assert messages("[word = hello, number >= 4]") == ["hello 4", "hello 5"]
    assert messages("%^hello [01]$%") == ["hello 0", "hello 1"]
    assert messages('?"hello 1" ?"hello 5"') == ["hello 1", "hello 5"]
    assert all(text.startswith("REPORT") for text in messages("REPORT"))


def test_a_broken_pattern_is_refused(logs, printed):
    refused(
        logs.filter_log_events,
        "InvalidParameterException",
        "Invalid filter pattern",
        logGroupName=printed[1],
        filterPattern="{ $.level = ",
    )


def test_following_as_aws_logs_tail_does(logs, server, printed):
    """Version 2 of the CLI polls FilterLogEvents from the last time seen, and drops known ids."""
    name, group = printed
    seen, start = {}, now_ms()
    for n in range(100, 104):
        server.invoke(name, {"n": n})
        for page in all_pages(
            logs.filter_log_events, logGroupName=group, startTime=start, interleaved=True
        ):
            for event in page["events"]:
                seen.setdefault(event["eventId"], event["message"])
                start = max(start, event["timestamp"])
    texts = [text for text in seen.values() if text.startswith("hello")]
    assert texts == [f"hello {n}" for n in range(100, 104)]
    assert all(len(name) == 56 and name.isdigit() for name in seen)


def test_a_deleted_group_comes_back_with_the_next_call(logs, server, name):
    group = f"/aws/lambda/{server.function(name, SOURCE)}"
    server.invoke(name, {"n": 1})
    logs.delete_log_group(logGroupName=group)
    refused(
        logs.describe_log_streams,
        "ResourceNotFoundException",
        "The specified log group does not exist.",
        logGroupName=group,
    )
    server.invoke(name, {"n": 7})
    found = [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
    assert "hello 7" in found
    assert "hello 1" not in found


def test_a_function_writes_where_its_logging_config_says(logs, server, name, group):
    server.function(name, SOURCE, LoggingConfig={"LogGroup": group})
    server.invoke(name, {"n": 3})
    found = logs.filter_log_events(logGroupName=group, filterPattern="hello")["events"]
    assert [event["message"] for event in found] == ["hello 3"]


# --- groups ---


def test_groups_by_prefix_part_and_page(logs):
    root = uuid.uuid4().hex[:8]
    names = [f"{root}/{i:02}" for i in range(7)]
    for chosen in names:
        logs.create_log_group(logGroupName=chosen)
    try:
        pages = list(all_pages(logs.describe_log_groups, logGroupNamePrefix=root, limit=3))
        assert [[g["logGroupName"] for g in page["logGroups"]] for page in pages] == [
            names[:3], names[3:6], names[6:],
        ]  # fmt: skip
        [found] = logs.describe_log_groups(logGroupNamePattern=names[4][4:])["logGroups"]
        assert found["logGroupName"] == names[4]
        summaries = logs.list_log_groups(logGroupNamePattern=f"^{root}")["logGroups"]
        assert [summary["logGroupName"] for summary in summaries] == names
        paginator = logs.get_paginator("describe_log_groups")
        assert sum(len(p["logGroups"]) for p in paginator.paginate(logGroupNamePrefix=root)) == 7
    finally:
        for chosen in names:
            logs.delete_log_group(logGroupName=chosen)
    refused(
        logs.describe_log_groups,
        "InvalidParameterException",
        "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        logGroupNamePrefix="a",
        logGroupNamePattern="b",
    )


def test_a_group_exists_once_and_then_not_at_all(logs, group):
    refused(
        logs.create_log_group,
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
        logGroupName=group,
    )
    logs.delete_log_group(logGroupName=group)
    refused(
        logs.delete_log_group,
        "ResourceNotFoundException",
        "The specified log group does not exist.",
        logGroupName=group,
    )


def test_accounts_and_regions_are_apart(server, logs, group):
    for other in (logs_client(server, region="eu-west-1"), logs_client(server, key="111122223333")):
        assert not other.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        other.close()


def test_retention_takes_awss_values(logs, group):
    logs.put_retention_policy(logGroupName=group, retentionInDays=14)
    [found] = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert found["retentionInDays"] == 14
    with pytest.raises(
        logs.exceptions.InvalidParameterException, match="'15' at 'retentionInDays'"
    ):
        logs.put_retention_policy(logGroupName=group, retentionInDays=15)
    logs.delete_retention_policy(logGroupName=group)
    [found] = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert "retentionInDays" not in found


def test_tags_by_arn_and_by_name(logs, group):
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"
    logs.tag_resource(resourceArn=arn, tags={"team": "a", "stage": "test"})
    logs.untag_resource(resourceArn=arn, tagKeys=["stage"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "a"}
    logs.tag_log_group(logGroupName=group, tags={"x": "y"})
    logs.untag_log_group(logGroupName=group, tags=["team"])
    assert logs.list_tags_log_group(logGroupName=group)["tags"] == {"x": "y"}
    refused(
        logs.list_tags_for_resource,
        "ResourceNotFoundException",
        "The specified log group does not exist.",
        resourceArn=arn + "x",
    )


# --- streams ---


def test_streams_by_name_time_prefix_and_page(logs, group):
    start = now_ms() - 60_000
    for i, chosen in enumerate(["c", "a", "b", "d1", "d2"]):
        put(logs, group, chosen, (start + i, "x"))
    logs.create_log_stream(logGroupName=group, logStreamName="empty")

    def names(**options):
        pages = all_pages(logs.describe_log_streams, logGroupName=group, **options)
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]

    assert names() == ["a", "b", "c", "d1", "d2", "empty"]
    assert names(limit=2, descending=True) == ["empty", "d2", "d1", "c", "b", "a"]
    assert names(orderBy="LastEventTime", limit=4) == ["empty", "c", "a", "b", "d1", "d2"]
    assert names(orderBy="LastEventTime", descending=True, limit=1) == [
        "d2",
        "d1",
        "b",
        "a",
        "c",
        "empty",
    ]
    assert names(logStreamNamePrefix="d") == ["d1", "d2"]
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"
    assert len(logs.describe_log_streams(logGroupIdentifier=arn)["logStreams"]) == 6
    refused(
        logs.describe_log_streams,
        "InvalidParameterException",
        "Cannot order by LastEventTime with a logStreamNamePrefix.",
        logGroupName=group,
        orderBy="LastEventTime",
        logStreamNamePrefix="d",
    )


def test_a_stream_exists_once_and_then_not_at_all(logs, group):
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    refused(
        logs.create_log_stream,
        "ResourceAlreadyExistsException",
        "The specified log stream already exists",
        logGroupName=group,
        logStreamName="s",
    )
    assert logs.get_log_events(logGroupName=group, logStreamName="s")["events"] == []
    logs.delete_log_stream(logGroupName=group, logStreamName="s")
    for call in (logs.delete_log_stream, logs.get_log_events):
        refused(
            call,
            "ResourceNotFoundException",
            "The specified log stream does not exist.",
            logGroupName=group,
            logStreamName="s",
        )
    assert logs.describe_log_streams(logGroupName=group)["logStreams"] == []


# --- events ---


def test_put_rejects_what_is_out_of_range(logs, group):
    now = now_ms()
    day = 86_400_000
    answer = put(
        logs, group, "s", (now - 15 * day, "old"), (now, "new"), (now + 3 * 3_600_000, "ahead")
    )
    assert answer["rejectedLogEventsInfo"] == {
        "tooOldLogEventEndIndex": 1,
        "tooNewLogEventStartIndex": 2,
    }
    assert answer["nextSequenceToken"]
    found = logs.get_log_events(logGroupName=group, logStreamName="s")["events"]
    assert [event["message"] for event in found] == ["new"]
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    answer = put(logs, group, "s", (now - 2 * day, "expired"), create=False)
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    # A sequence token is ignored, whatever it is.
    logs.put_log_events(
        logGroupName=group,
        logStreamName="s",
        logEvents=[{"timestamp": now, "message": "x"}],
        sequenceToken="nonsense",
    )


def test_put_refuses_a_batch_that_breaks_the_rules(logs, group):
    now = now_ms()
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    for events, message in (
        ([(now, "b"), (now - 1, "a")], "Log events in a single PutLogEvents request must be in chronological order."),
        ([(now, "x" * 600_000)] * 2, "Upload too large: 1200052 bytes exceeds limit of 1048576"),
        ([(now, "x" * 1_100_000)], "Log event too large: 1100026 bytes exceeds limit of 1048576"),
        ([(now - 25 * 3_600_000, "a"), (now, "b")], "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."),
    ):  # fmt: skip
        with pytest.raises(logs.exceptions.InvalidParameterException) as error:
            put(logs, group, "s", *events, create=False)
        assert error.value.response["Error"]["Message"] == message
    with pytest.raises(
        logs.exceptions.InvalidParameterException, match="less than or equal to 10000"
    ):
        put(logs, group, "s", *[(now, "x")] * 10_001, create=False)
    assert put(logs, group, "s", *[(now, "x" * 50)] * 10_000, create=False)["nextSequenceToken"]


def test_get_walks_forward_and_back_and_stays_at_the_ends(logs, group):
    start = now_ms() - 100_000
    put(logs, group, "s", *((start + i, f"{i}") for i in range(10)))

    def get(**options):
        page = logs.get_log_events(logGroupName=group, logStreamName="s", limit=4, **options)
        texts = [int(event["message"]) for event in page["events"]]
        return texts, page["nextForwardToken"], page["nextBackwardToken"]

    latest, forward, backward = get()
    assert latest == [6, 7, 8, 9]
    assert get(nextToken=forward) == ([], forward, forward.replace("f/", "b/"))
    middle, _, further = get(nextToken=backward)
    assert middle == [2, 3, 4, 5]
    first, _, begin = get(nextToken=further)
    assert first == [0, 1]
    assert get(nextToken=begin)[::2] == ([], begin)

    head, forward, backward = get(startFromHead=True)
    assert head == [0, 1, 2, 3]
    assert get(nextToken=backward)[::2] == ([], backward)
    following, forward, _ = get(nextToken=forward, startFromHead=True)
    assert following == [4, 5, 6, 7]
    last, end, _ = get(nextToken=forward, startFromHead=True)
    assert last == [8, 9]
    put(logs, group, "s", (start + 50, "50"), create=False)
    assert get(nextToken=end)[0] == [50]
    refused(
        logs.get_log_events,
        "InvalidParameterException",
        "The specified nextToken is invalid.",
        logGroupName=group,
        logStreamName="s",
        nextToken="f/none",
    )


def test_times_are_half_open_for_get_and_closed_for_filter(logs, group):
    start = now_ms() - 100_000
    put(logs, group, "s", *((start + i, f"{i}") for i in range(10)))
    span = {"logGroupName": group, "startTime": start + 3, "endTime": start + 6}
    found = logs.get_log_events(logStreamName="s", **span)["events"]
    assert [event["message"] for event in found] == ["3", "4", "5"]
    found = logs.filter_log_events(**span)["events"]
    assert [event["message"] for event in found] == ["3", "4", "5", "6"]


def test_older_events_that_come_later_are_in_their_place(logs, group):
    start = now_ms() - 100_000
    put(logs, group, "s", (start + 10, "c"), (start + 20, "d"))
    put(logs, group, "s", (start, "a"), (start + 5, "b"), create=False)
    found = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True)["events"]
    assert [event["message"] for event in found] == ["a", "b", "c", "d"]
    assert found[0]["ingestionTime"] >= found[3]["ingestionTime"]


def test_filter_interleaves_streams_and_pages_both_ways(logs, group):
    start = now_ms() - 100_000
    for place, stream in enumerate("abc"):
        put(logs, group, stream, *((start + 3 * i + place, f"{3 * i + place}") for i in range(20)))

    def texts(**options):
        pages = all_pages(logs.filter_log_events, logGroupName=group, **options)
        return [int(event["message"]) for page in pages for event in page["events"]]

    assert texts(limit=7) == list(range(60))
    assert texts(limit=7, startFromHead=False, startTime=start) == list(range(60))[::-1]
    assert texts(logStreamNames=["a", "c", "none"], limit=11) == [
        i for i in range(60) if i % 3 != 1
    ]
    put(logs, group, "bb", (start, "100"))
    assert texts(logStreamNamePrefix="b") == [100, *range(1, 60, 3)]
    refused(
        logs.filter_log_events,
        "InvalidParameterException",
        "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.",
        logGroupName=group,
        logStreamNames=["a"],
        logStreamNamePrefix="a",
    )


def test_what_is_put_is_what_is_read(logs, group):
    now = now_ms()
    texts = ["é \U0001f600 \u2028", "two\nlines\n", "\t\x00\x07", '"quoted\\"', " "]
    put(logs, group, "s/[x] ~%2F", *((now, text) for text in texts))
    found = logs.get_log_events(logGroupName=group, logStreamName="s/[x] ~%2F")["events"]
    assert [event["message"] for event in found] == texts


# --- live tail ---


def test_live_tail_shows_what_is_written_now(server, group, logs):
    client = logs_client(server, inject_host_prefix=False)
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"
    put(logs, group, "s", (now_ms(), "before"))
    answer = client.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern="-skipped")
    stream = answer["responseStream"]
    events = iter(stream)
    start = next(events)["sessionStart"]
    assert start["logGroupIdentifiers"] == [arn]
    put(logs, group, "s", (now_ms(), "after"), (now_ms(), "skipped"), create=False)
    found = []
    while not found:
        update = next(events)["sessionUpdate"]
        assert update["sessionMetadata"] == {"sampled": False}
        found += update["sessionResults"]
    stream.close()
    client.close()
    [event] = found
    assert (event["message"], event["logStreamName"]) == ("after", "s")
    assert event["logGroupIdentifier"] == f"{ACCOUNT}:{group}"
    with pytest.raises(ClientError, match="does not exist"):
        client.start_live_tail(logGroupIdentifiers=[arn + "x"])


# --- the AWS CLI ---


def environment(server):
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
        "AWS_ENDPOINT_URL": server.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
    }


AWS = str(Path(sys.executable).with_name("aws"))


def aws(server, *arguments):
    done = subprocess.run(
        [AWS, "logs", *arguments], env=environment(server), capture_output=True, text=True, timeout=100, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.mark.slow
def test_the_aws_cli(server, printed):
    _, group = printed
    streams = aws(server, "describe-log-streams", "--log-group-name", group, "--order-by", "LastEventTime", "--descending")["logStreams"]  # fmt: skip
    stream = streams[0]["logStreamName"]
    found = aws(server, "get-log-events", "--log-group-name", group, "--log-stream-name", stream, "--start-from-head", "--limit", "3")  # fmt: skip
    assert found["events"][0]["message"].startswith("INIT_START")
    found = aws(server, "filter-log-events", "--log-group-name", group, "--filter-pattern", "{ $.latency = 30 }")  # fmt: skip
    assert json.loads(found["events"][0]["message"])["level"] == "ERROR"
    # The client's own paging, over pages of two.
    found = aws(server, "filter-log-events", "--log-group-name", group, "--filter-pattern", "hello", "--page-size", "2")  # fmt: skip
    assert len(found["events"]) >= 6


@pytest.mark.slow
def test_the_aws_clis_live_tail(server, printed):
    name, group = printed
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"
    process = subprocess.Popen(
        [AWS, "logs", "start-live-tail", "--log-group-identifiers", arn],
        env={**environment(server), "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    seen, found = [], threading.Event()

    def read():
        for line in process.stdout:
            seen.append(line)
            if "hello 500" in line:
                found.set()
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(60):
            server.invoke(name, {"n": 500})
            if found.wait(1):
                break
        assert found.is_set(), (seen, process.poll())
    finally:
        process.kill()
        process.wait()
        reader.join(30)
        process.stdout.close()
        process.stderr.close()


# --- servers of their own ---


def test_groups_and_events_survive_kill_9(start_server):
    server = start_server()
    logs = logs_client(server)
    logs.create_log_group(logGroupName="g", tags={"a": "b"})
    logs.put_retention_policy(logGroupName="g", retentionInDays=7)
    put(logs, "g", "s", (now_ms(), "kept"))
    server.function("f", SOURCE)
    server.invoke("f", {"n": 1})
    logs.filter_log_events(logGroupName="/aws/lambda/f")  # what is read is on the disk
    logs.close()
    server.process.kill()
    server.stop()
    logs = logs_client(start_server())
    [group] = logs.describe_log_groups(logGroupNamePrefix="g")["logGroups"]
    assert group["retentionInDays"] == 7
    assert logs.list_tags_log_group(logGroupName="g")["tags"] == {"a": "b"}
    [event] = logs.filter_log_events(logGroupName="g")["events"]
    assert event["message"] == "kept"
    assert logs.filter_log_events(logGroupName="/aws/lambda/f", filterPattern="hello")["events"]
    logs.close()


@pytest.mark.slow
def test_a_noisy_function_does_not_fill_the_disk(start_server, until):
    """32 MB of logs under a limit of 6, from an environment that lives through it all."""
    server = start_server(log_total_max_mb=6, log_max_mb=2)
    server.function("noisy", "def handler(e, c):\n    for i in range(400): print(i, 'x' * 5000)\n")
    server.function("quiet", SOURCE)
    folder = server.data_dir / "logs"
    for _ in range(16):
        server.invoke("noisy")
    server.invoke("quiet", {"n": 1})

    def size():
        total = 0
        for path in folder.rglob("*.log*"):
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    until(lambda: size() <= 6 << 20)
    logs = logs_client(server)
    server.invoke("noisy")
    assert logs.filter_log_events(logGroupName="/aws/lambda/noisy", limit=5)["events"]
    assert logs.filter_log_events(logGroupName="/aws/lambda/quiet", filterPattern="hello")["events"]
    logs.close()


def test_who_only_watches_does_not_hold_the_server(start_server):
    server = start_server(drain_s=60)
    client = logs_client(server, inject_host_prefix=False)
    client.create_log_group(logGroupName="g")
    stream = client.start_live_tail(logGroupIdentifiers=["g"])["responseStream"]
    events = iter(stream)
    assert "sessionStart" in next(events)
    server.process.terminate()
    started = time.monotonic()
    assert all("sessionUpdate" in event for event in events)  # and then it ends, whole
    assert server.process.wait(60) == 0
    # The drain alone would have waited for 60 s.
    assert time.monotonic() - started < 40
    stream.close()
    client.close()
