"""CloudFormation's YAML: `!Ref`, `!Sub`, `!GetAtt` and the others, as their long forms.

Whoever reads a template resolves them; here they only become `{"Ref": …}` and `{"Fn::Sub": …}`.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

_SHORT: Final = [
    "Sub",
    "GetAtt",
    "Join",
    "Select",
    "Split",
    "FindInMap",
    "If",
    "Equals",
    "Not",
    "And",
    "Or",
    "Base64",
    "ImportValue",
    "GetAZs",
    "Cidr",
    "Transform",
    "Length",
    "ToJsonString",
]


class _Loader(yaml.SafeLoader):
    """SafeLoader with CloudFormation's tags; dates stay text, as in AWSTemplateFormatVersion."""


def _construct(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


def _tag(short: str, long: str) -> None:
    def construct(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
        value = _construct(loader, node)
        if short == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        return {long: value}

    _Loader.add_constructor(f"!{short}", construct)


for _name in _SHORT:
    _tag(_name, f"Fn::{_name}")
for _name in ("Ref", "Condition"):
    _tag(_name, _name)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, expression) for tag, expression in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class NotATemplate(ValueError):  # noqa: N818  says what it is
    """The text is no mapping in YAML; `line` counts from 1 and is 0 when nobody knows."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.line = line


def load(text: str) -> dict[str, Any]:
    """A template's mapping; raises `NotATemplate`."""
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader with inert tags
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = str(getattr(error, "problem", None) or error)
        raise NotATemplate(why, mark.line + 1 if mark else 0) from None
    if not isinstance(document, dict):
        raise NotATemplate("it is not a mapping")
    return document
