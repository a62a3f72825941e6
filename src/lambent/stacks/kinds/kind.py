"""What a resource type is to a stack: how one is made, changed, deleted, and what it is called."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

from lambent.stacks.errors import ResourceError

Properties = Mapping[str, Any]

_LETTERS: Final = string.ascii_uppercase + string.digits


def random_tail() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(12))


@dataclass(frozen=True, slots=True)
class World:
    """Where a stack's resources are made."""

    account: str
    region: str
    stack_name: str
    stack_id: str
    client: Callable[[str], Any]
    """A boto3 client of a service: this server for Lambda and Logs, the configured endpoint for
    the others. Raises `ResourceError` where none is configured."""
    page: Callable[[str, str, dict[str, Any] | None], dict[str, Any]]
    """Method, path and document of one of this server's own pages → its answer."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Of the stack: every resource that can have tags gets them."""
    tails: Mapping[str, str] = field(default_factory=dict)
    """`Stack.making`."""

    def name(self, logical_id: str, *, longest: int = 64, lower: bool = False) -> str:
        """A physical name as CloudFormation makes them: stack, logical id, random characters."""
        tail = self.tails.get(logical_id) or random_tail()
        head = f"{self.stack_name}-{logical_id}"[: longest - 13]
        name = f"{head}-{tail}"
        return name.lower() if lower else name


@dataclass(frozen=True, slots=True)
class Done:
    """A resource as it is now."""

    physical_id: str
    """What Ref gives."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """What GetAtt gives."""


class Kind(Protocol):
    """One resource type. Methods block: a stack runs in a thread of its own."""

    name: str
    replaced_by: frozenset[str]
    """Properties whose change means another resource."""

    def create(self, world: World, logical_id: str, properties: Properties) -> Done: ...

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done: ...

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:
        """Also when it is gone already."""
        ...


@runtime_checkable
class Traceable(Protocol):
    """A kind whose generated name is enough to delete it by."""

    def generated(self, world: World, logical_id: str) -> str:
        """What it is called where the template says nothing."""
        ...


def required(properties: Properties, *names: str) -> None:
    """Raises `ResourceError` naming the first that is missing."""
    for name in names:
        if name not in properties:
            raise ResourceError(
                f"Property validation failure: [The property {{/{name}}} is required]"
            )


def only(properties: Properties, kind: str, names: frozenset[str]) -> None:
    """Raises `ResourceError` naming a property that would be left out in silence."""
    if unknown := sorted(set(properties) - names):
        raise ResourceError(
            f"Properties validation failed for resource of type {kind} with message: "
            f"#: extraneous key [{unknown[0]}] is not permitted"
        )


def picked(properties: Properties, *names: str) -> dict[str, Any]:
    """Those of the properties that are given."""
    return {name: properties[name] for name in names if name in properties}


def tags_of(world: World, properties: Properties) -> dict[str, str]:
    """The stack's tags and the resource's own, which are a list of pairs or a map."""
    own = properties.get("Tags") or {}
    if isinstance(own, list):
        own = {str(tag["Key"]): str(tag.get("Value", "")) for tag in own}
    return {**world.tags, **{str(key): str(value) for key, value in own.items()}}
