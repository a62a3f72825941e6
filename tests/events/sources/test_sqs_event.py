"""SQS messages as functions see them, and what their answers mean."""

from __future__ import annotations

import json

import pytest

from lambent.events.sources.sqs_event import event, failures

ARN = "arn:aws:sqs:us-east-1:123456789012:q"


def test_a_record_has_all_members():
    message = {
        "MessageId": "1",
        "ReceiptHandle": "r",
        "Body": "hello",
        "MD5OfBody": "m",
        "Attributes": {"ApproximateReceiveCount": "1"},
    }
    assert json.loads(event([message], ARN, "us-east-1")) == {
        "Records": [
            {
                "messageId": "1",
                "receiptHandle": "r",
                "body": "hello",
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "md5OfMessageAttributes": None,
                "md5OfBody": "m",
                "eventSource": "aws:sqs",
                "eventSourceARN": ARN,
                "awsRegion": "us-east-1",
            }
        ]
    }


@pytest.mark.parametrize(
    ("payload", "left"),
    [
        (b"null", set()),
        (b"{}", set()),
        (b"[]", set()),
        (b'{"batchItemFailures": null}', set()),
        (b'{"batchItemFailures": []}', set()),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}]}', {"a"}),
        (b'{"batchItemFailures": [{"itemIdentifier": "x"}]}', None),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', None),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', None),
        (b'{"batchItemFailures": [{}]}', None),
        (b"not json", None),
    ],
)
def test_what_an_answer_says(payload, left):
    assert failures(payload, {"a", "b"}) == left
