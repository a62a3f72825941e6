"""S3 uploads against a real S3 server (moto's) over HTTP."""

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from lambent.delivery import package, roles, upload
from lambent.delivery.aws import Aws
from lambent.delivery.problem import Problem
from lambent.delivery.template import FunctionPlan


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Aws:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    return Aws(region="eu-central-1")


@pytest.fixture
def built(project: Path) -> package.Package:
    (project / "model.bin").write_bytes(os.urandom(50_000))
    return package.build(package.Recipe(project, "python3.13", bytecode=False))


def test_the_bucket_is_made_in_its_region_and_holds_the_zip(
    aws: Aws, built: package.Package
) -> None:
    sent: list[tuple[int, int]] = []
    found = upload.upload(aws, "made-for-me", "churn", built, lambda *now: sent.append(now))
    s3 = aws.client("s3")
    assert s3.get_bucket_location(Bucket="made-for-me")["LocationConstraint"] == "eu-central-1"
    assert found.key == f"churn/{built.sha256_hex}.zip"
    body = s3.get_object(Bucket="made-for-me", Key=found.key)["Body"].read()
    assert body == built.data
    assert zipfile.ZipFile(io.BytesIO(body)).testzip() is None
    assert sent[-1] == (len(built.data), len(built.data))


def test_only_what_a_request_cannot_hold_is_uploaded(
    aws: Aws, built: package.Package, project: Path
) -> None:
    assert upload.if_large(aws, "never-made", "churn", built) is None
    recipe = package.Recipe(project, "python3.13", bytecode=False, direct_limit=40_000)
    large = package.build(recipe)
    assert upload.if_large(aws, "large-ones", "churn", large) == upload.Uploaded(
        "large-ones", f"churn/{large.sha256_hex}.zip"
    )
    account = aws.client("sts").get_caller_identity()["Account"]
    usual = upload.if_large(aws, None, "churn", large)
    assert usual is not None
    assert usual.bucket == f"lambent-{account}-eu-central-1"
    buckets = {one["Name"] for one in aws.client("s3").list_buckets()["Buckets"]}
    assert {"large-ones", usual.bucket} <= buckets
    assert "never-made" not in buckets


def test_what_is_there_is_not_sent_again(aws: Aws, built: package.Package) -> None:
    upload.upload(aws, "only-once", "churn", built)
    sent: list[tuple[int, int]] = []
    upload.upload(aws, "only-once", "churn", built, lambda *now: sent.append(now))
    assert sent == []


def test_us_east_1_is_not_named_as_a_location(
    aws: Aws, built: package.Package, moto_url: str
) -> None:
    east = Aws(region="us-east-1")
    upload.upload(east, "in-the-east", "churn", built)
    s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=moto_url)
    assert s3.get_bucket_location(Bucket="in-the-east")["LocationConstraint"] is None


def test_the_default_bucket_names_account_and_region(aws: Aws) -> None:
    assert upload.default_bucket(aws) == "lambent-123456789012-eu-central-1"


def test_a_role_is_made_once_on_aws(aws: Aws) -> None:
    plan = FunctionPlan(
        "churn",
        Path(),
        "a.b",
        "python3.13",
        policies=({"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]},),
    )
    iam = aws.client("iam")
    arn = roles.role_arn(aws, plan)
    assert arn.endswith(":role/lambent-churn")
    assert roles.role_arn(aws, plan) == arn
    assert iam.list_role_policies(RoleName="lambent-churn")["PolicyNames"] == ["template-0"]


def test_a_sam_policy_template_is_refused_with_words(aws: Aws) -> None:
    plan = FunctionPlan("other", Path(), "a.b", "python3.13", policies=({"S3ReadPolicy": {}},))
    with pytest.raises(Problem) as caught:
        roles.role_arn(aws, plan)
    assert "S3ReadPolicy" in caught.value.message
