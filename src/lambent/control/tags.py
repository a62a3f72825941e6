"""Tags of functions, event source mappings, code signing configs and what else plugs itself in.

Tagging a function gives its `$LATEST` a new RevisionId (LAMBDA.md 67). A kind beyond functions is
a `Tagged`: how to read its tags and how to replace them; capacity providers bring their own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from lambent.control.attachments import changed, renewed
from lambent.control.bundle import Bundle
from lambent.control.names import Scope, not_found_text, resolve
from lambent.control.registry import Registry
from lambent.control.requests import Request
from lambent.control.shelf import Shelf
from lambent.errors import InvalidParameterValue, ResourceNotFound

MAX_TAGS: Final = 50

Retag = Callable[[Mapping[str, str]], dict[str, str]]
"""From the old tags to the new ones; may raise."""


class TagResource(Request, frozen=True, kw_only=True):
    resource: str
    tags: dict[str, str]


class UntagResource(Request, frozen=True, kw_only=True):
    resource: str
    tag_keys: tuple[str, ...]


class ListTags(Request, frozen=True, kw_only=True):
    resource: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """One kind of taggable thing; both raise AWS's 404 for an id that is unknown."""

    read: Callable[[Scope, str], Mapping[str, str]]
    change: Callable[[Scope, str, Retag], Awaitable[None]]


class Tags:
    """`kinds` is by the word in the ARN, such as `event-source-mapping`."""

    def __init__(
        self, registry: Registry, kinds: Mapping[str, Tagged], new_id: Callable[[], str]
    ) -> None:
        self._kinds = {"function": _functions(registry, new_id), **kinds}

    async def tag(self, scope: Scope, request: TagResource) -> None:
        if not request.tags:
            raise InvalidParameterValue("An error occurred and the request cannot be processed.")

        def add(old: Mapping[str, str]) -> dict[str, str]:
            new = {**old, **request.tags}
            if len(new) > MAX_TAGS:
                raise InvalidParameterValue("Number of tags exceeds resource tag limit.")
            return new

        kind, key = self._find(scope, request.resource)
        await kind.change(scope, key, add)

    async def untag(self, scope: Scope, request: UntagResource) -> None:
        gone = set(request.tag_keys)
        kind, key = self._find(scope, request.resource)
        await kind.change(scope, key, lambda old: {k: v for k, v in old.items() if k not in gone})

    async def list(self, scope: Scope, request: ListTags) -> dict[str, Any]:
        kind, key = self._find(scope, request.resource)
        return {"Tags": dict(kind.read(scope, key))}

    def _find(self, scope: Scope, arn: str) -> tuple[Tagged, str]:
        """What keeps the tags, and the id there; a function's id is its whole ARN."""
        _, _, _, region, account, kind, name = arn.split(":", 6)
        found = self._kinds.get(kind)
        if found is None:
            raise ResourceNotFound(f"Resource not found: {arn}")
        if kind == "function":
            if ":" in name:
                raise InvalidParameterValue(
                    "Tags on function aliases and versions are not supported. Please specify a "
                    "function ARN."
                )
            return found, arn
        # Nothing of another account or region has an empty name here.
        return found, name if (account, region) == scope else ""


def of_shelf(shelf: Shelf[Any], unknown: Callable[[Scope, str], ResourceNotFound]) -> Tagged:
    """The tags of things on a shelf, whose records have a field `tags`."""

    def read(scope: Scope, key: str) -> Mapping[str, str]:
        value = shelf.get(scope, key)
        if value is None:
            raise unknown(scope, key)
        tags: Mapping[str, str] = value.tags
        return tags

    async def change(scope: Scope, key: str, retag: Retag) -> None:
        def rule(old: Any) -> tuple[Any, None]:
            if old is None:
                raise unknown(scope, key)
            return msgspec.structs.replace(old, tags=retag(old.tags)), None

        await shelf.change(scope, key, rule)

    return Tagged(read, change)


def _functions(registry: Registry, new_id: Callable[[], str]) -> Tagged:
    def read(scope: Scope, arn: str) -> Mapping[str, str]:
        name = resolve(scope, arn, operation="ListTags").name
        bundle = registry.get(scope, name)
        if bundle is None:
            raise ResourceNotFound(not_found_text(scope, name))
        return bundle.function.tags

    async def change(scope: Scope, arn: str, retag: Retag) -> None:
        name = resolve(scope, arn, operation="TagResource").name

        def rule(old: Bundle | None) -> tuple[Bundle, None]:
            if old is None:
                raise ResourceNotFound(not_found_text(scope, name))
            tagged = changed(old, tags=retag(old.function.tags))
            return renewed(tagged, None, new_id), None

        await registry.change(scope, name, rule)

    return Tagged(read, change)
