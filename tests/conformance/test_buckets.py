"""The server's own buckets with boto3 and the AWS CLI, and code that comes from them."""

import io
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

KEYS = {"AKIAIOSFODNN7EXAMPLE": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}


def s3_of(url, key="test", secret="test", region="us-east-1", service="s3"):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}),
    )


@pytest.fixture
def s3(server):
    client = s3_of(server.url)
    yield client
    client.close()


@pytest.fixture
def bucket(s3):
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    return name


def test_objects_come_and_go(s3, bucket):
    key = "a b/é+~%.zip"
    s3.put_object(Bucket=bucket, Key=key, Body=b"hello", Metadata={"x": "y"}, ContentType="text/x")
    found = s3.get_object(Bucket=bucket, Key=key)
    assert found["Body"].read() == b"hello"
    assert (found["Metadata"], found["ContentType"], found["ContentLength"]) == ({"x": "y"}, "text/x", 5)  # fmt: skip
    assert s3.get_object(Bucket=bucket, Key=key, Range="bytes=1-3")["Body"].read() == b"ell"
    assert s3.head_object(Bucket=bucket, Key=key)["ETag"] == found["ETag"]
    for call in (s3.get_object, s3.head_object):
        with pytest.raises(ClientError, match=r"404|NoSuchKey"):
            call(Bucket=bucket, Key="other")
    with pytest.raises(ClientError, match="BadDigest"):
        s3.put_object(Bucket=bucket, Key="x", Body=b"1", ContentMD5="AAAA")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="GetBucketAcl is not available"):
        s3.get_bucket_acl(Bucket=bucket)
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        s3.delete_bucket(Bucket=bucket)
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})
    s3.delete_bucket(Bucket=bucket)


def test_listings_come_in_pages(s3, bucket):
    for at in range(7):
        s3.put_object(Bucket=bucket, Key=f"{'ab'[at % 2]}/{at}", Body=b"")
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 3}
    )
    assert [one["Key"] for page in pages for one in page["Contents"]] == [
        "a/0", "a/2", "a/4", "a/6", "b/1", "b/3", "b/5",
    ]  # fmt: skip
    found = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [one["Prefix"] for one in found["CommonPrefixes"]] == ["a/", "b/"]
    for token in ("é", "%", "AAA"):
        with pytest.raises(ClientError, match="InvalidArgument"):
            s3.list_objects_v2(Bucket=bucket, ContinuationToken=token)
    first = s3.list_objects_v2(Bucket=bucket, Delimiter="/", MaxKeys=1)
    rest = s3.list_objects_v2(
        Bucket=bucket, Delimiter="/", ContinuationToken=first["NextContinuationToken"]
    )
    assert [one["Prefix"] for one in rest["CommonPrefixes"]] == ["b/"]


def test_a_function_and_a_layer_from_a_bucket(server, s3, bucket, name, archive):
    data = os.urandom(9 << 20)  # boto3 sends this much in parts
    package = archive({"app.py": "def handler(e, c):\n    return 7\n", "data": data})
    s3.upload_fileobj(io.BytesIO(package), bucket, "f.zip")
    server.client.create_function(
        FunctionName=name, Role="arn:aws:iam::123456789012:role/test", Runtime=f"python3.{sys.version_info.minor}",
        Handler="app.handler", Code={"S3Bucket": bucket, "S3Key": "f.zip"},
    )  # fmt: skip
    server.active(name)
    assert server.invoke(name) == 7
    with pytest.raises(ClientError, match="S3 Error Code: NoSuchKey"):
        server.client.update_function_code(FunctionName=name, S3Bucket=bucket, S3Key="none")
    other = server.boto3(key="210987654321")
    with pytest.raises(ClientError, match="S3 Error Code: AccessDenied"):
        other.publish_layer_version(LayerName=name, Content={"S3Bucket": bucket, "S3Key": "f.zip"})
    other.close()


def test_signatures_are_verified_and_the_caller_is_told(start_server):
    server = start_server(auth="sigv4", auth_keys=json.dumps(KEYS))
    ((key, secret),) = KEYS.items()
    good, bad = s3_of(server.url, key, secret), s3_of(server.url, key, "wrong")
    good.create_bucket(Bucket="signed")
    for name in ("plain", "a//b/../c", "ü %2F+=&;"):
        good.put_object(Bucket="signed", Key=name, Body=b"x")
    listed = good.list_objects_v2(Bucket="signed")["Contents"]
    assert {one["Key"] for one in listed} == {"plain", "a//b/../c", "ü %2F+=&;"}
    for call in (
        lambda: bad.get_object(Bucket="signed", Key="plain"),
        lambda: bad.put_object(Bucket="signed", Key="plain", Body=b"y"),
    ):
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            call()
    sts = s3_of(server.url, key, secret, service="sts")
    assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:root"
    for client in (good, bad, sts):
        client.close()


def test_where_the_settings_name_an_s3_there_are_no_buckets(start_server):
    server = start_server(aws_endpoint_url="http://127.0.0.1:9")
    client = s3_of(server.url)
    with pytest.raises(ClientError, match="AWS_ENDPOINT_URL_S3"):
        client.create_bucket(Bucket="here")
    client.close()


@pytest.mark.slow
def test_the_aws_cli_packages(server, bucket, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text("def handler(e, c): pass\n")
    (tmp_path / "template.yaml").write_text(
        "Transform: AWS::Serverless-2016-10-31\nResources:\n  F:\n"
        "    Type: AWS::Serverless::Function\n"
        "    Properties: {CodeUri: src, Handler: app.handler, Runtime: python3.12}\n"
    )
    environ = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    aws = Path(sys.executable).with_name("aws")
    done = subprocess.run(
        [aws, "cloudformation", "package", "--template-file", "template.yaml", "--s3-bucket", bucket],
        cwd=tmp_path, env=environ, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"CodeUri: s3://{bucket}/" in done.stdout
