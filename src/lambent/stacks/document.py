"""A template's text as a record: sections, parameters with their values, conditions' names.

JSON and YAML alike; SAM templates are transformed by AWS's own translator. Errors are
CloudFormation's ValidationErrors. (AWS CloudFormation user guide, "Template anatomy".)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from lambent.stacks.errors import StackError
from lambent.templates import sam, yaml_tags

BODY_LIMIT: Final = 51_200
"""Bytes of a TemplateBody; 1 MB through S3."""
URL_LIMIT: Final = 1_048_576
_SECTIONS: Final = frozenset(
    {
        "AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules", "Mappings",
        "Conditions", "Transform", "Resources", "Outputs", "Globals",
    }
)  # fmt: skip
_TRANSFORMS: Final = frozenset({sam.SAM, "AWS::LanguageExtensions"})
"""LanguageExtensions' functions (Fn::Length, Fn::ToJsonString) are always there."""
_LOGICAL_ID: Final = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter."""

    name: str
    kind: str
    default: str | None
    no_echo: bool
    description: str
    allowed: tuple[str, ...]
    pattern: str | None
    range: tuple[float | None, float | None]
    length: tuple[int | None, int | None]
    constraint: str | None


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as the template has it, its functions not yet resolved."""

    logical_id: str
    kind: str
    properties: Mapping[str, Any]
    depends_on: tuple[str, ...] = ()
    condition: str | None = None
    retain: bool = False
    """DeletionPolicy: Retain."""
    retain_replaced: bool = False
    """UpdateReplacePolicy: Retain."""


@dataclass(frozen=True, slots=True)
class Template:
    """A whole template, transformed where it asks for it."""

    text: str
    """As it was given."""
    description: str
    parameters: Mapping[str, Parameter]
    mappings: Mapping[str, Any]
    conditions: Mapping[str, Any]
    resources: Mapping[str, Resource]
    outputs: Mapping[str, Any]
    transforms: tuple[str, ...]
    metadata: Mapping[str, Any]
    rules: Mapping[str, Any]


def read(text: str) -> Template:
    """Raises `StackError`."""
    document = _load(text)
    unknown = sorted(set(document) - _SECTIONS)
    if unknown:
        raise StackError(f"Invalid template property or properties [{', '.join(unknown)}]")
    if not isinstance(document.get("Resources"), dict) or not document["Resources"]:
        raise StackError("Template format error: At least one Resources member must be defined.")
    transforms = _transforms(document)
    return _template(text, document, transforms)


def processed(text: str, values: Mapping[str, Any], region: str) -> str:
    """The template's text after its transform, as JSON; the same text when it asks for none."""
    found = _load(text)
    if sam.SAM not in _transforms(found):
        return text
    return msgspec.json.encode(_without_sam(found, values, region)).decode()


def transformed(template: Template, values: Mapping[str, Any], region: str) -> Template:
    """`template` after its SAM transform; the same when it asks for none."""
    if sam.SAM not in template.transforms:
        return template
    document = _without_sam(_load(template.text), values, region)
    return replace(
        _template(template.text, document, template.transforms), parameters=template.parameters
    )


def _without_sam(found: dict[str, Any], values: Mapping[str, Any], region: str) -> dict[str, Any]:
    try:
        return sam.apply(found, values, region)
    except sam.NotTransformed as error:
        raise StackError(str(error)) from None


def _load(text: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        try:
            found = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            pass  # YAML's flow style begins so, too
        else:
            assert isinstance(found, dict)
            return found
    try:
        return yaml_tags.load(text)
    except yaml_tags.NotATemplate as error:
        where = f" (line {error.line})" if error.line else ""
        raise StackError(f"Template format error: YAML not well-formed.{where} {error}") from None


def _transforms(document: Mapping[str, Any]) -> tuple[str, ...]:
    asked = document.get("Transform") or []
    names = tuple(asked) if isinstance(asked, list) else (asked,)
    for name in names:
        if not isinstance(name, str) or name not in _TRANSFORMS:
            raise StackError(f"No transform named {name} found.")
    return names


def _template(text: str, document: Mapping[str, Any], transforms: tuple[str, ...]) -> Template:
    declared = _section(document, "Parameters")
    return Template(
        text=text,
        description=str(document.get("Description") or ""),
        parameters={name: _parameter(name, one) for name, one in declared.items()},
        mappings=_section(document, "Mappings"),
        conditions=_section(document, "Conditions"),
        resources={name: _resource(name, one) for name, one in document["Resources"].items()},
        outputs=_outputs(document),
        transforms=transforms,
        metadata=_section(document, "Metadata"),
        rules=_section(document, "Rules"),
    )


def _outputs(document: Mapping[str, Any]) -> dict[str, Any]:
    found = _section(document, "Outputs")
    for name, one in found.items():
        if not isinstance(one, dict) or "Value" not in one:
            raise StackError(
                f"Template format error: Output {name} is malformed. Every Outputs member must "
                "contain a Value object"
            )
    return found


def _section(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name) or {}
    if not isinstance(found, dict):
        raise StackError(f"Template format error: [/{name}] is not an object")
    return found


def _resource(name: str, one: object) -> Resource:
    if not _LOGICAL_ID.fullmatch(name):
        raise StackError(f"Template format error: Resource name {name} is non alphanumeric.")
    if not isinstance(one, dict) or not isinstance(one.get("Type"), str):
        raise StackError(
            f"Template format error: [/Resources/{name}] Every Resources object must contain a "
            "Type member."
        )
    depends = one.get("DependsOn") or []
    depends = depends if isinstance(depends, list) else [depends]
    if not all(isinstance(each, str) for each in depends):
        raise StackError(
            f"Template format error: [/Resources/{name}/DependsOn] is no list of resources"
        )
    if not isinstance(one.get("Condition") or "", str):
        raise StackError(f"Template format error: [/Resources/{name}/Condition] is not a string")
    if not isinstance(one.get("Properties") or {}, dict):
        raise StackError(f"Template format error: [/Resources/{name}/Properties] is not an object")
    return Resource(
        logical_id=name,
        kind=one["Type"],
        properties=one.get("Properties") or {},
        depends_on=tuple(depends),
        condition=one.get("Condition") or None,
        retain=one.get("DeletionPolicy") in ("Retain", "RetainExceptOnCreate"),
        retain_replaced=one.get("UpdateReplacePolicy") == "Retain",
    )


def _parameter(name: str, one: object) -> Parameter:
    if not isinstance(one, dict) or "Type" not in one:
        raise StackError(
            f"Template format error: Every Parameters object must contain a Type member. ({name})"
        )
    try:
        return _declared(name, one)
    except (ValueError, TypeError, re.error) as error:
        raise StackError(
            f"Template format error: the parameter {name} has a constraint that is none: {error}"
        ) from None


def _declared(name: str, one: Mapping[str, Any]) -> Parameter:
    default, pattern = one.get("Default"), one.get("AllowedPattern")
    if pattern is not None:
        re.compile(pattern)
    return Parameter(
        name=name,
        kind=str(one["Type"]),
        default=None if default is None else _text(default),
        no_echo=_text(one.get("NoEcho", False)) == "true",
        description=str(one.get("Description", "")),
        allowed=tuple(_text(value) for value in one.get("AllowedValues", ())),
        pattern=pattern,
        range=(_number(one.get("MinValue")), _number(one.get("MaxValue"))),
        length=(_whole(one.get("MinLength")), _whole(one.get("MaxLength"))),
        constraint=one.get("ConstraintDescription"),
    )


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(_text(one) for one in value)
    return str(value)


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def _whole(value: object) -> int | None:
    return None if value is None else int(str(value))
