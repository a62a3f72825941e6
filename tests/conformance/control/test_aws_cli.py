"""The life of a function as the AWS CLI sees it, command by command, unchanged but for the endpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROLE = "arn:aws:iam::123456789012:role/cli"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:"


@pytest.fixture
def aws_cli(server, tmp_path):
    """`aws_cli("get-function", "--function-name", …)`: the decoded answer, or the refusal's text."""
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_PAGER": "",
    }

    def call(*arguments):
        command = [str(Path(sys.executable).parent / "aws"), "--endpoint-url", server.url, "lambda"]
        done = subprocess.run(
            [*command, *arguments],
            check=False,
            capture_output=True,
            text=True,
            env=environ,
            timeout=120,
        )
        if done.returncode:
            return done.stderr.strip()
        return json.loads(done.stdout) if done.stdout.strip() else None

    return call


@pytest.mark.slow  # each command is an interpreter that imports botocore
def test_a_functions_life(aws_cli, name, tmp_path):
    package = tmp_path / "package.zip"
    with zipfile.ZipFile(package, "w") as made:
        made.writestr("app.py", "def handler(event, context):\n    return event\n")
    this = ("--function-name", name)
    created = aws_cli(
        "create-function", *this, "--runtime", f"python3.{sys.version_info.minor}",
        "--role", ROLE, "--handler", "app.handler", "--zip-file", f"fileb://{package}",
        "--tags", "team=ml", "--environment", "Variables={STAGE=test}",
    )  # fmt: skip
    assert (created["State"], created["StateReasonCode"]) == ("Pending", "Creating")
    assert "LastUpdateStatus" not in created
    assert aws_cli("wait", "function-active-v2", *this) is None
    got = aws_cli("get-function", *this)
    assert got["Tags"] == {"team": "ml"}
    assert got["Configuration"]["LastUpdateStatus"] == "Successful"
    updated = aws_cli(
        "update-function-configuration", *this, "--memory-size", "256",
        "--revision-id", got["Configuration"]["RevisionId"],
    )  # fmt: skip
    assert (updated["MemorySize"], updated["LastUpdateStatus"]) == (256, "InProgress")
    assert aws_cli("wait", "function-updated-v2", *this) is None
    stale = aws_cli("publish-version", *this, "--revision-id", updated["RevisionId"])
    assert "(PreconditionFailedException)" in stale
    assert aws_cli("publish-version", *this, "--description", "first")["Version"] == "1"
    alias = aws_cli("create-alias", *this, "--name", "live", "--function-version", "1")
    assert alias["AliasArn"] == f"{ARN}{name}:live"
    versions = aws_cli("list-versions-by-function", *this)["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST", "1"]
    in_use = aws_cli("delete-function", *this, "--qualifier", "1")
    assert "(ResourceConflictException)" in in_use
    assert "the following aliases reference it: [live]" in in_use
    dry = aws_cli("update-function-code", *this, "--zip-file", f"fileb://{package}", "--dry-run")
    assert dry["CodeSha256"] == created["CodeSha256"]
    listed = aws_cli("list-functions", "--function-version", "ALL")["Functions"]
    assert {f["FunctionArn"] for f in listed} >= {f"{ARN}{name}:$LATEST", f"{ARN}{name}:1"}
    assert aws_cli("delete-function", *this) == {"StatusCode": 204}
    gone = aws_cli("get-function-configuration", *this)
    assert "(ResourceNotFoundException) when calling the GetFunctionConfiguration" in gone
    assert gone.endswith(f"Function not found: {ARN}{name}")


@pytest.mark.slow  # the same
def test_tenants_loops_and_refusals(aws_cli, server, name, tmp_path):
    server.function(name, TenancyConfig={"TenantIsolationMode": "PER_TENANT"})
    out = str(tmp_path / "out")
    this = ("--function-name", name)
    assert aws_cli("invoke", *this, "--tenant-id", "blue", out)["StatusCode"] == 200
    assert "Add a valid tenant ID in your request" in aws_cli("invoke", *this, out)
    assert "Durable executions are not available" in aws_cli(
        "invoke", *this, "--tenant-id", "blue", "--durable-execution-name", "run-1", out
    )
    account = aws_cli("get-account-settings")
    assert account["AccountLimit"]["TotalCodeSize"] == 80_530_636_800
