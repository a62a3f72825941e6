"""`lambent image build --variant slim`: the image holds the server, its settings and a model, and answers."""

import json

import boto3
import onnx
import pytest
from tests.cli.conftest import INSTALLED
from tests.delivery.graphs import graphs

from lambent.delivery import variants


@pytest.mark.root
@pytest.mark.slow  # installs onnxruntime into a layer, and starts it
@pytest.mark.timeout(300)
def test_an_image_of_the_slim_variant_answers(served, tmp_path) -> None:
    onnx.save(graphs.of_pictures(graphs.trained()), tmp_path / "digits.onnx")
    graphs.write_pictures(tmp_path / "pictures", 3)
    words = ["model", "compile", "digits.onnx", "--sample", "pictures", "--out", "models/digits/1"]
    made = served.run(*words, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    built = served.run("image", "build", "--variant", "slim", "--json", cwd=tmp_path, **INSTALLED)
    assert built.returncode == 0, built.stderr
    facts = json.loads(built.stdout)
    assert [one["made_by"] for one in facts["layers"]][-3:] == ["dependencies", "code", "models"]
    installed = next(one for one in facts["layers"] if one["made_by"] == "dependencies")
    assert installed["unpacked_bytes"] < 1.2e6 * variants.SLIM.budget_mb  # with bytecode

    client = boto3.client(
        "lambda",
        endpoint_url=f"http://127.0.0.1:{served.port}",
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    client.create_function(
        FunctionName="slim",
        PackageType="Image",
        Code={"ImageUri": facts["image"]},
        Role="arn:aws:iam::123456789012:role/slim",
        MemorySize=1024,
        Timeout=60,
    )
    client.get_waiter("function_active_v2").wait(FunctionName="slim", WaiterConfig={"Delay": 1})
    event = (tmp_path / "models/digits/1/warm_up.json").read_text()
    answer = json.loads(client.invoke(FunctionName="slim", Payload=event)["Payload"].read())
    assert answer["statusCode"] == 200, answer
    assert json.loads(answer["body"])["top"] in set(map(str, range(10)))
    info = {"httpMethod": "GET", "path": "/info"}
    said = json.loads(
        client.invoke(FunctionName="slim", Payload=json.dumps(info))["Payload"].read()
    )
    assert json.loads(said["body"])["uuid"] == "HostedInferenceLambda"
    client.delete_function(FunctionName="slim")
