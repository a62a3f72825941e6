"""Code signing configs that act: what a live server takes and refuses, by AWS's words.

The profiles are this test's own; the server believes the certificates in its `signing_dir`, which
it reads anew at every deployment.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError

from lambent.signing import judging, profiles

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def folder(server):
    found = server.data_dir / "no-config" / "lambent" / "signing"
    found.mkdir(parents=True, exist_ok=True)
    return found


@pytest.fixture(scope="module")
def mine(folder):
    return profiles.create(folder, "mine", "123456789012", "us-east-1", 30, NOW)


@pytest.fixture(scope="module")
def theirs(folder):
    return profiles.create(folder, "theirs", "123456789012", "us-east-1", 30, NOW)


@pytest.fixture(scope="module")
def config(server, mine):
    """`config("Enforce")` is the ARN of a config that allows `mine`."""

    def made(untrusted):
        answer = server.client.create_code_signing_config(
            AllowedPublishers={"SigningProfileVersionArns": [mine.arn]},
            CodeSigningPolicies={"UntrustedArtifactOnDeployment": untrusted},
        )
        return answer["CodeSigningConfig"]["CodeSigningConfigArn"]

    return made


def refused(call, **members):
    with pytest.raises(ClientError) as raised:
        call(**members)
    answer = raised.value.response
    error = answer["Error"]
    return error["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], error["Message"]


def unverified(name):
    return (
        "CodeVerificationFailedException",
        400,
        (
            "Lambda cannot deploy the function. The function or layer might be signed using a "
            "signature that the client is not configured to accept. Check the provided signature "
            f"for {name}."
        ),
    )


def errors_counted(live):
    page = live.request("GET", "/metrics")[2].decode()
    line = next(
        x for x in page.splitlines() if x.startswith("lambent_signature_validation_errors_")
    )
    return float(line.split()[1])


def test_a_signed_package_passes_and_shows_who_signed_it(aws, create, live, name, config, mine):
    signed = judging.sign(live.zipped(), mine, NOW, 10)
    made = create(name, Code={"ZipFile": signed}, CodeSigningConfigArn=config("Enforce"))
    assert made["SigningProfileVersionArn"] == mine.arn
    assert made["SigningJobArn"].startswith("arn:aws:signer:us-east-1:123456789012:/signing-jobs/")
    for shown in (
        aws.get_function(FunctionName=name)["Configuration"],
        next(f for f in aws.list_functions()["Functions"] if f["FunctionName"] == name),
    ):
        assert shown["SigningProfileVersionArn"] == mine.arn
        assert shown["SigningJobArn"] == made["SigningJobArn"]
    again = judging.sign(live.zipped("x = 1\n"), mine, NOW, 10)
    updated = aws.update_function_code(FunctionName=name, ZipFile=again)
    assert updated["SigningJobArn"] != made["SigningJobArn"]


def test_enforce_refuses_and_warn_takes_what_no_allowed_publisher_signed(
    aws, create, live, name, config, mine, theirs, settled
):
    strict, mild = config("Enforce"), config("Warn")
    stranger = profiles.Profile(mine.arn[:-10] + "0" * 10, mine.certificate, mine.key, NOW)
    old = NOW - timedelta(days=5)
    packages = {
        "unsigned": live.zipped(),
        "another publisher's": judging.sign(live.zipped(), theirs, NOW, 10),
        "of an unknown profile": judging.sign(live.zipped(), stranger, old, 1),
        "expired": judging.sign(live.zipped(), mine, old, 1),
    }
    before = errors_counted(live)
    for package in packages.values():
        members = {"Code": {"ZipFile": package}, "CodeSigningConfigArn": strict}
        assert refused(create, name=name, **members) == unverified(name)
    assert errors_counted(live) == before + len(packages)
    create(name, CodeSigningConfigArn=mild)
    for package in packages.values():
        settled(name)
        aws.update_function_code(FunctionName=name, ZipFile=package)
    assert errors_counted(live) == before + 2 * len(packages) + 1


def test_a_changed_package_passes_no_policy(aws, create, live, name, config, mine):
    changed = bytearray(judging.sign(live.zipped(), mine, NOW, 10))
    changed[changed.index(b"app.py") - 20] ^= 1  # the time of a file, which no CRC covers
    code = {"ZipFile": bytes(changed)}
    for untrusted in ("Enforce", "Warn"):
        answer = refused(create, name=name, Code=code, CodeSigningConfigArn=config(untrusted))
        assert answer[:2] == ("InvalidCodeSignatureException", 400)
    shown = create(name, Code=code)  # without a config nobody asks
    assert "SigningJobArn" not in shown
    assert aws.get_function_code_signing_config(FunctionName=name)["ResponseMetadata"]


def test_a_revoked_signature_is_refused_at_once(aws, create, live, name, config, mine, folder):
    signed = judging.sign(live.zipped(), mine, NOW, 10)
    made = create(name, Code={"ZipFile": signed}, CodeSigningConfigArn=config("Enforce"))
    revoked = folder / profiles.REVOKED
    revoked.write_text(made["SigningJobArn"] + "\n")
    try:
        update = {"FunctionName": name, "ZipFile": signed}
        assert refused(aws.update_function_code, **update) == unverified(name)
    finally:
        revoked.unlink()
    aws.update_function_code(**update)


def test_layers_are_judged_too(aws, create, live, name, config, mine, theirs, settled):
    layer = f"layer-{uuid.uuid4().hex[:8]}"

    def published(content):
        return aws.publish_layer_version(LayerName=layer, Content={"ZipFile": content})

    good = published(judging.sign(live.zipped(name="python/a.py"), mine, NOW, 10))
    assert good["Content"]["SigningProfileVersionArn"] == mine.arn
    unsigned = published(live.zipped(name="python/a.py"))
    assert "SigningJobArn" not in unsigned["Content"]
    others = published(judging.sign(live.zipped(name="python/a.py"), theirs, NOW, 10))
    signed = {"ZipFile": judging.sign(live.zipped(), mine, NOW, 10)}
    strict = {"Code": signed, "CodeSigningConfigArn": config("Enforce")}
    try:
        for bad in (unsigned, others):
            members = {**strict, "Layers": [bad["LayerVersionArn"]]}
            assert refused(create, name=name, **members) == unverified(name)
        made = create(name, **strict, Layers=[good["LayerVersionArn"]])
        assert made["Layers"] == [
            {
                "Arn": good["LayerVersionArn"],
                "CodeSize": good["Content"]["CodeSize"],
                "SigningProfileVersionArn": mine.arn,
                "SigningJobArn": good["Content"]["SigningJobArn"],
            }
        ]
        update = {"FunctionName": name, "Layers": [others["LayerVersionArn"]]}
        assert refused(aws.update_function_configuration, **update) == unverified(name)
        aws.update_function_configuration(FunctionName=name, Description="no layers named")
        settled(name)
    finally:
        for version in (good, unsigned, others):
            aws.delete_layer_version(LayerName=layer, VersionNumber=version["Version"])


def test_the_log_says_why(server, create, live, name, config):
    create(name, CodeSigningConfigArn=config("Warn"))
    lines = []
    for line in server.log_file.read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            lines.append(json.loads(line))
    warned = [x for x in lines if x["event"] == "code_signing.untrusted" and x["function"] == name]
    assert [(x["why"], x["level"]) for x in warned] == [("unsigned", "warning")]


@pytest.mark.slow  # a stack of three steps
def test_a_stack_has_a_config_and_a_function_of_it(server, aws, live, mine, until):
    stacks = boto3.client(
        "cloudformation",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    stack = f"signed-{uuid.uuid4().hex[:8]}"

    def template(policy, signing=True):
        function = {
            "FunctionName": stack,
            "Runtime": "python3.12",
            "Handler": "index.handler",
            "Role": live.ROLE,
            "Code": {"ZipFile": "def handler(event, context): return 1"},
        }
        config = {
            "AllowedPublishers": {"SigningProfileVersionArns": [mine.arn]},
            "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": policy},
        }
        if signing:
            function["CodeSigningConfigArn"] = {"Ref": "Signing"}
        return json.dumps(
            {
                "Resources": {
                    "Signing": {"Type": "AWS::Lambda::CodeSigningConfig", "Properties": config},
                    "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
                }
            }
        )

    def status():
        return stacks.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]

    stacks.create_stack(StackName=stack, TemplateBody=template("Enforce"))
    until(lambda: status() in {"ROLLBACK_COMPLETE", "CREATE_COMPLETE"})
    assert status() == "ROLLBACK_COMPLETE"
    events = stacks.describe_stack_events(StackName=stack)["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events]
    assert any("Lambda cannot deploy the function" in reason for reason in reasons)
    stacks.delete_stack(StackName=stack)
    stacks.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})

    stacks.create_stack(StackName=stack, TemplateBody=template("Warn"))
    until(lambda: status() == "CREATE_COMPLETE")
    config = aws.get_function_code_signing_config(FunctionName=stack)["CodeSigningConfigArn"]
    stacks.update_stack(StackName=stack, TemplateBody=template("Enforce", signing=False))
    until(lambda: status() == "UPDATE_COMPLETE")
    assert "CodeSigningConfigArn" not in aws.get_function_code_signing_config(FunctionName=stack)
    shown = aws.get_code_signing_config(CodeSigningConfigArn=config)["CodeSigningConfig"]
    assert shown["CodeSigningPolicies"]["UntrustedArtifactOnDeployment"] == "Enforce"
    stacks.delete_stack(StackName=stack)
    stacks.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    stacks.close()
