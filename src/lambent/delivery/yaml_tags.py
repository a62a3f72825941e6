"""CloudFormation's YAML: `!Ref`, `!Sub`, `!GetAtt` and the others, as their long forms.

`template` resolves them; here they only become `{"Ref": …}` and `{"Fn::Sub": …}`.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

from lambent.delivery.problem import Problem

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


def load(text: str, origin: str) -> dict[str, Any]:
    """A template's mapping; `origin` names the file in the error."""
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader with inert tags
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{origin}, line {mark.line + 1}" if mark else origin
        raise Problem(
            "TEMPLATE_INVALID",
            f"{where}: not YAML",
            why=str(getattr(error, "problem", None) or error),
            fix="mend that line; tabs must be spaces",
        ) from None
    if not isinstance(document, dict):
        raise Problem("TEMPLATE_INVALID", f"{origin} is not a template", fix="lambent init NAME")
    return document
