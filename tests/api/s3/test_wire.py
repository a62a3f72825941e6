"""S3's protocol with botocore as oracle: it serialises, we parse; we serialise, it parses."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

import botocore.awsrequest
import botocore.session
import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from lambent.api.s3 import door, model, served, wire
from lambent.errors import S3Error
from lambent.http.headers import Headers

SERVICE = botocore.session.get_session().get_service_model("s3")


class Asked:
    """As much of an exchange as the door looks at."""

    def __init__(self, method, path, query, headers):
        self.method, self.path, self.query, self.headers = method, path, query, headers


def parsed(operation, **parameters):
    """What arrives of a call, and which operation it is taken for."""
    sent = create_serializer("rest-xml").serialize_to_request(
        parameters, SERVICE.operation_model(operation)
    )
    url = urlsplit(sent["url_path"])
    query = "&".join(
        filter(
            None, [url.query, *(f"{name}={text}" for name, text in sent["query_string"].items())]
        )
    )
    headers = Headers(
        [(name.lower().encode(), str(text).encode()) for name, text in sent["headers"].items()]
    )
    asked = Asked(sent["method"], url.path, query.encode(), headers)
    match = door.s3_door().match(asked)
    body = sent["body"] or b""
    body = body.encode() if isinstance(body, str) else body
    return match.operation.name, wire.parse(match, headers.get, body)


CALLS = [
    ("ListBuckets", {}),
    ("CreateBucket", {"Bucket": "b", "CreateBucketConfiguration": {"LocationConstraint": "EU"}}),
    ("HeadBucket", {"Bucket": "b"}),
    ("GetBucketLocation", {"Bucket": "b"}),
    ("PutBucketVersioning", {"Bucket": "b", "VersioningConfiguration": {"Status": "Enabled"}}),
    ("GetBucketVersioning", {"Bucket": "b"}),
    ("PutBucketPolicy", {"Bucket": "b", "Policy": '{"a": "<é>"}'}),
    (
        "PutBucketTagging",
        {"Bucket": "b", "Tagging": {"TagSet": [{"Key": "k", "Value": "<&>"}, {"Key": "l", "Value": ""}]}},
    ),
    (
        "PutBucketEncryption",
        {
            "Bucket": "b",
            "ServerSideEncryptionConfiguration": {
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}]
            },
        },
    ),
    ("PutObject", {"Bucket": "b", "Key": "a b/é+%?", "Body": b"\x00\xff", "ContentType": "x/y", "Metadata": {"one": "1", "two": "2"}}),
    ("CopyObject", {"Bucket": "b", "Key": "k", "CopySource": "c/d%20e"}),
    ("GetObject", {"Bucket": "b", "Key": "k", "Range": "bytes=1-2"}),
    ("HeadObject", {"Bucket": "b", "Key": "k", "IfMatch": '"x"'}),
    ("GetObjectTagging", {"Bucket": "b", "Key": "k"}),
    ("DeleteObject", {"Bucket": "b", "Key": "k"}),
    ("DeleteObjects", {"Bucket": "b", "Delete": {"Objects": [{"Key": "x"}, {"Key": "y z"}], "Quiet": True}}),
    ("ListObjects", {"Bucket": "b", "Prefix": "p/", "MaxKeys": 3}),
    ("ListObjectsV2", {"Bucket": "b", "Delimiter": "/", "StartAfter": "q"}),
    ("ListObjectVersions", {"Bucket": "b"}),
    ("CreateMultipartUpload", {"Bucket": "b", "Key": "k", "ContentType": "x/y"}),
    ("UploadPart", {"Bucket": "b", "Key": "k", "PartNumber": 3, "UploadId": "u", "Body": b"p"}),
    ("CompleteMultipartUpload", {"Bucket": "b", "Key": "k", "UploadId": "u", "MultipartUpload": {"Parts": [{"ETag": "e", "PartNumber": 1}]}}),
    ("AbortMultipartUpload", {"Bucket": "b", "Key": "k", "UploadId": "u"}),
    ("ListParts", {"Bucket": "b", "Key": "k", "UploadId": "u"}),
    ("ListMultipartUploads", {"Bucket": "b"}),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "parameters"), CALLS, ids=[name for name, _ in CALLS])
def test_what_botocore_sends_is_understood(operation, parameters):
    name, found = parsed(operation, **parameters)
    assert name == operation
    metadata = found.pop("Metadata", {})
    assert metadata == parameters.get("Metadata", {})
    found = {key: value for key, value in found.items() if value not in (None, b"", "")}
    assert found == {key: value for key, value in parameters.items() if key != "Metadata"}


def answered(operation, values, status=None):
    """Our answer as botocore reads it."""
    served_as = served()[operation]
    reply = wire.serialise(model().operations[operation], values, status or served_as.status)
    headers = {name.decode(): text.decode() for name, text in reply.headers}
    response = {
        "status_code": reply.status,
        "headers": botocore.awsrequest.HeadersDict(headers),
        "body": reply.body,
    }
    shape = SERVICE.operation_model(operation).output_shape
    found = create_parser("rest-xml").parse(response, shape)
    found.pop("ResponseMetadata")
    return found


MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ANSWERS = [
    ("ListBuckets", {"Owner": {"ID": "1"}, "Buckets": [{"Name": "b", "CreationDate": MOMENT}]}),
    ("PutObject", {"ETag": '"e"'}),
    ("CopyObject", {"CopyObjectResult": {"ETag": '"e"', "LastModified": MOMENT}}),
    (
        "ListObjectsV2",
        {
            "Name": "b", "Prefix": "<p>", "KeyCount": 2, "IsTruncated": True, "MaxKeys": 2,
            "NextContinuationToken": "t", "CommonPrefixes": [{"Prefix": "x/"}],
            "Contents": [{"Key": "a&b", "Size": 3, "ETag": '"e"', "LastModified": MOMENT}],
        },
    ),
    ("CreateMultipartUpload", {"Bucket": "b", "Key": "k", "UploadId": "u"}),
    ("GetBucketTagging", {"TagSet": [{"Key": "k", "Value": "v"}]}),
    ("GetBucketEncryption", {"ServerSideEncryptionConfiguration": {"Rules": [{"BucketKeyEnabled": False}]}}),
    ("DeleteObjects", {"Deleted": [{"Key": "x"}, {"Key": "y"}]}),
    ("HeadBucket", {"BucketRegion": "eu-west-1"}),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "values"), ANSWERS, ids=[name for name, _ in ANSWERS])
def test_what_we_answer_botocore_reads(operation, values):
    assert answered(operation, values) == values


@pytest.mark.parametrize(
    "body",
    [b"<a", b"<a></b>", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", b"<x>" + b"y" * (3 << 20) + b"</x>"],
    ids=["open", "crossed", "entities", "endless"],
)  # fmt: skip
def test_documents_that_are_none(body):
    with pytest.raises(S3Error) as refused:
        wire.document(body)
    assert refused.value.wire_code == "MalformedXML"


def test_errors_are_read_by_botocore():
    reply = door.render(S3Error("NoSuchKey", "not <here>", 404, Key="k"))
    response = {"status_code": reply.status, "headers": {}, "body": reply.body}
    found = create_parser("rest-xml").parse(response, None)
    assert found["Error"]["Code"] == "NoSuchKey"
    assert found["Error"]["Message"] == "not <here>"
    assert found["Error"]["Key"] == "k"


@pytest.mark.parametrize(
    ("host", "path", "place"),
    [
        (b"127.0.0.1:9000", "/b/k/l", ("b", "k/l")),
        (b"localhost:9000", "/b", ("b", "")),
        (b"localhost:9000", "/", ("", "")),
        (b"b.localhost:9000", "/k/l", ("b", "k/l")),
        (b"127.0.0.1:9000", "/b/a%2Fb%20c", ("b", "a/b c")),
    ],
)
def test_where_bucket_and_key_stand(host, path, place):
    asked = Asked("GET", path, b"", Headers([(b"host", host)]))
    assert tuple(door.s3_door().match(asked).labels.values()) == place
