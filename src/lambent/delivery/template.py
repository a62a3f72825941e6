"""Reads an AWS SAM `template.yaml`: which functions there are, and what else it wants.

The common part of SAM is read here: Globals, parameters, intrinsics, AWS::Serverless::Function and
AWS::Lambda::Function. Resource types that are not deployed are named, never skipped in silence.
What only lambent knows stands under `Metadata: lambent`, of the template or of one function.
`package` and `deploy` take the `FunctionPlan`s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from lambent import own_tags
from lambent.delivery import sam_events, sam_images, snapshot_tags
from lambent.delivery.intrinsics import NO_VALUE, Resolver
from lambent.delivery.problem import Problem
from lambent.delivery.sam_events import API_TYPES, Called, GatewayPlan
from lambent.delivery.sam_images import ImagePlan
from lambent.templates import yaml_tags

NAMES: Final = ("template.yaml", "template.yml")
FUNCTION_TYPES: Final = ("AWS::Serverless::Function", "AWS::Lambda::Function")
DEFAULT_ALIAS: Final = "production"


class Extras(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`Metadata: lambent`."""

    bucket: str | None = None
    """S3 bucket for packages over 50 MB and for stacks; made when absent."""
    image_repository: str | None = None
    """`HOST/NAME` in a registry, for images that are built for AWS or a server elsewhere."""
    stack: str | None = None
    """Name of the project's stack; its folder's by default. Of the template only."""
    model: str | None = None
    """The model's file, relative to CodeUri."""
    train: str | None = None
    """A script beside it that makes the model, run when the model is not there."""
    allow_source: list[str] = []
    """Packages without a wheel that may be built from source."""
    bytecode: bool = True
    sign: str | None = None
    """Profile of this machine that signs the package (`lambent sign profile`)."""
    snapshots: own_tags.Snapshots | None = None
    """Which versions a lambent server restores from snapshots, whatever its own setting says."""
    sample_event: str | None = None
    """A JSON file below CodeUri: the event that tries a new snapshot."""
    settings: dict[str, Any] = {}
    """Of the server that `lambent up` and `lambent dev` start here; `project_settings` reads them."""


@dataclass(frozen=True, slots=True)
class FunctionPlan:
    """One function as it shall be; the field names are ours, the values AWS's."""

    name: str
    folder: Path
    handler: str
    runtime: str
    memory_mb: int = 128
    timeout_s: int = 3
    ephemeral_mb: int = 512
    architecture: str = "x86_64"
    description: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    alias: str = DEFAULT_ALIAS
    role: str | None = None
    policies: tuple[str | Mapping[str, Any], ...] = ()
    """Managed policies by name or ARN, and statements, for the role that is made on AWS."""
    tags: Mapping[str, str] = field(default_factory=dict)
    logging: Mapping[str, str] | None = None
    snap_start: bool = False
    reserved_concurrency: int | None = None
    layers: tuple[str, ...] = ()
    tracing: str | None = None
    extras: Extras = field(default_factory=Extras)
    image: ImagePlan | None = None
    """Of a container image, which has neither handler nor runtime; `folder` is what it is made of."""
    logical_id: str = ""
    """In the template; empty for one that flags describe."""
    unknown: frozenset[str] = frozenset()
    """Properties that only its stack knows: calls to Lambda alone leave them as they are."""
    inline: bool = False
    """Its code stands in the template."""


@dataclass(frozen=True, slots=True)
class Project:
    functions: tuple[FunctionPlan, ...]
    not_deployed: tuple[str, ...] = ()
    """`LogicalId (Type)` and `LogicalId.Property` that calls to Lambda alone do not deploy."""
    gateways: tuple[GatewayPlan, ...] = ()
    """Of the HTTP events; they are put on a lambent server only."""
    file: Path | None = None
    stack: str = ""
    """What the project's stack is called, where it is deployed as one."""


def find(folder: Path) -> Path | None:
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def _load(path: Path) -> dict[str, Any]:
    try:
        return yaml_tags.load(path.read_text())
    except yaml_tags.NotATemplate as error:
        where = f"{path.name}, line {error.line}" if error.line else path.name
        raise Problem(
            "TEMPLATE_INVALID",
            f"{where}: not a template" if not error.line else f"{where}: not YAML",
            why=str(error),
            fix="mend that line; tabs must be spaces" if error.line else "lambent init NAME",
        ) from None


def project_settings(path: Path) -> Mapping[str, Any]:
    """`Metadata: lambent: settings` of a template, without looking at anything else in it."""
    document = _load(path)
    metadata = document.get("Metadata")
    ours = metadata.get("lambent") if isinstance(metadata, dict) else None
    found = ours.get("settings") if isinstance(ours, dict) else None
    if found is not None and not isinstance(found, dict):
        raise Problem(
            "TEMPLATE_INVALID",
            f"{path.name}: settings under Metadata: lambent is not a map",
            fix="settings: {port: 9100}",
        )
    return found or {}


def read(
    path: Path,
    *,
    parameters: Mapping[str, str] | None = None,
    region: str = "us-east-1",
    without: frozenset[str] = frozenset(),
    partial: bool = False,
) -> Project:
    """The project of a template file; raises `Problem` naming the property that cannot be used.

    Properties in `without` are not looked at, because something else decides them. With `partial`
    those that only a stack can know (the ARN of a queue beside) are counted as not deployed.
    """
    document = _load(path)
    resources = document.get("Resources")
    if not isinstance(resources, dict) or not resources:
        raise Problem("TEMPLATE_INVALID", f"{path.name} has no Resources", fix="lambent init NAME")
    pseudo = {
        "AWS::Region": region,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::StackName": path.resolve().parent.name,
    }
    for logical_id, resource in resources.items():
        if isinstance(resource, dict) and resource.get("Type") in FUNCTION_TYPES:
            name = (resource.get("Properties") or {}).get("FunctionName", logical_id)
            if isinstance(name, str):
                pseudo[logical_id] = name
    resolver = Resolver(document, parameters or {}, pseudo)
    shared = (document.get("Globals") or {}).get("Function") or {}
    metadata = (document.get("Metadata") or {}).get("lambent") or {}
    functions, left = [], []
    called: dict[str, Called] = {}
    for logical_id, resource in resources.items():
        kind = resource.get("Type") if isinstance(resource, dict) else None
        if kind not in FUNCTION_TYPES:
            if kind not in API_TYPES:
                left.append(f"{logical_id} ({kind})")
            continue
        own = (resource.get("Metadata") or {}).get("lambent") or {}
        extras = _extras({**metadata, **own}, logical_id)
        properties = _merged(shared, resource.get("Properties") or {})
        properties = {key: item for key, item in properties.items() if key not in without}
        known, unknown = _resolved(logical_id, properties, resolver, partial=partial)
        plan, ignored = _function(
            logical_id, known, path.parent, extras, resource.get("Metadata") or {}
        )
        plan = replace(plan, unknown=frozenset(unknown))
        unknown = [f"{logical_id}.{name}" for name in unknown]
        ignored = sorted({*ignored, *unknown, *_unread(logical_id, properties)})
        functions.append(plan)
        left += ignored
        called[logical_id] = Called(plan.name, plan.alias, properties.get("Events") or {})
    if not functions and not partial:
        raise Problem(
            "TEMPLATE_WITHOUT_FUNCTION",
            f"{path.name} has no function to deploy",
            why="it holds " + ", ".join(left),
            fix="add a resource of type AWS::Serverless::Function",
        )
    project = path.resolve().parent.name
    gateways, unserved = sam_events.read(document, resolver, called, project)
    name = metadata.get("stack") or re.sub(r"[^A-Za-z0-9]+", "-", project).strip("-")
    return Project(
        tuple(functions), (*left, *unserved), tuple(gateways), path, str(name or "project")
    )


def _extras(metadata: Mapping[str, Any], logical_id: str) -> Extras:
    try:
        return msgspec.convert(metadata, Extras)
    except msgspec.ValidationError as error:
        raise Problem(
            "TEMPLATE_INVALID",
            f"Metadata: lambent of {logical_id}: {error}",
            fix="known: " + ", ".join(Extras.__struct_fields__),
        ) from None


def _merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """SAM's rule for Globals: maps are merged, lists joined, everything else is replaced."""
    merged = dict(shared)
    for key, value in own.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict) and not _intrinsic(value):
            merged[key] = _merged(below, value)
        elif isinstance(below, list) and isinstance(value, list) and key != "Architectures":
            merged[key] = below + value
        else:
            merged[key] = value
    return merged


def _intrinsic(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref"))


_USED: Final = frozenset(
    {
        "FunctionName", "CodeUri", "Code", "Handler", "Runtime", "MemorySize", "Timeout",
        "EphemeralStorage", "Environment", "Architectures", "AutoPublishAlias", "Role", "Policies",
        "Tags", "LoggingConfig", "SnapStart", "ReservedConcurrentExecutions", "Layers",
        "Description", "InlineCode", "Tracing", "TracingConfig", "PackageType", "ImageUri",
        "ImageConfig",
    }
)  # fmt: skip


_ESSENTIAL: Final = frozenset(
    {
        "FunctionName", "CodeUri", "Code", "Handler", "Runtime", "Architectures",
        "AutoPublishAlias", "PackageType", "ImageUri",
    }
)  # fmt: skip
"""What packaging needs to know, however a project is deployed."""


def _resolved(
    logical_id: str, properties: Mapping[str, Any], resolver: Resolver, *, partial: bool
) -> tuple[dict[str, Any], list[str]]:
    """What is known before anything is deployed, and the names of what is not."""
    wanted, unknown = {}, []
    for key in sorted(_USED & set(properties)):
        try:
            value = resolver.resolve(properties[key], f"{logical_id}.{key}")
        except Problem as problem:
            if not partial or problem.code != "TEMPLATE_UNRESOLVED" or key in _ESSENTIAL:
                raise
            unknown.append(key)
            continue
        if value is not NO_VALUE:
            wanted[key] = value
    return wanted, unknown


def _unread(logical_id: str, properties: Mapping[str, Any]) -> list[str]:
    return [f"{logical_id}.{key}" for key in sorted(set(properties) - _USED - {"Events"})]


def _function(
    logical_id: str,
    wanted: Mapping[str, Any],
    base: Path,
    extras: Extras,
    metadata: Mapping[str, Any],
) -> tuple[FunctionPlan, list[str]]:
    code = wanted.get("Code")
    inline = "InlineCode" in wanted or (isinstance(code, dict) and "ZipFile" in code)
    image: ImagePlan | None = None
    if wanted.get("PackageType", "Zip") == "Zip":
        folder = _folder(logical_id, wanted, base)
    else:
        image, folder = sam_images.read(logical_id, wanted, metadata, base, extras.image_repository)
    tracing = wanted.get("Tracing") or (wanted.get("TracingConfig") or {}).get("Mode")
    plan = FunctionPlan(
        name=str(wanted.get("FunctionName", logical_id)),
        folder=folder,
        handler=str(wanted.get("Handler", "")),
        runtime=str(wanted.get("Runtime", "")),
        memory_mb=_integer(wanted, "MemorySize", 128, logical_id),
        timeout_s=_integer(wanted, "Timeout", 3, logical_id),
        ephemeral_mb=_integer(wanted.get("EphemeralStorage") or {}, "Size", 512, logical_id),
        architecture=str((wanted.get("Architectures") or ["x86_64"])[0]),
        description=str(wanted.get("Description", "")),
        environment=_variables(wanted.get("Environment") or {}),
        alias=str(wanted.get("AutoPublishAlias", DEFAULT_ALIAS)),
        role=wanted.get("Role"),
        policies=_policies(wanted.get("Policies")),
        tags={**_tags(wanted.get("Tags") or {}), **_snapshot_tags(extras, folder, logical_id)},
        logging=wanted.get("LoggingConfig"),
        snap_start=(wanted.get("SnapStart") or {}).get("ApplyOn") == "PublishedVersions",
        reserved_concurrency=(
            _integer(wanted, "ReservedConcurrentExecutions", 0, logical_id)
            if "ReservedConcurrentExecutions" in wanted
            else None
        ),
        layers=tuple(wanted.get("Layers") or ()),
        tracing=str(tracing) if tracing else None,
        extras=extras,
        image=image,
        logical_id=logical_id,
        inline=inline,
    )
    return plan, [f"{logical_id}.InlineCode"] if inline else []


def _folder(logical_id: str, wanted: Mapping[str, Any], base: Path) -> Path:
    """What a zip package is made of; raises `Problem` where it could not be run."""
    code = wanted.get("CodeUri", wanted.get("Code", "."))
    inline = "InlineCode" in wanted or (isinstance(code, dict) and "ZipFile" in code)
    if inline:
        code = "."
    if not isinstance(code, str) or code.startswith("s3://"):
        raise Problem(
            "TEMPLATE_INVALID",
            f"{logical_id}.CodeUri must be a folder",
            fix="CodeUri: . (packages are uploaded by `lambent deploy` itself)",
        )
    missing = [key for key in ("Handler", "Runtime") if not wanted.get(key)]
    if missing:
        raise Problem(
            "TEMPLATE_INVALID",
            f"{logical_id} has no {' and no '.join(missing)}",
            fix=f"add {missing[0]} to its Properties (or to Globals)",
        )
    return (base / code).resolve()


def _integer(values: Mapping[str, Any], key: str, default: int, logical_id: str) -> int:
    try:
        return int(values.get(key, default))
    except (TypeError, ValueError):
        raise Problem(
            "TEMPLATE_INVALID", f"{logical_id}.{key} must be a whole number, not {values[key]!r}"
        ) from None


def _variables(environment: Mapping[str, Any]) -> dict[str, str]:
    """Environment variables as text; YAML's `true` becomes `true`, as CloudFormation has it."""
    return {
        str(key): str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in (environment.get("Variables") or {}).items()
    }


def _policies(policies: Any) -> tuple[str | Mapping[str, Any], ...]:
    if policies is None:
        return ()
    return tuple(policies) if isinstance(policies, list) else (policies,)


def _snapshot_tags(extras: Extras, folder: Path, logical_id: str) -> dict[str, str]:
    return snapshot_tags.tags(extras.snapshots, extras.sample_event, folder, logical_id)


def _tags(tags: Any) -> dict[str, str]:
    """SAM writes a map, CloudFormation a list of Key and Value."""
    if isinstance(tags, list):
        tags = {item["Key"]: item["Value"] for item in tags}
    return {str(key): str(value) for key, value in tags.items()}
