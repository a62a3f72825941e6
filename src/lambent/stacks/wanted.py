"""What a caller wants a stack to be, and how a stack is made to say so: template, parameters, tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from lambent.errors import InsufficientCapabilities
from lambent.stacks import document, parameters, rules
from lambent.stacks.document import Template
from lambent.stacks.stack import Stack

EXPAND: Final = "CAPABILITY_AUTO_EXPAND"
_NAMES: Final = frozenset(
    {"RoleName", "ManagedPolicyName", "UserName", "GroupName", "InstanceProfileName"}
)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    template: str
    parameters: Mapping[str, str] = {}
    keep: frozenset[str] = frozenset()
    """Parameters that stay as they are (UsePreviousValue)."""
    tags: Mapping[str, str] = {}
    capabilities: frozenset[str] = frozenset()
    role_arn: str = ""
    notifications: tuple[str, ...] = ()
    access_key: str = ""


def read(wanted: Wanted, stack: Stack, *, expands: bool = False) -> Template:
    """The template, transformed; raises `StackError`. Blocks: the translator takes a second.

    `expands` is for change sets, which show what a transform made before it is done: they need no
    word for it. Parameters that are kept are those of `stack`.
    """
    template = document.read(wanted.template)
    if template.transforms and not expands and EXPAND not in wanted.capabilities:
        raise InsufficientCapabilities(f"Requires capabilities : [{EXPAND}]")
    bound = parameters.bind(template, wanted.parameters, wanted.keep, stack.parameters)
    rules.check(template, bound)
    template = document.transformed(template, bound, stack.region)
    _require_capabilities(template, wanted.capabilities)
    return template


def take(stack: Stack, template: Template, wanted: Wanted, previous: Mapping[str, str]) -> None:
    """Make `wanted` what the stack shall be."""
    stack.parameters = parameters.bind(template, wanted.parameters, wanted.keep, previous)
    stack.template = wanted.template
    stack.description = template.description
    stack.tags = dict(wanted.tags)
    stack.capabilities = sorted(wanted.capabilities)
    stack.role_arn = wanted.role_arn or stack.role_arn
    stack.notifications = list(wanted.notifications)
    stack.access_key = wanted.access_key


def required_capabilities(template: Template) -> list[str]:
    """What must be said for the IAM resources of a template, as GetTemplateSummary tells it."""
    iam = [one for one in template.resources.values() if one.kind.startswith("AWS::IAM::")]
    if not iam:
        return []
    named = any(_NAMES & set(one.properties) for one in iam)
    return ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"]


def _require_capabilities(template: Template, capabilities: frozenset[str]) -> None:
    for needed in required_capabilities(template):
        if not {needed, "CAPABILITY_NAMED_IAM"} & capabilities:
            raise InsufficientCapabilities(f"Requires capabilities : [{needed}]")
