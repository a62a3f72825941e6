from pathlib import Path
from textwrap import dedent

import pytest

from lambent.delivery import template
from lambent.delivery.problem import Problem


@pytest.fixture
def write(tmp_path: Path):
    def put(text: str) -> Path:
        path = tmp_path / "template.yaml"
        path.write_text(dedent(text))
        return path

    return put


WHOLE = """
    AWSTemplateFormatVersion: 2010-09-09
    Transform: AWS::Serverless-2016-10-31
    Parameters:
      Stage: {Type: String, Default: dev}
      Needed: {Type: String}
    Mappings:
      Sizes: {dev: {memory: 256}, live: {memory: 2048}}
    Conditions:
      Live: !Equals [!Ref Stage, live]
    Globals:
      Function:
        Runtime: python3.13
        Timeout: 7
        Environment: {Variables: {SHARED: "1", MODE: global}}
        Tags: {team: ml}
    Metadata:
      lambent: {bucket: packages}
    Resources:
      Predict:
        Type: AWS::Serverless::Function
        Metadata:
          lambent: {model: model.joblib, train: train.py}
        Properties:
          FunctionName: !Sub "predict-${Stage}"
          CodeUri: src/
          Handler: app.handler
          MemorySize: !FindInMap [Sizes, !Ref Stage, memory]
          EphemeralStorage: {Size: 1024}
          Environment:
            Variables:
              MODE: !If [Live, live, test]
              NEXT: !Ref Other
              REGION: !Ref AWS::Region
              JOINED: !Join ["-", [a, !Ref Stage]]
              NOTHING: !Ref AWS::NoValue
              DEBUG: true
          Architectures: [arm64]
          AutoPublishAlias: live
          Role: !Ref Needed
          Policies: [AWSLambdaBasicExecutionRole]
          Tags: {app: churn}
          LoggingConfig: {LogFormat: JSON}
          SnapStart: {ApplyOn: PublishedVersions}
          ReservedConcurrentExecutions: 5
          Tracing: Active
          Events: {Api: {Type: HttpApi}}
      Other:
        Type: AWS::Serverless::Function
        Properties: {FunctionName: other, Handler: other.handler, Timeout: 30}
      Table:
        Type: AWS::DynamoDB::Table
    """


def test_everything_at_once(write) -> None:
    path = write(WHOLE)
    project = template.read(path, parameters={"Needed": "arn:role"}, region="eu-central-1")
    plan, other = project.functions
    assert plan.name == "predict-dev"
    assert plan.folder == (path.parent / "src").resolve()
    assert (plan.handler, plan.runtime) == ("app.handler", "python3.13")
    assert (plan.memory_mb, plan.timeout_s, plan.ephemeral_mb) == (256, 7, 1024)
    assert plan.environment == {
        "SHARED": "1",
        "MODE": "test",
        "NEXT": "other",
        "REGION": "eu-central-1",
        "JOINED": "a-dev",
        "DEBUG": "true",
    }
    assert (plan.architecture, plan.alias, plan.role) == ("arm64", "live", "arn:role")
    assert plan.policies == ("AWSLambdaBasicExecutionRole",)
    assert plan.tags == {"team": "ml", "app": "churn"}
    assert plan.logging == {"LogFormat": "JSON"}
    assert plan.snap_start
    assert plan.reserved_concurrency == 5
    assert plan.tracing == "Active"
    assert (plan.extras.bucket, plan.extras.model) == ("packages", "model.joblib")
    assert (other.timeout_s, other.extras.model, other.alias) == (30, None, "production")
    assert set(project.not_deployed) == {"Table (AWS::DynamoDB::Table)"}
    (gateway,) = project.gateways
    assert gateway.document == {
        "kind": "HTTP",
        "stages": {"$default": {}},
        "routes": [
            {
                "path": "$default",
                "method": "ANY",
                "function": "predict-dev",
                "qualifier": "live",
                "payload_format": "2.0",
            }
        ],
    }


def test_parameters_decide(write) -> None:
    given = {"Needed": "arn:role", "Stage": "live"}
    plan = template.read(write(WHOLE), parameters=given).functions[0]
    assert (plan.name, plan.memory_mb, plan.environment["MODE"]) == ("predict-live", 2048, "live")


def test_the_defaults_are_awss(write) -> None:
    path = write("""
        Resources:
          F:
            Type: AWS::Serverless::Function
            Properties: {Handler: a.b, Runtime: python3.13}
    """)
    (plan,) = template.read(path).functions
    assert (plan.name, plan.memory_mb, plan.timeout_s, plan.ephemeral_mb) == ("F", 128, 3, 512)
    assert plan.folder == path.parent.resolve()


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("Resources: [", "TEMPLATE_INVALID", "line"),
        ("just text", "TEMPLATE_INVALID", "not a template"),
        ("Parameters: {}", "TEMPLATE_INVALID", "no Resources"),
        ("Resources: {T: {Type: AWS::SQS::Queue}}", "TEMPLATE_WITHOUT_FUNCTION", "no function"),
        (
            "Resources: {F: {Type: AWS::Serverless::Function, Properties: {Handler: a.b}}}",
            "TEMPLATE_INVALID",
            "no Runtime",
        ),
        (
            (
                "Resources: {F: {Type: AWS::Serverless::Function, Properties: {Handler: a.b, "
                "Runtime: python3.13, MemorySize: lots}}}"
            ),
            "TEMPLATE_INVALID",
            "F.MemorySize must be a whole number",
        ),
        (
            (
                "Resources: {F: {Type: AWS::Serverless::Function, Properties: {Handler: a.b, "
                "Runtime: python3.13, Role: !GetAtt R.Arn}}}"
            ),
            "TEMPLATE_UNRESOLVED",
            "F.Role uses !GetAtt",
        ),
        (
            (
                "Resources: {F: {Type: AWS::Serverless::Function, Properties: {Handler: a.b, "
                "Runtime: python3.13, Description: !Ref Unknown}}}"
            ),
            "TEMPLATE_UNRESOLVED",
            "F.Description refers to Unknown",
        ),
        (
            "Resources: {F: {Type: AWS::Serverless::Function, Properties: {PackageType: Image}}}",
            "TEMPLATE_INVALID",
            "names none",
        ),
        (
            "Metadata: {lambent: {modle: x}}\nResources: {F: {Type: AWS::Serverless::Function}}",
            "TEMPLATE_INVALID",
            "modle",
        ),
    ],
)
def test_what_cannot_be_used_is_named(write, text: str, code: str, says: str) -> None:
    with pytest.raises(Problem) as caught:
        template.read(write(text))
    assert caught.value.code == code
    assert says in caught.value.message


def test_an_unknown_parameter_is_named(write) -> None:
    with pytest.raises(Problem) as caught:
        template.read(write(WHOLE), parameters={"Stange": "x"})
    assert caught.value.code == "PARAMETER_UNKNOWN"
    assert "Stage" in caught.value.fix


def test_a_property_that_a_flag_decides_is_not_resolved(write) -> None:
    plan = template.read(write(WHOLE), without=frozenset({"Role"})).functions[0]
    assert plan.role is None


def test_plain_cloudformation_functions_too(write) -> None:
    path = write("""
        Resources:
          F:
            Type: AWS::Lambda::Function
            Properties:
              Code: ./lib
              Handler: a.b
              Runtime: python3.13
              Tags: [{Key: a, Value: b}]
              TracingConfig: {Mode: PassThrough}
    """)
    (plan,) = template.read(path).functions
    assert (plan.folder.name, plan.tags, plan.tracing) == ("lib", {"a": "b"}, "PassThrough")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("!Select [1, [a, b]]", "b"),
        ("!Select [0, !Split ['-', 'x-y']]", "x"),
        ("!Sub ['${A}-${!B}', {A: one}]", "one-${B}"),
        ("!If [Yes, a, b]", "a"),
        ("!If [No, a, b]", "b"),
        ("{'Fn::Join': ['', [a, {Ref: P}]]}", "aq"),
    ],
)
def test_intrinsics(write, expression: str, value: str) -> None:
    path = write(f"""
        Parameters: {{P: {{Default: q}}}}
        Conditions:
          Yes: !And [!Not [!Equals [a, b]], !Or [!Equals [a, b], !Equals [!Ref P, q]]]
          No: !Not [Condition: Yes]
        Resources:
          F:
            Type: AWS::Serverless::Function
            Properties: {{Handler: a.b, Runtime: python3.13, Description: {expression}}}
    """)
    assert template.read(path).functions[0].description == value
