"""The commands for AWS, judged by the AWS CLI itself: it parses each and makes its request of it."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lambent.delivery import aws_commands
from lambent.delivery.template import FunctionPlan

PLAN = FunctionPlan(
    "vision",
    Path(),
    "lambent_inference.handler.handler",
    "python3.13",
    memory_mb=1769,
    timeout_s=30,
    ephemeral_mb=1024,
    environment={"PINNED_MODELS": "a/1,b/2", "SAID": 'it\'s "quoted" $HOME'},
    policies=(
        "AmazonS3ReadOnlyAccess",
        {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]},
    ),
    tags={"team": "one"},
    snap_start=True,
)
SCRIPT = Path(__file__).with_name("aws_cli_requests.py")
WHERE = aws_commands.Where("123456789012", "eu-central-1")


@pytest.fixture
def cli(tmp_path):
    """cli([words, …]) → the requests that the AWS CLI would send, as (operation, URL, body)."""
    (tmp_path / "vision.zip").write_bytes(b"zip")
    (tmp_path / "event.json").write_text("{}")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    keys = {
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_CONFIG_FILE": "/nowhere",
    }

    def run(asked):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", SCRIPT],
            input=json.dumps(asked),
            env=kept | keys,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert [one["words"] for one in found if one["code"]] == [], done.stderr
        return [request for one in found for request in one["sent"]]

    return run


def commands(plan, where):
    return [one for step in aws_commands.steps(plan, where) for one in step.commands]


def words(command):
    """Without the shell's own parts: VARIABLE=$(…) and what is piped."""
    inner = command.partition("=$(")[2].removesuffix(")") if "=$(" in command else command
    return shlex.split(inner.partition(" | ")[0])


@pytest.mark.slow
@pytest.mark.parametrize("image", [False, True])
def test_the_aws_cli_takes_every_command(cli, image):
    asked = []
    for command in commands(PLAN, replace(WHERE, image=image)):
        said = words(command)
        if said[0] != "docker" and "wait" not in said[:3]:
            asked.append([one.replace("$VERSION", "1").replace("$API", "api") for one in said[1:]])
    sent = cli(asked)
    operations = [operation for operation, _, _ in sent]
    regional = [url for _, url, _ in sent if "iam" not in url]
    assert all("eu-central-1" in url for url in regional), regional
    assert operations[:4] == ["CreateRole", "AttachRolePolicy", "AttachRolePolicy", "PutRolePolicy"]
    middle = (
        ["CreateRepository", "GetAuthorizationToken"] if image else ["CreateBucket", "PutObject"]
    )
    assert operations[4:6] == middle
    kept = ["PutProvisionedConcurrencyConfig"] if image else []
    assert operations[6:] == [
        "CreateFunction", "PublishVersion", "CreateAlias", *kept, "CreateFunctionUrlConfig",
        "CreateApi", "AddPermission", "Invoke",
    ]  # fmt: skip


def test_the_function_is_the_plan(cli):
    (made,) = [one for one in commands(PLAN, WHERE) if " create-function " in one]
    ((_, _, body),) = cli([words(made)[1:]])
    request = json.loads(body)
    assert request["Environment"] == {"Variables": dict(PLAN.environment)}
    assert request["Role"] == "arn:aws:iam::123456789012:role/lambent-vision"
    assert request["Code"] == {
        "S3Bucket": "lambent-123456789012-eu-central-1",
        "S3Key": "vision.zip",
    }
    assert (request["MemorySize"], request["Timeout"], request["EphemeralStorage"]) == (
        1769,
        30,
        {"Size": 1024},
    )
    assert request["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert request["Tags"] == {"team": "one"}


def test_what_is_not_known_is_a_placeholder_and_said():
    nowhere = aws_commands.Where()
    text = aws_commands.script(aws_commands.steps(PLAN, nowhere))
    assert "arn:aws:iam::<ACCOUNT>:role/lambent-vision" in text
    assert "'<REGION>'" in text  # quoted: a shell takes < for a redirection
    assert [note.split()[0] for note in aws_commands.notes(nowhere)] == ["<ACCOUNT>", "<REGION>"]
    assert aws_commands.notes(WHERE) == []


def test_a_role_of_ones_own_is_not_made():
    plan = replace(PLAN, role="arn:aws:iam::1:role/mine")
    assert not [one for one in commands(plan, WHERE) if " iam " in one]


def test_an_image_says_itself_where_its_models_are():
    environment = {"MODEL_REGISTRY": "file:///var/task/model", "PINNED_MODELS": "a/1"}
    made = " ".join(commands(replace(PLAN, environment=environment), replace(WHERE, image=True)))
    assert "MODEL_REGISTRY" not in made
    assert "PINNED_MODELS" in made
    environment["MODEL_REGISTRY"] = "s3://models"
    made = " ".join(commands(replace(PLAN, environment=environment), replace(WHERE, image=True)))
    assert "s3://models" in made
