"""What `lambent deploy --target aws --dry-run` prints: the AWS CLI's commands for one function.

Nothing is called. Account and region are the user's where they are known; where they are not, a
placeholder in angle brackets stands in their place and is named in the notes. docs/deploy-aws.md
explains each step; lambent itself does the same through boto3 with `lambent deploy --aws`.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lambent.delivery.template import FunctionPlan

ACCOUNT: Final = "<ACCOUNT>"
REGION: Final = "<REGION>"
BASIC: Final = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@dataclass(frozen=True, slots=True)
class Where:
    """Whose account, and how the function gets there."""

    account: str = ACCOUNT
    region: str = REGION
    image: bool = False
    """As a container image through ECR, else as a zip through S3."""
    folder: Path = Path()
    """Where the zips are."""
    provisioned: int = 1
    """Environments that are kept ready, in the step for that."""

    @property
    def registry(self) -> str:
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com"

    @property
    def bucket(self) -> str:
        return f"lambent-{self.account}-{self.region}"

    def arn(self, plan: FunctionPlan) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{plan.name}"

    def role(self, plan: FunctionPlan) -> str:
        name = plan.role or f"lambent-{plan.name}"[:64]
        return name if name.startswith("arn:") else f"arn:aws:iam::{self.account}:role/{name}"


@dataclass(frozen=True, slots=True)
class Step:
    title: str
    commands: tuple[str, ...]


def steps(plan: FunctionPlan, where: Where) -> list[Step]:
    """In the order in which they are run."""
    if where.image:
        # SnapStart is for zips alone, and an image says itself where in it the models lie.
        plan = replace(plan, snap_start=False, environment=_without_place(plan.environment))
    found = [
        _role(plan, where),
        _image(plan, where) if where.image else _zip(plan, where),
        _function(plan, where),
        _version(plan, where),
        _provisioned(plan, where),
        _url(plan, where),
        _gateway(plan, where),
        _call(plan, where),
    ]
    return [step for step in found if step.commands]


def _without_place(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name != "MODEL_REGISTRY" or not value.startswith("file:")
    }


def notes(where: Where) -> list[str]:
    """What is a placeholder, and why."""
    said = []
    if where.account == ACCOUNT:
        said.append(f"{ACCOUNT} stands for your account: there are no credentials to ask STS with")
    if where.region == REGION:
        said.append(f"{REGION} stands for your region: neither --region nor AWS_REGION says it")
    return said


def _role(plan: FunctionPlan, where: Where) -> Step:
    if plan.role and plan.role.startswith("arn:"):
        return Step("role", ())
    name = where.role(plan).rpartition("/")[2]
    commands = [
        _iam("create-role", role_name=name, assume_role_policy_document=TRUST),
        _iam("attach-role-policy", role_name=name, policy_arn=BASIC),
    ]
    for number, policy in enumerate(plan.policies):
        if isinstance(policy, str):
            arn = policy if policy.startswith("arn:") else f"arn:aws:iam::aws:policy/{policy}"
            commands.append(_iam("attach-role-policy", role_name=name, policy_arn=arn))
        else:
            document = {"Version": "2012-10-17", **policy}
            commands.append(
                _iam(
                    "put-role-policy",
                    role_name=name,
                    policy_name=f"template-{number}",
                    policy_document=document,
                )
            )
    return Step("role", tuple(commands))


def _zip(plan: FunctionPlan, where: Where) -> Step:
    key = f"{plan.name}.zip"
    return Step(
        "package",
        (
            _aws(where, "s3", "mb", f"s3://{where.bucket}"),
            _aws(where, "s3", "cp", str(where.folder / key), f"s3://{where.bucket}/{key}"),
        ),
    )


def _image(plan: FunctionPlan, where: Where) -> Step:
    name, target = plan.name.lower(), f"{where.registry}/{plan.name.lower()}:latest"
    login = _aws(where, "ecr", "get-login-password")
    return Step(
        "image",
        (
            _aws(where, "ecr", "create-repository", repository_name=name),
            f"{login} | docker login --username AWS --password-stdin {_quoted(where.registry)}",
            f"docker build --platform linux/{_docker(plan)} --provenance=false -t {_quoted(target)} .",
            f"docker push {_quoted(target)}",
        ),
    )


def _docker(plan: FunctionPlan) -> str:
    return "arm64" if plan.architecture == "arm64" else "amd64"


def _function(plan: FunctionPlan, where: Where) -> Step:
    request: dict[str, Any] = {"function_name": plan.name, "role": where.role(plan)}
    if where.image:
        image = f"{where.registry}/{plan.name.lower()}:latest"
        request |= {"package_type": "Image", "code": f"ImageUri={image}"}
    else:
        code = f"S3Bucket={where.bucket},S3Key={plan.name}.zip"
        request |= {"runtime": plan.runtime, "handler": plan.handler, "code": code}
    request |= {
        "architectures": plan.architecture,
        "memory_size": plan.memory_mb,
        "timeout": plan.timeout_s,
    }
    if plan.ephemeral_mb != FunctionPlan.__dataclass_fields__["ephemeral_mb"].default:
        request["ephemeral_storage"] = f"Size={plan.ephemeral_mb}"
    if plan.environment:
        request["environment"] = {"Variables": dict(plan.environment)}
    if plan.layers:
        request["layers"] = list(plan.layers)
    if plan.snap_start:
        request["snap_start"] = "ApplyOn=PublishedVersions"
    if plan.tags:
        request["tags"] = dict(plan.tags)
    return Step(
        "function",
        (
            _aws(where, "lambda", "create-function", **request),
            _aws(where, "lambda", "wait", "function-active-v2", function_name=plan.name),
        ),
    )


def _version(plan: FunctionPlan, where: Where) -> Step:
    publish = _aws(where, "lambda", "publish-version", function_name=plan.name)
    version = f"VERSION=$({publish} --query Version --output text)"
    ready = _aws(where, "lambda", "wait", "published-version-active", function_name=plan.name)
    alias = _aws(where, "lambda", "create-alias", function_name=plan.name, name=plan.alias)
    return Step(
        "version",
        (version, f'{ready} --qualifier "$VERSION"', f'{alias} --function-version "$VERSION"'),
    )


def _provisioned(plan: FunctionPlan, where: Where) -> Step:
    if plan.snap_start:  # Lambda takes one or the other
        return Step("provisioned concurrency", ())
    return Step(
        "provisioned concurrency",
        (
            _aws(
                where,
                "lambda",
                "put-provisioned-concurrency-config",
                function_name=plan.name,
                qualifier=plan.alias,
                provisioned_concurrent_executions=where.provisioned,
            ),
        ),
    )


def _url(plan: FunctionPlan, where: Where) -> Step:
    return Step(
        "function URL",
        (
            _aws(
                where,
                "lambda",
                "create-function-url-config",
                function_name=plan.name,
                qualifier=plan.alias,
                auth_type="AWS_IAM",
            ),
        ),
    )


def _gateway(plan: FunctionPlan, where: Where) -> Step:
    target = f"{where.arn(plan)}:{plan.alias}"
    make = _aws(
        where,
        "apigatewayv2",
        "create-api",
        name=plan.name,
        protocol_type="HTTP",
        target=target,
    )
    # The shell puts the API's id in, so this argument alone stands in double quotes.
    source = f"arn:aws:execute-api:{where.region}:{where.account}:$API/*"
    allow = _aws(
        where,
        "lambda",
        "add-permission",
        function_name=plan.name,
        qualifier=plan.alias,
        statement_id="api-gateway",
        action="lambda:InvokeFunction",
        principal="apigateway.amazonaws.com",
    )
    return Step(
        "API Gateway",
        (f"API=$({make} --query ApiId --output text)", f'{allow} --source-arn "{source}"'),
    )


def _call(plan: FunctionPlan, where: Where) -> Step:
    call = _aws(
        where,
        "lambda",
        "invoke",
        function_name=f"{plan.name}:{plan.alias}",
        payload="fileb://event.json",
    )
    return Step("first call", (f"{call} answer.json",))


def _aws(where: Where, service: str, verb: str, *words: str, **options: Any) -> str:
    return _command(service, verb, *words, **options, region=where.region)


def _iam(verb: str, **options: Any) -> str:
    """The one service here that has no regions."""
    return _command("iam", verb, **options)


def _command(*words: str, **options: Any) -> str:
    """Structures are given as JSON, lists of texts as words."""
    parts = ["aws", *words]
    for name, value in options.items():
        parts.append(f"--{name.replace('_', '-')}")
        if isinstance(value, dict):
            parts.append(json.dumps(value, separators=(",", ":")))
        elif isinstance(value, list):
            parts += [str(one) for one in value]
        else:
            parts.append(str(value))
    return _quoted(*parts)


def _quoted(*parts: str) -> str:
    return shlex.join(parts)


def script(found: Iterable[Step]) -> str:
    """All of it as one text for a shell."""
    return "\n".join(
        line for step in found for line in (f"# {step.title}", *step.commands, "")
    ).rstrip()
