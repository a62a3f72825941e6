import socket
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from lambent.delivery import roles
from lambent.delivery.aws import Aws, is_loopback, problem
from lambent.delivery.problem import NOT_AUTHORISED, Problem
from lambent.delivery.template import FunctionPlan


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user without ~/.aws and without variables."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:9000", True),
        ("http://localhost:9000", True),
        ("http://[::1]:9000", True),
        ("http://10.0.0.1:9000", False),
        ("https://lambda.example.com", False),
    ],
)
def test_loopback(url: str, local: bool) -> None:
    assert is_loopback(url) is local


def test_loopback_works_without_credentials() -> None:
    aws = Aws("http://127.0.0.1:1")
    credentials = aws.session.get_credentials()
    assert credentials is not None
    assert credentials.access_key == "lambent"
    assert aws.region_name == "us-east-1"


def test_configured_credentials_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    credentials = Aws("http://127.0.0.1:1").session.get_credentials()
    assert credentials is not None
    assert credentials.access_key == "mine"


def test_aws_needs_a_region() -> None:
    with pytest.raises(Problem) as caught:
        _ = Aws().session
    assert caught.value.code == "REGION_MISSING"


def test_an_unknown_profile() -> None:
    with pytest.raises(Problem) as caught:
        _ = Aws(profile="nobody-at-all").session
    assert caught.value.code == "PROFILE_NOT_FOUND"


def test_nothing_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    aws = Aws(f"http://127.0.0.1:{port}")
    with pytest.raises(EndpointConnectionError) as caught:
        aws.invoker.list_functions()
    found = problem(caught.value, aws)
    assert found.code == "SERVER_UNREACHABLE"
    assert "lambent up" in found.fix


def test_what_aws_answers_keeps_its_code() -> None:
    answer = {"Error": {"Code": "ResourceNotFoundException", "Message": "Function not found: x"}}
    found = problem(ClientError(answer, "Invoke"), Aws("http://127.0.0.1:1"))
    assert (found.code, found.message) == ("ResourceNotFoundException", "Function not found: x")
    assert found.fix
    answer["Error"]["Code"] = "AccessDeniedException"
    assert problem(ClientError(answer, "Invoke"), Aws()).exit_code == NOT_AUTHORISED


def test_off_aws_a_role_of_the_right_form_is_enough() -> None:
    plan = FunctionPlan("churn", Path(), "a.b", "python3.13")
    arn = roles.role_arn(Aws("http://127.0.0.1:1"), plan)
    assert arn == "arn:aws:iam::123456789012:role/lambent-churn"


def test_aws_itself_is_meant_in_a_shell_that_names_a_server(monkeypatch) -> None:
    for name in ("LAMBDA", "S3"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", "http://127.0.0.1:9000")
    monkeypatch.setenv("LAMBENT_ENDPOINT_URL", "http://127.0.0.1:9000")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    cloud = Aws(None, region="eu-west-1")
    assert cloud.functions.meta.endpoint_url == "https://lambda.eu-west-1.amazonaws.com"
    assert cloud.client("s3").meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"
    here = Aws("http://127.0.0.1:9123", region="eu-west-1")
    assert here.client("s3").meta.endpoint_url == "http://127.0.0.1:9123"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9555")
    assert here.client("s3").meta.endpoint_url == "http://127.0.0.1:9555"
