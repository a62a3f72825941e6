"""What destinations are told, against AWS's documented records."""

from __future__ import annotations

import json

from lambent.engine.invocation import Outcome
from lambent.events.policy import EventPolicy
from lambent.events.records import Ending, messages
from lambent.store.event_queue import Payload, QueueKey

KEY = QueueKey("123456789012", "us-east-1", "f", "")
ARN = "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
POLICY = EventPolicy(on_success=QUEUE, on_failure=QUEUE, dead_letter=QUEUE)
SENT = Payload(b'{"n": 1}', None, "Root=1-2-3", "")
FAILED = Outcome(
    payload=b'{"errorMessage":"on purpose","errorType":"E"}',
    executed_version="$LATEST",
    function_error="Unhandled",
)


def ending(condition, count, outcome):
    return Ending(KEY, "the-id", condition, count, 1_700_000_000_000, outcome, POLICY)


def test_a_failure_goes_to_its_destination_and_its_dead_letter_queue():
    record, letter = messages(ending("RetriesExhausted", 3, FAILED), SENT)
    assert json.loads(record.body) == {
        "version": "1.0",
        "timestamp": "2023-11-14T22:13:20.000Z",
        "requestContext": {
            "requestId": "the-id",
            "functionArn": ARN,
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"n": 1},
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "responsePayload": {"errorMessage": "on purpose", "errorType": "E"},
    }
    assert letter.body == '{"n": 1}'
    assert letter.attributes == {
        "RequestID": ("String", "the-id"),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", "on purpose"),
    }
    assert letter.trace_header == "Root=1-2-3"


def test_what_never_ran_has_no_response():
    record, _ = messages(ending("ZeroReservedConcurrency", 0, None), SENT)
    told = json.loads(record.body)
    assert told["requestContext"]["approximateInvokeCount"] == 0
    assert "responseContext" not in told
    assert "responsePayload" not in told


def test_a_success_names_no_error_and_leaves_the_dead_letter_queue_alone():
    (record,) = messages(ending("Success", 1, Outcome(b'"ok"', "3")), SENT)
    told = json.loads(record.body)
    assert told["responseContext"] == {"statusCode": 200, "executedVersion": "3"}
    assert told["responsePayload"] == "ok"
    assert record.succeeded


def test_a_deleted_function_tells_nobody():
    assert not ending("FunctionDeleted", 0, None).wanted
    assert ending("Success", 1, None).wanted
