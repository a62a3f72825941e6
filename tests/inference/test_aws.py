"""Signatures are botocore's to the byte; storage and queues are moto's, over real HTTP."""

import hashlib
from datetime import UTC, datetime

import boto3
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from lambent_inference import aws

NOW = datetime.now(UTC)
KEYS = [("AKID", "secret", None), ("AKID", "secret", "token/with+signs=")]
URLS = [
    "https://bucket.s3.eu-west-1.amazonaws.com/a/b%20c/%C3%A9~.jpg",
    "https://s3.eu-west-1.amazonaws.com/my.bucket/key?versionId=3&x=",
    "http://127.0.0.1:9000/bucket/a%2Bb",
]


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    import botocore.auth

    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None))


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("url", URLS)
def test_signed_headers_are_botocores(url, keys):
    body = b"body"
    request = AWSRequest("PUT", url, data=body, headers={"Content-Type": "image/png"})
    request.context["payload_signing_enabled"] = True
    S3SigV4Auth(BotoCredentials(*keys), "s3", "eu-west-1").add_auth(request)
    signer = aws.Signer("s3", "eu-west-1", aws.Credentials(*keys))
    ours = signer.headers(
        "PUT", url, {"Content-Type": "image/png"}, hashlib.sha256(body).hexdigest(), NOW
    )
    assert ours["authorization"] == request.headers["Authorization"]


def test_another_services_signature_is_botocores():
    url = "https://sqs.eu-west-1.amazonaws.com/"
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.Send"}
    request = AWSRequest("POST", url, data=b"{}", headers=headers)
    SigV4Auth(BotoCredentials(*KEYS[0]), "sqs", "eu-west-1").add_auth(request)
    signer = aws.Signer("sqs", "eu-west-1", aws.Credentials(*KEYS[0]))
    ours = signer.headers("POST", url, headers, hashlib.sha256(b"{}").hexdigest(), NOW)
    assert ours["authorization"] == request.headers["Authorization"]


@pytest.mark.parametrize("keys", KEYS)
def test_links_are_botocores(keys):
    request = AWSRequest("GET", URLS[0])
    S3SigV4QueryAuth(BotoCredentials(*keys), "s3", "eu-west-1", expires=600).add_auth(request)
    signer = aws.Signer("s3", "eu-west-1", aws.Credentials(*keys))
    assert signer.presigned("GET", URLS[0], 600, NOW).split("Signature=")[1] in request.url


def test_a_secret_is_not_shown():
    assert "secret" not in repr(aws.Credentials("AKID", "secret", "token"))


def test_no_credentials():
    with pytest.raises(aws.AwsFailed, match="no AWS credentials"):
        aws.credentials({})


def test_addresses():
    plain = aws.Storage({"AWS_REGION": "eu-west-1"})
    assert plain.url("s3://bucket/a b/é") == (
        "https://bucket.s3.eu-west-1.amazonaws.com/a%20b/%C3%A9"
    )
    assert plain.url("s3://my.bucket/k") == "https://s3.eu-west-1.amazonaws.com/my.bucket/k"
    mine = aws.Storage({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000/"})
    assert mine.url("s3://bucket/k") == "http://127.0.0.1:9000/bucket/k"
    for bad in ("s3://", "s3:///key", "http://bucket/key", "s3://UPPER/k", "s3://b@evil/k"):
        with pytest.raises(aws.AwsFailed):
            plain.url(bad)


def test_below():
    assert aws.below("s3://bkt/pictures/a.jpg", "s3://bkt/pictures")
    assert aws.below("s3://bkt/pictures/a.jpg", "s3://bkt")
    for uri in (
        "s3://bkt/picturesque/a",
        "s3://cup/pictures/a",
        "s3://bkt/pictures/../a",
        "b/pictures/a",
    ):
        assert not aws.below(uri, "s3://bkt/pictures"), uri


def test_storage_and_queues(aws_server):
    environ = {
        "AWS_ENDPOINT_URL": aws_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    where = {"endpoint_url": aws_server, "region_name": "us-east-1", **keys}
    boto3.client("s3", **where).create_bucket(Bucket="pictures")
    storage = aws.Storage(environ)
    storage.put("s3://pictures/a b/é.bin", b"content", "image/png")
    assert storage.get("s3://pictures/a b/é.bin", max_bytes=10, seconds=30) == b"content"
    with pytest.raises(aws.TooLargeObject):
        storage.get("s3://pictures/a b/é.bin", max_bytes=3, seconds=30)
    with pytest.raises(aws.AwsFailed, match="NoSuchKey"):
        storage.get("s3://pictures/none", max_bytes=10, seconds=30)
    stored = boto3.client("s3", **where).get_object(Bucket="pictures", Key="a b/é.bin")
    assert (stored["ContentType"], stored["Body"].read()) == ("image/png", b"content")

    import urllib.request

    with urllib.request.urlopen(storage.link("s3://pictures/a b/é.bin", 60)) as answer:
        assert answer.read() == b"content"

    sqs = boto3.client("sqs", **where)
    queue = sqs.create_queue(QueueName="results")["QueueUrl"]
    aws.Queues(environ).send(queue, '{"a":1}')
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert message["Body"] == '{"a":1}'
