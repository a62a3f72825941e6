"""Code from S3, against a real S3 server on loopback."""

from __future__ import annotations

import contextlib
import socket

import boto3
import pytest
from moto.server import ThreadedMotoServer

from lambent.errors import InvalidParameterValue

GET = "Error occurred while GetObject. "


@pytest.fixture(scope="module")
def s3(monkeypatch_module):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.Session("key", "secret", None, "us-east-1").client(
        "s3", endpoint_url=f"http://{host}:{port}"
    )
    iam = boto3.Session("key", "secret", None, "us-east-1").client(
        "iam", endpoint_url=f"http://{host}:{port}"
    )
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="lambda", AssumeRolePolicyDocument="{}")
    client.create_bucket(Bucket="models")
    client.put_bucket_versioning(Bucket="models", VersioningConfiguration={"Status": "Enabled"})
    client.endpoint = f"http://{host}:{port}"
    try:
        yield client
    finally:
        client.close()
        server.stop()


@pytest.fixture(scope="module")
def monkeypatch_module():
    """The server's own credentials, as an owner sets them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield patch


def code(bucket="models", key="fn.zip", version=None):
    return {"S3Bucket": bucket, "S3Key": key, "S3ObjectVersion": version}


def test_code_from_s3(world, s3):
    async def main(w):
        one, two = w.make_zip("# one"), w.make_zip("# two")
        first = s3.put_object(Bucket="models", Key="fn.zip", Body=one)["VersionId"]
        s3.put_object(Bucket="models", Key="fn.zip", Body=two)
        created = await w.create(Code=code())
        assert created["CodeSize"] == len(two)
        assert (w.target().code_path / "app.py").read_text() == "# two"
        await w.do("UpdateFunctionCode", FunctionName="fn", **code(version=first))
        await w.settle()
        assert (w.target().code_path / "app.py").read_text() == "# one"

    world(main, aws_endpoint_url=s3.endpoint)


def test_the_endpoint_may_come_from_the_environment(world, s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)

    async def main(w):
        s3.put_object(Bucket="models", Key="fn.zip", Body=w.make_zip("# env"))
        await w.create(Code=code())

    world(main)


def test_what_s3_refuses(world, s3):
    async def main(w):
        s3.put_object(Bucket="models", Key="bad.zip", Body=b"no zip")
        for asked, text in (
            (
                code(bucket="nowhere"),
                GET + "S3 Error Code: NoSuchBucket. "
                "S3 Error Message: The specified bucket does not exist",
            ),
            (
                code(key="none"),
                GET
                + "S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
            ),
            (
                code(key="bad.zip"),
                "Could not unzip uploaded file. Please check your file, then try to upload again.",
            ),
        ):
            with pytest.raises(InvalidParameterValue) as raised:
                await w.create(Code=asked)
            assert raised.value.message == text
        assert list((w.root / "code/incoming").iterdir()) == []
        assert list((w.root / "code/packages").iterdir()) == []

    world(main, aws_endpoint_url=s3.endpoint)


def test_an_object_past_the_limit_is_not_downloaded_to_its_end(world, s3, monkeypatch):
    from lambent.control import code as module

    monkeypatch.setattr(module, "UNZIPPED_LIMIT", 1_000)

    async def main(w):
        s3.put_object(Bucket="models", Key="big.zip", Body=bytes(5_000_000))
        with pytest.raises(InvalidParameterValue, match="Unzipped size must be smaller than 1000"):
            await w.create(Code=code(key="big.zip"))
        assert list((w.root / "code/incoming").iterdir()) == []

    world(main, aws_endpoint_url=s3.endpoint)


@pytest.mark.slow
def test_an_s3_that_cannot_be_reached(world, s3):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"

        async def main(w):
            with pytest.raises(InvalidParameterValue, match="EndpointConnectionError"):
                await w.create(Code=code())

        world(main, aws_endpoint_url=endpoint)
