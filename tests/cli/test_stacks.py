"""Projects with more than functions go as a stack: deploy, diff, canary, rollback, rm."""

import json

import pytest

TEMPLATE = """
Metadata:
  lambent: {{stack: {stack}}}
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {{Type: String, Default: dev}}
Globals:
  Function: {{Timeout: 10, Runtime: python3.11}}
Resources:
  Shared:
    Type: AWS::Serverless::LayerVersion
    Properties: {{ContentUri: layer}}
  Main:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: {stack}-main
      CodeUri: src
      Handler: app.handler
      Layers: [!Ref Shared]
      Environment: {{Variables: {{STAGE: !Ref Stage, GROUP: !Ref Group}}}}
  Group:
    Type: AWS::Logs::LogGroup
    Properties: {{RetentionInDays: {days}}}
Outputs:
  Group: {{Value: !Ref Group}}
"""
CODE = (
    "import os, shared\ndef handler(e, c):\n    return [{text!r}, os.environ['STAGE'], shared.X]\n"
)


@pytest.fixture
def project(tmp_path):
    """`project(text, days)` writes the project's files."""
    stack = "stacked"

    def write(text="one", days=7, **more):
        for folder in ("src", "layer/python"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "layer" / "python" / "shared.py").write_text("X = 5\n")
        (tmp_path / "src" / "app.py").write_text(CODE.format(text=text))
        template = TEMPLATE.format(stack=stack, days=days)
        for name, resource in more.items():
            template = template.replace(
                "\nOutputs:", f"\n  {name}: {json.dumps(resource)}\nOutputs:"
            )
        (tmp_path / "template.yaml").write_text(template)
        return tmp_path

    write.stack = stack
    write.name = f"{stack}-main"
    return write


def ran(served, *words, cwd):
    done = served.run(*words, "--json", cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def answer(served, name):
    return json.loads(served.run("invoke", name, "--qualifier", "production", "--raw").stdout)


@pytest.mark.slow
def test_the_life_of_a_project(served, project):
    """One story: each step needs the one before, and a deployment costs two seconds."""
    folder = project()
    planned = ran(served, "diff", cwd=folder)["stack"]
    assert {one["action"] for one in planned["changes"]} == {"Add"}
    assert served.run("fn", "show", project.name).returncode == 1  # nothing was made

    facts = ran(served, "deploy", cwd=folder)
    (function,) = facts["functions"]
    assert (function["function"], function["version"], function["created"]) == (project.name, "1", True)  # fmt: skip
    assert facts["stack"]["status"] == "CREATE_COMPLETE"
    assert facts["stack"]["outputs"]["Group"].startswith(f"{project.stack}-Group-")
    assert {one["type"] for one in facts["stack"]["changes"]} == {
        "AWS::Lambda::LayerVersion", "AWS::Lambda::Function", "AWS::Lambda::Version",
        "AWS::Lambda::Alias", "AWS::IAM::Role", "AWS::Logs::LogGroup",
    }  # fmt: skip
    assert answer(served, project.name) == ["one", "dev", 5]
    assert ran(served, "deploy", cwd=folder)["stack"]["changes"] == []

    project("two", days=14)
    changes = {one["resource"]: one for one in ran(served, "diff", cwd=folder)["stack"]["changes"]}
    assert changes["Group"]["properties"] == ["RetentionInDays"]
    assert changes["Main"]["properties"] == ["Code"]
    ran(served, "deploy", "--parameter", "Stage=prod", cwd=folder)
    assert answer(served, project.name) == ["two", "prod", 5]

    assert ran(served, "rollback", cwd=folder)["status"] == "UPDATE_COMPLETE"
    assert answer(served, project.name) == ["one", "dev", 5]
    nothing = served.run("rollback", cwd=folder)
    assert "error[NOTHING_TO_ROLL_BACK]" in nothing.stderr

    project("three")
    (function,) = ran(served, "deploy", "--canary", "10", cwd=folder)["functions"]
    assert sorted(function["weights"].values()) == [0.1, 0.9]
    (function,) = ran(served, "deploy", cwd=folder)["functions"]
    assert list(function["weights"].values()) == [1.0]
    assert answer(served, project.name) == ["three", "dev", 5]

    broken = {"Type": "AWS::Lambda::Alias", "Properties": {"FunctionName": {"Ref": "Main"}, "Name": "x", "FunctionVersion": "77"}}  # fmt: skip
    project("four", Broken=broken)
    failed = served.run("deploy", cwd=folder)
    assert failed.returncode == 1
    assert "error[STACK_FAILED]" in failed.stderr
    assert "Broken (AWS::Lambda::Alias)" in failed.stderr
    assert answer(served, project.name) == ["three", "dev", 5]

    assert served.run("rm", cwd=folder).returncode == 3  # nobody said yes
    ran(served, "rm", "-y", cwd=folder)
    assert served.run("fn", "show", project.name).returncode == 1
    assert "error[STACK_MISSING]" in served.run("rm", "-y", cwd=folder).stderr


@pytest.mark.slow
def test_flags_of_one_function_are_refused(served, project):
    done = served.run("deploy", "--memory", "256", cwd=project())
    assert done.returncode == 2
    assert "this project is deployed as a stack" in done.stderr


def test_a_file_that_is_not_taken_along_is_named(served, project):
    api = {"Type": "AWS::Serverless::Api", "Properties": {"StageName": "x", "DefinitionUri": "api.yaml"}}  # fmt: skip
    done = served.run("deploy", cwd=project(Api=api))
    assert done.returncode == 1
    assert "error[TEMPLATE_FILE]" in done.stderr
    assert "Api.DefinitionUri" in done.stderr


@pytest.mark.slow
def test_what_nobody_makes_here_is_named(served, project):
    done = served.run("deploy", cwd=project(Machine={"Type": "AWS::EC2::Instance"}))
    assert done.returncode == 1
    assert "AWS::EC2::Instance" in done.stderr
