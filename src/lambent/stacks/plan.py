"""What a new template would change in a stack: resource by resource, before anything is done.

Properties are resolved as far as they are known. A changed property that its kind cannot change in
place means replacement; one that is known only after the deployment may or may not.
(AWS CloudFormation user guide, "Update behaviors of stack resources".)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from lambent.stacks.document import Template
from lambent.stacks.graph import order
from lambent.stacks.kinds import Kinds
from lambent.stacks.values import Resolver, contains_unknown

Action = Literal["Add", "Modify", "Remove"]


class Made(msgspec.Struct, kw_only=True):
    """A resource that exists in a stack."""

    logical_id: str
    kind: str
    physical_id: str
    properties: dict[str, Any]
    """Resolved, as it was made with."""
    attributes: dict[str, Any] = {}
    retain: bool = False


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a change set."""

    action: Action
    logical_id: str
    kind: str
    physical_id: str = ""
    replacement: Literal["True", "False", "Conditional", ""] = ""
    properties: list[str] = []
    """Names of those that change."""


def plan(
    template: Template, resolver: Resolver, made: Mapping[str, Made], kinds: Kinds
) -> list[Change]:
    """Every change, additions and modifications in order, then what goes, in reverse."""
    changes: list[Change] = []
    wanted = [name for name in order(template) if resolver.exists(name)]
    for name in wanted:
        resource = template.resources[name]
        kinds.check(resource.kind, name)
        properties = resolver.resolve(resource.properties)
        old = made.get(name)
        if old is None:
            changes.append(Change(action="Add", logical_id=name, kind=resource.kind))
        elif change := _modified(old, resource.kind, properties, kinds):
            changes.append(change)
    gone = [one for name, one in made.items() if name not in wanted]
    changes += [
        Change(
            action="Remove", logical_id=one.logical_id, kind=one.kind, physical_id=one.physical_id
        )
        for one in reversed(gone)
    ]
    return changes


def _modified(old: Made, kind: str, properties: Mapping[str, Any], kinds: Kinds) -> Change | None:
    if old.kind != kind:
        return Change(
            action="Modify", logical_id=old.logical_id, kind=kind, physical_id=old.physical_id,
            replacement="True", properties=["Type"],
        )  # fmt: skip
    names = differing(old.properties, properties)
    if not names:
        return None
    replaced = [name for name in names if name in kinds.find(kind).replaced_by]
    certain = [name for name in replaced if not contains_unknown(properties.get(name))]
    return Change(
        action="Modify",
        logical_id=old.logical_id,
        kind=kind,
        physical_id=old.physical_id,
        replacement="True" if certain else "Conditional" if replaced else "False",
        properties=names,
    )


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Names of top-level properties that are not the same."""
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
