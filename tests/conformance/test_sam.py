"""The public AWS SAM CLI, unchanged, against a live server: build, deploy, sync, list, delete.

It runs in a virtual environment of its own (`scripts/sam_cli`). Its waiters sleep for 5 to 30 s
between two looks; here they look more often, and nothing else of it is touched.
"""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".cache/sam-cli"
IMPATIENT = (
    "import sys, time; sleep = time.sleep; time.sleep = lambda s: sleep(min(s, 0.1)); "
    "from samcli.cli.main import cli; sys.argv[0] = 'sam'; cli()"
)
TEMPLATE = f"""
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Resources:
  HelloWorldFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: hello_world/
      Handler: app.handler
      Runtime: python3.{sys.version_info.minor}
      Timeout: 20
      Events:
        HelloWorld:
          Type: Api
          Properties: {{Path: /hello, Method: get}}
Outputs:
  HelloWorldApi:
    Value: !Sub "https://${{ServerlessRestApi}}.execute-api.${{AWS::Region}}.amazonaws.com/Prod/hello/"
  HelloWorldFunction:
    Value: !GetAtt HelloWorldFunction.Arn
"""
CODE = "def handler(event, context):\n    return {{'statusCode': 200, 'body': {text!r}}}\n"


@pytest.fixture
def sam(server, tmp_path):
    """`sam(words)` runs the CLI in the project's folder; its output."""
    try:
        subprocess.run([ROOT / "scripts/sam_cli", VENV], check=True, timeout=250)
    except subprocess.CalledProcessError:
        pytest.skip("aws-sam-cli cannot be installed: the package index cannot be reached")
    (tmp_path / "hello_world").mkdir()
    (tmp_path / "hello_world" / "requirements.txt").touch()
    (tmp_path / "template.yaml").write_text(TEMPLATE)

    def run(*words, answer=""):
        environ = {
            "PATH": f"{VENV}/bin:{sys.base_prefix}/bin:{os.environ['PATH']}",
            "HOME": str(tmp_path / "home"),
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.2",
        }
        done = subprocess.run(
            [VENV / "bin/python", "-c", IMPATIENT, *words],
            cwd=tmp_path, env=environ, text=True, input=answer, capture_output=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"sam {words[0]}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def test_the_life_of_hello_world(sam, server, tmp_path):
    """One story, since every step of it costs a second or two."""
    code = tmp_path / "hello_world" / "app.py"

    words = ["--stack-name", "hello", "--resolve-s3", "--capabilities", "CAPABILITY_IAM"]
    words += ["--no-confirm-changeset", "--no-progressbar"]
    code.write_text(CODE.format(text="one"))
    sam("build")
    said = sam("deploy", *words)
    assert "Successfully created/updated stack - hello" in said
    listed = json.loads(sam("list", "stack-outputs", "--stack-name", "hello", "--output", "json"))
    outputs = {one["OutputKey"]: one["OutputValue"] for one in listed}
    name = outputs["HelloWorldFunction"].rpartition(":")[2]

    def answer():
        with urllib.request.urlopen(outputs["HelloWorldApi"]) as found:
            return found.read().decode()

    assert answer() == "one"
    assert "No changes to deploy" in sam("deploy", *words, "--no-fail-on-empty-changeset")
    code.write_text(CODE.format(text="two"))
    sam("sync", "--stack-name", "hello", "--code", "--no-watch", answer="y\n")
    assert answer() == "two"
    said = sam("delete", "--stack-name", "hello", "--no-prompts", "--region", "us-east-1")
    assert "Deleted successfully" in said
    with pytest.raises(server.client.exceptions.ResourceNotFoundException):
        server.client.get_function(FunctionName=name)
