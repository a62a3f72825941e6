"""Brings a package to Lambda: create or update, publish a version, move the alias.

Only what differs is changed, so a deploy without changes makes no new version. It is the same here
and on AWS; only the role is (`roles`). A canary leaves the alias on its version and gives the new
one a share of the calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from lambent.delivery import roles
from lambent.delivery.aws import Aws
from lambent.delivery.images.code import ImageCode
from lambent.delivery.package import Package
from lambent.delivery.problem import Problem
from lambent.delivery.template import FunctionPlan
from lambent.delivery.upload import Uploaded

Progress = Callable[[str], None]
Shipped = Package | ImageCode
"""What a function runs: a zip, or an image that Lambda fetches."""

_ROLE_TRIES = 12
_ROLE_WAIT_S = 2.5


@dataclass(frozen=True, slots=True)
class Change:
    """A member of the configuration, as it is and as it shall be."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is live now."""

    function: str
    arn: str
    version: str
    alias: str
    created: bool
    code_changed: bool
    changed: tuple[str, ...]
    """Names of configuration members that were changed."""
    weights: Mapping[str, float]
    """Versions behind the alias and their share of the calls."""
    notes: tuple[str, ...] = ()


def deploy(
    aws: Aws,
    plan: FunctionPlan,
    package: Shipped,
    *,
    uploaded: Uploaded | None = None,
    canary_percent: float | None = None,
    progress: Progress = lambda _: None,
) -> Deployment:
    """Make `plan` and `package` live behind the plan's alias.

    `uploaded` says where in S3 the package lies; without it the zip is sent directly.
    """
    client = aws.functions
    latest = bring(aws, plan, package, uploaded=uploaded, progress=progress)
    progress("publishing a version")
    published = client.publish_version(
        FunctionName=plan.name, CodeSha256=latest.configuration["CodeSha256"]
    )
    version = str(published["Version"])
    _wait(client, "published_version_active", aws, FunctionName=plan.name, Qualifier=version)
    progress(f"moving {plan.alias}")
    weights = _move_alias(client, plan, version, canary_percent)
    return Deployment(
        plan.name,
        str(latest.configuration["FunctionArn"]),
        version,
        plan.alias,
        latest.created,
        latest.code_changed,
        latest.changed,
        weights,
        latest.notes,
    )


@dataclass(frozen=True, slots=True)
class Latest:
    """`$LATEST` after it was brought to what the plan says."""

    configuration: Mapping[str, Any]
    created: bool
    code_changed: bool
    changed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def bring(
    aws: Aws,
    plan: FunctionPlan,
    package: Shipped,
    *,
    uploaded: Uploaded | None = None,
    progress: Progress = lambda _: None,
) -> Latest:
    """Create or update the function, without a version or an alias; only what differs changes."""
    client = aws.functions
    code = _code(package, uploaded)
    current = find(client, plan.name)
    notes: list[str] = []
    changed: tuple[str, ...] = ()
    if current is None:
        _refuse_unknown(plan)
        progress("creating the function")
        configuration = _create(aws, plan, code)
        code_changed = True
    else:
        _wait(client, "function_updated_v2", aws, FunctionName=plan.name)
        code_changed = _update_code(client, plan, code, current, package, progress, aws)
        changed = _update_configuration(client, plan, current, progress, aws)
        _update_tags(client, plan, current, notes)
        configuration = client.get_function_configuration(FunctionName=plan.name)
    _reserve(client, plan)
    return Latest(configuration, current is None, code_changed, changed, tuple(notes))


def replace_code(
    aws: Aws, name: str, package: Package, *, uploaded: Uploaded | None = None
) -> None:
    """Give `$LATEST` other code and nothing else, and return when it serves: one save in `dev`."""
    client = aws.functions
    code = _code(package, uploaded)
    try:
        client.update_function_code(FunctionName=name, **code)
    except client.exceptions.ResourceConflictException:
        # The save before this one is still on its way, on a server that lets changes be seen.
        _wait(client, "function_updated_v2", aws, FunctionName=name)
        client.update_function_code(FunctionName=name, **code)
    _wait(client, "function_updated_v2", aws, FunctionName=name)


def _code(package: Shipped, uploaded: Uploaded | None) -> dict[str, Any]:
    if isinstance(package, ImageCode):
        return {"ImageUri": package.uri}
    if uploaded is None:
        return {"ZipFile": package.data}
    return {"S3Bucket": uploaded.bucket, "S3Key": uploaded.key}


def find(client: Any, name: str) -> dict[str, Any] | None:
    """GetFunction's answer; None without such a function."""
    try:
        answer: dict[str, Any] = client.get_function(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        return None
    return answer


def _create(aws: Aws, plan: FunctionPlan, code: Mapping[str, Any]) -> dict[str, Any]:
    client = aws.functions
    request = {
        "FunctionName": plan.name,
        "Code": code,
        "Role": roles.role_arn(aws, plan),
        "Architectures": [plan.architecture],
        **{key: value for key, value in _wanted(plan).items() if value not in ("", [], {}, None)},
    }
    if plan.image is not None:
        request["PackageType"] = "Image"
    if not plan.environment:
        del request["Environment"]
    if plan.tags:
        request["Tags"] = dict(plan.tags)
    answer: dict[str, Any] = _with_new_role(lambda: client.create_function(**request), aws)
    _wait(client, "function_active_v2", aws, FunctionName=plan.name)
    return answer


def _refuse_unknown(plan: FunctionPlan) -> None:
    if plan.unknown:
        raise Problem(
            "FUNCTION_OF_STACK",
            f"{plan.name} is not there yet, and only its stack can make it",
            why=f"what it refers to is made with it: {', '.join(sorted(plan.unknown))}",
            fix="lambent deploy     (without a function's name: the whole project)",
        )


def _with_new_role(create: Callable[[], dict[str, Any]], aws: Aws) -> dict[str, Any]:
    """Lambda cannot assume a role for some seconds after IAM made it, and nothing tells when."""
    for attempt in range(_ROLE_TRIES):
        try:
            return create()
        except ClientError as error:
            unready = "cannot be assumed by Lambda" in str(error)
            if not (aws.is_aws and unready) or attempt == _ROLE_TRIES - 1:
                raise
        time.sleep(_ROLE_WAIT_S)
    raise AssertionError


def _wanted(plan: FunctionPlan) -> dict[str, Any]:
    """The plan as members of UpdateFunctionConfiguration; only what the plan decides."""
    wanted: dict[str, Any] = {
        "MemorySize": plan.memory_mb,
        "Timeout": plan.timeout_s,
        "Description": plan.description,
        "EphemeralStorage": {"Size": plan.ephemeral_mb},
        "Environment": {"Variables": dict(plan.environment)},
        "SnapStart": {"ApplyOn": "PublishedVersions" if plan.snap_start else "None"},
    }
    if plan.image is None:
        wanted |= {"Runtime": plan.runtime, "Handler": plan.handler, "Layers": list(plan.layers)}
    else:
        wanted["ImageConfig"] = dict(plan.image.config)
    if plan.role and plan.role.startswith("arn:"):
        wanted["Role"] = plan.role
    if plan.tracing:
        wanted["TracingConfig"] = {"Mode": plan.tracing}
    if plan.logging:
        wanted["LoggingConfig"] = dict(plan.logging)
    return {key: value for key, value in wanted.items() if key not in plan.unknown}


def _existing(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """What Lambda answers, in the form of `_wanted`."""
    return {
        **configuration,
        "Environment": {"Variables": (configuration.get("Environment") or {}).get("Variables", {})},
        "SnapStart": {"ApplyOn": (configuration.get("SnapStart") or {}).get("ApplyOn", "None")},
        "Layers": [layer["Arn"] for layer in configuration.get("Layers", ())],
        "ImageConfig": (configuration.get("ImageConfigResponse") or {}).get("ImageConfig", {}),
    }


def differences(plan: FunctionPlan, configuration: Mapping[str, Any]) -> list[Change]:
    """What of `configuration`, as Lambda answers it, is not as the plan wants it."""
    existing = _existing(configuration)
    found = []
    for key, value in _wanted(plan).items():
        present = existing.get(key)
        if key == "LoggingConfig" and isinstance(present, dict):
            present = {name: present.get(name) for name in value}
        if present != value:
            found.append(Change(key, present, value))
    return found


def code_differs(plan: FunctionPlan, configuration: Mapping[str, Any], package: Shipped) -> bool:
    """Whether the package, or the processor that it is for, is another one."""
    same = configuration["CodeSha256"] == package.sha256
    return not same or configuration.get("Architectures", ["x86_64"]) != [plan.architecture]


def _update_code(
    client: Any,
    plan: FunctionPlan,
    code: Mapping[str, Any],
    current: Mapping[str, Any],
    package: Shipped,
    progress: Progress,
    aws: Aws,
) -> bool:
    if not code_differs(plan, current["Configuration"], package):
        return False
    progress("updating the code")
    answer = client.update_function_code(
        FunctionName=plan.name, Architectures=[plan.architecture], **code
    )
    _wait(client, "function_updated_v2", aws, FunctionName=plan.name)
    # Where only Lambda can tell which image a name leads to, it has told now.
    return bool(package.sha256 or answer["CodeSha256"] != current["Configuration"]["CodeSha256"])


def _update_configuration(
    client: Any, plan: FunctionPlan, current: Mapping[str, Any], progress: Progress, aws: Aws
) -> tuple[str, ...]:
    changes = {change.field: change.after for change in differences(plan, current["Configuration"])}
    if changes:
        progress("updating the configuration")
        client.update_function_configuration(FunctionName=plan.name, **changes)
        _wait(client, "function_updated_v2", aws, FunctionName=plan.name)
    return tuple(sorted(changes))


def changed_tags(plan: FunctionPlan, current: Mapping[str, Any]) -> dict[str, str]:
    present = current.get("Tags") or {}
    return {key: value for key, value in plan.tags.items() if present.get(key) != value}


def _update_tags(
    client: Any, plan: FunctionPlan, current: Mapping[str, Any], notes: list[str]
) -> None:
    changed = changed_tags(plan, current)
    if not changed:
        return
    try:
        client.tag_resource(Resource=current["Configuration"]["FunctionArn"], Tags=changed)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 501:
            raise
        notes.append("tags of an existing function cannot be changed on this server yet")


def _reserve(client: Any, plan: FunctionPlan) -> None:
    if plan.reserved_concurrency is None:
        return
    answer = client.get_function_concurrency(FunctionName=plan.name)
    if answer.get("ReservedConcurrentExecutions") != plan.reserved_concurrency:
        client.put_function_concurrency(
            FunctionName=plan.name, ReservedConcurrentExecutions=plan.reserved_concurrency
        )


def _move_alias(
    client: Any, plan: FunctionPlan, version: str, canary_percent: float | None
) -> dict[str, float]:
    """Point the alias at `version`, or give it its share; the resulting weights."""
    try:
        alias = client.get_alias(FunctionName=plan.name, Name=plan.alias)
    except client.exceptions.ResourceNotFoundException:
        client.create_alias(FunctionName=plan.name, Name=plan.alias, FunctionVersion=version)
        return {version: 1.0}
    stable = str(alias["FunctionVersion"])
    if canary_percent is None or stable == version:
        target, extra = version, {}
    else:
        target, extra = stable, {version: round(canary_percent / 100, 6)}
    client.update_alias(
        FunctionName=plan.name,
        Name=plan.alias,
        FunctionVersion=target,
        RoutingConfig={"AdditionalVersionWeights": extra},
    )
    return {target: round(1.0 - sum(extra.values()), 6), **extra}


def _wait(client: Any, waiter: str, aws: Aws, **request: Any) -> None:
    """Botocore's waiter; here a change takes a fraction of a second, on AWS some seconds."""
    delay, attempts = (1, 300) if aws.is_aws else (0.1, 3000)
    try:
        client.get_waiter(waiter).wait(
            **request, WaiterConfig={"Delay": delay, "MaxAttempts": attempts}
        )
    except WaiterError as error:
        last: Mapping[str, Any] = error.last_response or {}
        facts = last.get("Configuration", last)
        reason = facts.get("LastUpdateStatusReason") or facts.get("StateReason") or str(error)
        raise Problem(
            "DEPLOY_FAILED",
            f"{request['FunctionName']} did not become ready",
            why=str(reason),
            fix=f"lambent logs {request['FunctionName']}",
        ) from None
