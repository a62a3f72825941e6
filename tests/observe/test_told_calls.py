"""From subsegments of the AWS SDK to IAM's actions and ARNs, and nothing wider than was told."""

from __future__ import annotations

import pytest

from lambent.observe import told_calls
from lambent.observe.told_calls import ToldCalls, calls

SCOPE = ("123456789012", "eu-west-1")
HERE = "eu-west-1:123456789012"


def part(service, operation, **aws):
    return {"namespace": "aws", "name": service, "aws": {"operation": operation, **aws}}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (part("dynamodb", "PutItem", table_name="orders"),
         {("dynamodb:PutItem", f"arn:aws:dynamodb:{HERE}:table/orders")}),
        (part("DynamoDB", "BatchGetItem", table_names=["a", "b"], region="us-east-1"),
         {("dynamodb:BatchGetItem", f"arn:aws:dynamodb:us-east-1:123456789012:table/{t}") for t in "ab"}),
        (part("s3", "GetObject", bucket_name="pics", key="a/b"), {("s3:GetObject", "arn:aws:s3:::pics/*")}),
        (part("S3", "ListObjectsV2", bucket_name="pics"), {("s3:ListBucket", "arn:aws:s3:::pics")}),
        (part("s3", "CopyObject", bucket="pics"),
         {("s3:GetObject", "arn:aws:s3:::pics/*"), ("s3:PutObject", "arn:aws:s3:::pics/*")}),
        (part("sqs", "SendMessageBatch", queue_url="https://sqs.eu-west-1.amazonaws.com/111122223333/q"),
         {("sqs:SendMessage", "arn:aws:sqs:eu-west-1:111122223333:q")}),
        (part("sns", "Publish", topic_arn="arn:aws:sns:eu-west-1:1:t"),
         {("sns:Publish", "arn:aws:sns:eu-west-1:1:t")}),
        (part("lambda", "Invoke", function_name="f"),
         {("lambda:InvokeFunction", f"arn:aws:lambda:{HERE}:function:f")}),
        (part("secretsmanager", "GetSecretValue"), {("secretsmanager:GetSecretValue", "*")}),
        (part("Secrets Manager", "GetSecretValue"), {("secretsmanager:GetSecretValue", "*")}),
        (part("monitoring", "PutMetricData"), {("cloudwatch:PutMetricData", "*")}),
        # Names that would be wildcards, or no names at all, widen nothing.
        (part("dynamodb", "*", table_name="t"), set()),
        (part("*", "GetObject"), set()),
        (part("iam", "Get*"), set()),
        (part("s3", "GetObject", bucket_name="*"), {("s3:GetObject", "*")}),
        ({"namespace": "remote", "name": "s3", "aws": {"operation": "GetObject"}}, set()),
        ({"namespace": "aws", "name": "s3", "aws": "x"}, set()),
        ({"namespace": "aws", "name": None}, set()),
    ],
)  # fmt: skip
def test_what_a_subsegment_tells(document, expected):
    assert set(calls(document, SCOPE)) == expected


def test_subsegments_inside_count_and_depth_ends():
    inner = part("sns", "Publish")
    for _ in range(200):
        inner = {"name": "x", "subsegments": [inner, "junk"]}
    assert not list(calls(inner, SCOPE))
    outer = {"name": "x", "subsegments": [{"subsegments": [part("sns", "Publish")]}]}
    assert list(calls(outer, SCOPE)) == [("sns:Publish", "*")]


def test_memory_is_bounded_and_accounts_are_kept_apart(monkeypatch):
    monkeypatch.setattr(told_calls, "CALLS_MAX", 3)
    monkeypatch.setattr(told_calls, "FUNCTIONS_MAX", 2)
    store = ToldCalls()
    for nth in range(10):
        store.note(SCOPE, "f", part("dynamodb", "PutItem", table_name=f"t{nth}"))
    assert len(store.of(SCOPE[0], "f")) == 3
    assert store.of("999999999999", "f") == set()
    for name in ("g", "h"):
        store.note(SCOPE, name, part("sns", "Publish"))
    assert store.of(SCOPE[0], "f") == set()
    assert store.of(SCOPE[0], "h")
