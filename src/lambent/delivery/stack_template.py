"""A project's template as it is given to CloudFormation: local folders become places in S3.

Two things are written into it that `lambent deploy` says of every function, so that they do not
depend on the way a project is deployed: a function without FunctionName is called by its logical id,
and each version stands behind an alias. `canary` makes the plain template with an alias that keeps
its version and gives the new one a share.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lambent.delivery.problem import Problem
from lambent.delivery.template import DEFAULT_ALIAS, FunctionPlan
from lambent.delivery.upload import Uploaded
from lambent.templates import sam, yaml_tags

LAYER_TYPES: Final = {
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Lambda::LayerVersion": "Content",
}
_LOCAL: Final = {
    "AWS::Serverless::Api": "DefinitionUri",
    "AWS::Serverless::HttpApi": "DefinitionUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
    "AWS::Serverless::GraphQLApi": "SchemaUri",
    "AWS::Serverless::Application": "Location",
    "AWS::CloudFormation::Stack": "TemplateURL",
}
"""Files that other tools upload, and this one does not."""


def layers(document: Mapping[str, Any], base: Path) -> dict[str, Path]:
    """Logical id → folder, of the layers whose content is on this machine."""
    found = {}
    for logical_id, resource in document["Resources"].items():
        member = LAYER_TYPES.get(str(resource.get("Type")))
        content = (resource.get("Properties") or {}).get(member) if member else None
        if isinstance(content, str) and not content.startswith("s3://"):
            found[logical_id] = (base / content).resolve()
    return found


def prepared(
    document: Mapping[str, Any], plans: list[FunctionPlan], places: Mapping[str, Uploaded | str]
) -> dict[str, Any]:
    """The template; `places` are by logical id, those of images as URIs.

    Raises `Problem` for a file that is not taken along.
    """
    made = copy.deepcopy(dict(document))
    for logical_id, resource in made["Resources"].items():
        properties = resource.setdefault("Properties", {}) or {}
        resource["Properties"] = properties
        _refuse_local(logical_id, str(resource.get("Type")), properties)
        place = places.get(logical_id)
        member = LAYER_TYPES.get(str(resource.get("Type")))
        if isinstance(place, Uploaded) and member is not None:
            properties[member] = _place(place, plain=member == "Content")
        (resource.get("Metadata") or {}).pop("lambent", None)
    (made.get("Metadata") or {}).pop("lambent", None)
    shared = (made.get("Globals") or {}).get("Function") or {}
    shared.pop("CodeUri", None)  # each function has its own place now
    for plan in plans:
        resource = made["Resources"][plan.logical_id]
        properties = resource["Properties"]
        serverless = resource["Type"] == "AWS::Serverless::Function"
        properties.setdefault("FunctionName", plan.name)
        if serverless and "AutoPublishAlias" not in shared:
            properties.setdefault("AutoPublishAlias", DEFAULT_ALIAS)
        place = places.get(plan.logical_id)
        if isinstance(place, str):
            properties.update({"ImageUri": place} if serverless else {"Code": {"ImageUri": place}})
            for key in ("Dockerfile", "DockerContext", "DockerTag", "DockerBuildArgs"):
                (resource.get("Metadata") or {}).pop(key, None)
        elif place is not None:
            member = "CodeUri" if serverless else "Code"
            properties[member] = _place(place, plain=not serverless)
    return made


def _place(place: Uploaded, *, plain: bool) -> dict[str, str]:
    if plain:
        return {"S3Bucket": place.bucket, "S3Key": place.key}
    return {"Bucket": place.bucket, "Key": place.key}


def _refuse_local(logical_id: str, kind: str, properties: Mapping[str, Any]) -> None:
    member = _LOCAL.get(kind)
    value = properties.get(member) if member else None
    if isinstance(value, str) and not value.startswith(("s3://", "https://")):
        raise Problem(
            "TEMPLATE_FILE",
            f"{logical_id}.{member} is a file, which lambent does not upload",
            fix="write it into the template, or `sam deploy` this project (it works here as well)",
        )


def alias_id(plan: FunctionPlan) -> str:
    """What SAM calls the resource of a function's alias."""
    return f"{plan.logical_id}Alias{re.sub(r'[^A-Za-z0-9]', '', plan.alias)}"


def text(document: Mapping[str, Any]) -> str:
    """Compact, and the same for the same template."""
    return json.dumps(document, separators=(",", ":"))


def load(path: Path) -> dict[str, Any]:
    return yaml_tags.load(path.read_text())


def canary(
    document: dict[str, Any],
    parameters: Mapping[str, str],
    region: str,
    standing: Mapping[str, str],
    percent: float,
) -> dict[str, Any]:
    """The template without SAM, its aliases on the versions of `standing` with a share for the new.

    `standing` is by `alias_id`.
    """
    values = dict(parameters)
    for name, one in (document.get("Parameters") or {}).items():
        if "Default" in one:
            values.setdefault(name, str(one["Default"]))
    try:
        made = sam.apply(copy.deepcopy(document), values, region)
    except sam.NotTransformed as error:
        raise Problem(
            "TEMPLATE_INVALID", "the template cannot be transformed here", why=str(error)
        ) from None
    for logical_id, version in standing.items():
        if logical_id not in made["Resources"]:
            continue
        properties = made["Resources"][logical_id]["Properties"]
        new = properties["FunctionVersion"]
        properties["FunctionVersion"] = version
        properties["RoutingConfig"] = {
            "AdditionalVersionWeights": [
                {"FunctionVersion": new, "FunctionWeight": round(percent / 100, 6)}
            ]
        }
    return made
