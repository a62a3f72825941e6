"""Deployments to a served platform, through boto3 only."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambent.delivery import package
from lambent.delivery.aws import Aws
from lambent.delivery.deploy import Deployment, deploy
from lambent.delivery.template import FunctionPlan

RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def aws(live_url: str) -> Aws:
    return Aws(live_url)


@pytest.fixture
def plan(project: Path, request: pytest.FixtureRequest) -> FunctionPlan:
    name = request.node.name.replace("[", "-").replace("]", "")[:60]
    return FunctionPlan(name, project, "handler.handler", RUNTIME, memory_mb=256)


def ship(aws: Aws, plan: FunctionPlan, text: str | None = None, **more: Any) -> Deployment:
    if text is not None:
        (plan.folder / "handler.py").write_text(text)
    built = package.build(package.Recipe(plan.folder, plan.runtime))
    return deploy(aws, plan, built, **more)


def answers(value: object) -> str:
    return f"def handler(event, context):\n    return {value!r}\n"


def call(aws: Aws, name: str, qualifier: str = "production") -> Any:
    answer = aws.invoker.invoke(FunctionName=name, Qualifier=qualifier, Payload=b"{}")
    return json.loads(answer["Payload"].read())


@pytest.mark.slow
def test_create_then_call_through_the_alias(aws: Aws, plan: FunctionPlan) -> None:
    plan = replace(
        plan,
        environment={"AA": "1"},
        tags={"team": "ml"},
        description="d",
        timeout_s=9,
        ephemeral_mb=1024,
        logging={"LogFormat": "JSON"},
    )
    live = ship(aws, plan, answers("one"))
    assert (live.version, live.alias, live.created) == ("1", "production", True)
    assert live.weights == {"1": 1.0}
    assert call(aws, plan.name) == "one"
    facts = aws.functions.get_function(FunctionName=plan.name, Qualifier="1")["Configuration"]
    assert (facts["MemorySize"], facts["Timeout"], facts["Description"]) == (256, 9, "d")
    assert facts["EphemeralStorage"] == {"Size": 1024}
    assert facts["Environment"] == {"Variables": {"AA": "1"}}
    assert facts["LoggingConfig"]["LogFormat"] == "JSON"
    assert aws.functions.get_function(FunctionName=plan.name)["Tags"] == {"team": "ml"}


def test_nothing_changed_makes_no_version(aws: Aws, plan: FunctionPlan) -> None:
    ship(aws, plan, answers("one"))
    before = aws.functions.get_function_configuration(FunctionName=plan.name)["RevisionId"]
    again = ship(aws, plan)
    assert (again.version, again.created, again.code_changed, again.changed) == (
        "1",
        False,
        False,
        (),
    )
    assert aws.functions.get_function_configuration(FunctionName=plan.name)["RevisionId"] == before


@pytest.mark.slow
def test_only_what_changed_is_changed(aws: Aws, plan: FunctionPlan) -> None:
    ship(aws, plan, answers("one"))
    configured = ship(aws, replace(plan, memory_mb=512, environment={"BB": "2"}))
    assert (configured.code_changed, configured.changed) == (False, ("Environment", "MemorySize"))
    assert configured.version == "2"
    coded = ship(aws, replace(plan, memory_mb=512, environment={"BB": "2"}), answers("two"))
    assert (coded.code_changed, coded.changed, coded.version) == (True, (), "3")
    assert call(aws, plan.name) == "two"
    assert call(aws, plan.name, "1") == "one"


def test_what_is_no_longer_wanted_goes_back_to_the_default(aws: Aws, plan: FunctionPlan) -> None:
    ship(aws, replace(plan, environment={"AA": "1"}, description="x", timeout_s=9), answers("one"))
    assert ship(aws, plan).changed == ("Description", "Environment", "Timeout")


@pytest.mark.slow
def test_a_canary_gets_its_share_and_is_then_promoted(aws: Aws, plan: FunctionPlan) -> None:
    ship(aws, plan, answers("old"))
    canary = ship(aws, plan, answers("new"), canary_percent=10)
    assert canary.weights == {"1": 0.9, "2": 0.1}
    alias = aws.functions.get_alias(FunctionName=plan.name, Name="production")
    assert alias["FunctionVersion"] == "1"
    assert alias["RoutingConfig"]["AdditionalVersionWeights"] == {"2": 0.1}
    promoted = ship(aws, plan)
    assert promoted.weights == {"2": 1.0}
    alias = aws.functions.get_alias(FunctionName=plan.name, Name="production")
    assert alias["FunctionVersion"] == "2"
    assert "RoutingConfig" not in alias
    assert call(aws, plan.name) == "new"


def test_the_first_deploy_cannot_be_a_canary(aws: Aws, plan: FunctionPlan) -> None:
    assert ship(aws, plan, answers("one"), canary_percent=10).weights == {"1": 1.0}


def test_reserved_concurrency(aws: Aws, plan: FunctionPlan) -> None:
    ship(aws, replace(plan, reserved_concurrency=7), answers("one"))
    found = aws.functions.get_function_concurrency(FunctionName=plan.name)
    assert found["ReservedConcurrentExecutions"] == 7
    ship(aws, plan)
    found = aws.functions.get_function_concurrency(FunctionName=plan.name)
    assert found["ReservedConcurrentExecutions"] == 7  # what the plan does not say is left alone


def test_another_alias(aws: Aws, plan: FunctionPlan) -> None:
    ship(aws, plan, answers("one"))
    live = ship(aws, replace(plan, alias="staging"), answers("two"))
    assert live.weights == {"2": 1.0}
    assert (call(aws, plan.name), call(aws, plan.name, "staging")) == ("one", "two")


def test_a_role_by_name_and_by_arn(aws: Aws, plan: FunctionPlan) -> None:
    ship(aws, plan, answers("one"))
    arn = "arn:aws:iam::123456789012:role/other"
    assert ship(aws, replace(plan, role=arn)).changed == ("Role",)
    facts = aws.functions.get_function_configuration(FunctionName=plan.name)
    assert facts["Role"] == arn


def test_what_lambda_refuses_is_not_hidden(aws: Aws, plan: FunctionPlan) -> None:
    with pytest.raises(ClientError) as caught:
        ship(aws, replace(plan, memory_mb=99_999))
    assert "memorySize" in str(caught.value) or "MemorySize" in str(caught.value)
