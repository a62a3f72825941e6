"""`lambent sign`: a profile, a signed package, and what is told of it."""

from __future__ import annotations

import json
import zipfile

import boto3
import pytest


@pytest.mark.slow  # eight runs of the command line
def test_sign_and_show(place):
    file = place.folder / "code.zip"
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("app.py", "x = 1\n")
    missing = place.run("sign", "zip", "code.zip", "mine")
    assert missing.returncode == 2
    assert "error[SIGN_PROFILE]" in missing.stderr
    assert "lambent sign profile mine" in missing.stderr
    made = json.loads(place.run("sign", "profile", "mine", "--json").stdout)
    unsigned = place.run("sign", "show", "code.zip", "--json")
    assert (unsigned.returncode, json.loads(unsigned.stdout)["signature"]) == (1, "unsigned")
    signed = place.run("sign", "zip", "code.zip", "mine", "-o", "signed.zip", "--json")
    assert json.loads(signed.stdout)["profileVersionArn"] == made["profileVersionArn"]
    shown = place.run("sign", "show", "signed.zip", "--json")
    told = json.loads(shown.stdout)
    assert (shown.returncode, told["signature"], told["valid"]) == (0, "signed", True)
    assert told["profileVersionArn"] == made["profileVersionArn"]
    again = place.run("sign", "zip", "signed.zip", "mine")
    assert again.returncode == 2
    assert "error[SIGN_PACKAGE]" in again.stderr
    (place.folder / "signed.zip").write_bytes((place.folder / "signed.zip").read_bytes() + b"!")
    changed = place.run("sign", "show", "signed.zip", "--json")
    assert (changed.returncode, json.loads(changed.stdout)["signature"]) == (1, "broken")


@pytest.mark.slow  # six runs of the command line
def test_a_deploy_signs_and_stays_the_same(served):
    """With Enforce only signed code goes in, and the same code is the same package."""
    profile = json.loads(served.run("sign", "profile", "release", "--json").stdout)
    served.run("init", "strict")
    folder = served.folder / "strict"
    assert served.run("deploy", cwd=folder).returncode == 0
    client = boto3.client(
        "lambda",
        endpoint_url=f"http://127.0.0.1:{served.port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    config = client.create_code_signing_config(
        AllowedPublishers={"SigningProfileVersionArns": [profile["profileVersionArn"]]},
        CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"},
    )["CodeSigningConfig"]["CodeSigningConfigArn"]
    client.put_function_code_signing_config(FunctionName="strict", CodeSigningConfigArn=config)
    (folder / "handler.py").write_text("def handler(event, context):\n    return 'signed'\n")
    refused = served.run("deploy", cwd=folder)
    assert refused.returncode == 1
    assert "error[CodeVerificationFailedException]" in refused.stderr
    facts = []
    for _ in range(2):
        done = served.run("deploy", "--sign", "release", "--json", cwd=folder)
        assert done.returncode == 0, done.stderr
        facts.append(json.loads(done.stdout)["functions"][0])
    assert (facts[0]["code_changed"], facts[1]["code_changed"]) == (True, False)
    shown = client.get_function_configuration(FunctionName="strict")
    assert shown["SigningProfileVersionArn"] == profile["profileVersionArn"]
    assert json.loads(served.run("invoke", "strict").stdout)["payload"] == "signed"
    layer = served.run("layer", "publish", "signed", str(folder), "--sign", "release", "--json")
    assert layer.returncode == 0, layer.stderr
    kept = client.get_layer_version(LayerName="signed", VersionNumber=1)["Content"]
    assert kept["SigningProfileVersionArn"] == profile["profileVersionArn"]
