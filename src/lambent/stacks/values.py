"""Intrinsic functions, resolved against parameters and whatever resources exist by now.

`Resolver` is given an `attributes` lookup. Before anything exists a plan resolves with one that
gives `Unknown` for what only the deployment will tell; it spreads through every function.
(AWS CloudFormation user guide, "Intrinsic function reference".)
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final

import msgspec

from lambent.stacks.document import Template
from lambent.stacks.errors import StackError

_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")


class Unknown:
    """A value that is known after the deployment."""

    def __repr__(self) -> str:
        return "(known after the deployment)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unknown)

    def __hash__(self) -> int:
        return 0


UNKNOWN: Final = Unknown()
NO_VALUE: Final = object()

Attributes = Callable[[str, str | None], Any]
"""(logical id, attribute or None for Ref) → value; raises KeyError for what the template lacks."""


class Resolver:
    """Values of one template in one stack."""

    def __init__(
        self,
        template: Template,
        parameters: Mapping[str, Any],
        pseudo: Mapping[str, Any],
        attributes: Attributes,
        exports: Mapping[str, str] | None = None,
    ) -> None:
        self._template = template
        self._known = {**pseudo, **parameters}
        self._attributes = attributes
        self._exports = exports or {}
        self._truths: dict[str, bool] = {}

    def resolve(self, value: Any) -> Any:
        """`value` without functions; raises `StackError`."""
        if isinstance(value, list):
            items = [self.resolve(item) for item in value]
            return [item for item in items if item is not NO_VALUE]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self._ref(argument)
            if isinstance(name, str) and name.startswith("Fn::"):
                return self._call(name.removeprefix("Fn::"), argument)
            if name == "Condition" and isinstance(argument, str):
                return self.condition(argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def exists(self, logical_id: str) -> bool:
        """Whether the resource's own condition holds."""
        resource = self._template.resources[logical_id]
        return resource.condition is None or self.condition(resource.condition)

    def condition(self, name: str) -> bool:
        if name not in self._truths:
            if name not in self._template.conditions:
                raise StackError(f"Template error: unresolved condition dependency {name}")
            self._truths[name] = False  # a condition that refers to itself ends here
            self._truths[name] = bool(self.resolve(self._template.conditions[name]))
        return self._truths[name]

    def _ref(self, name: Any) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self._known:
            return self._known[name]
        return self._attribute(str(name), None)

    def _attribute(self, logical_id: str, attribute: str | None) -> Any:
        try:
            return self._attributes(logical_id, attribute)
        except KeyError:
            raise StackError(
                f"Template format error: Unresolved resource dependencies [{logical_id}] in the "
                "Resources block of the template"
            ) from None

    def _call(self, name: str, argument: Any) -> Any:
        method = _FUNCTIONS.get(name)
        if method is None:
            raise StackError(f"Template error: the function Fn::{name} is not supported here")
        try:
            return method(self, argument)
        except (ValueError, TypeError, IndexError, KeyError):
            raise StackError(
                f"Template error: every Fn::{name} object must be of the form that its "
                f"documentation gives; found {_shown(argument)}"
            ) from None

    # ── one method per function ──────────────────────────────────────────────────────────────

    def _get_att(self, argument: Any) -> Any:
        parts = argument.split(".", 1) if isinstance(argument, str) else self.resolve(argument)
        logical_id, attribute = parts
        return self._attribute(str(logical_id), str(attribute))

    def _sub(self, argument: Any) -> Any:
        text, local = (argument, {}) if isinstance(argument, str) else argument
        own = {key: self.resolve(item) for key, item in local.items()}
        unknown = False

        def fill(match: re.Match[str]) -> str:
            nonlocal unknown
            name = match[1].strip()
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in own:
                value = own[name]
            elif "." in name and name not in self._known:
                value = self._get_att(name)
            else:
                value = self._ref(name)
            unknown = unknown or value is UNKNOWN
            return _text(value)

        filled = _VARIABLE.sub(fill, text)
        return UNKNOWN if unknown else filled

    def _join(self, argument: Any) -> Any:
        separator, items = argument
        found = self.resolve(items)
        if found is UNKNOWN or UNKNOWN in found:
            return UNKNOWN
        return str(separator).join(_text(item) for item in found)

    def _select(self, argument: Any) -> Any:
        index, items = self.resolve(argument)
        return UNKNOWN if items is UNKNOWN or index is UNKNOWN else items[int(index)]

    def _split(self, argument: Any) -> Any:
        separator, text = self.resolve(argument)
        return UNKNOWN if text is UNKNOWN else str(text).split(str(separator))

    def _find_in_map(self, argument: Any) -> Any:
        keys = self.resolve(argument[:3])
        default = argument[3:]
        try:
            return self._template.mappings[keys[0]][keys[1]][keys[2]]
        except KeyError:
            if default and "DefaultValue" in default[0]:
                return self.resolve(default[0]["DefaultValue"])
            raise StackError(
                f"Template error: Unable to get mapping for {'::'.join(map(str, keys))}"
            ) from None

    def _if(self, argument: Any) -> Any:
        name, yes, no = argument
        return self.resolve(yes if self.condition(name) else no)

    def _equals(self, argument: Any) -> bool:
        left, right = self.resolve(argument)
        return _text(left) == _text(right)

    def _not(self, argument: Any) -> bool:
        (one,) = self.resolve(argument)
        return not one

    def _and(self, argument: Any) -> bool:
        return all(self.resolve(argument))

    def _or(self, argument: Any) -> bool:
        return any(self.resolve(argument))

    def _base64(self, argument: Any) -> Any:
        text = self.resolve(argument)
        return UNKNOWN if text is UNKNOWN else base64.b64encode(_text(text).encode()).decode()

    def _import_value(self, argument: Any) -> Any:
        name = self.resolve(argument)
        if name is UNKNOWN:
            return UNKNOWN
        if name not in self._exports:
            raise StackError(f"No export named {name} found.")
        return self._exports[name]

    def _get_azs(self, argument: Any) -> list[str]:
        region = self.resolve(argument) or self._known["AWS::Region"]
        return [f"{region}{letter}" for letter in "abc"]

    def _length(self, argument: Any) -> Any:
        found = self.resolve(argument)
        return UNKNOWN if found is UNKNOWN else len(found)

    def _to_json(self, argument: Any) -> Any:
        found = self.resolve(argument)
        return UNKNOWN if contains_unknown(found) else msgspec.json.encode(found).decode()


def _cidr(resolver: Resolver, argument: Any) -> Any:
    found = resolver.resolve(argument)
    if contains_unknown(found):
        return UNKNOWN
    block, count, *bits = found
    network = ipaddress.ip_network(block, strict=False)
    prefix = network.max_prefixlen - int(bits[0] if bits else 8)
    if not 1 <= int(count) <= 256:
        raise ValueError(count)
    blocks = [str(one) for one in islice(network.subnets(new_prefix=prefix), int(count))]
    if len(blocks) < int(count):
        raise StackError(f"Template error: {block} has no {count} blocks of that size")
    return blocks


_FUNCTIONS: Final[Mapping[str, Callable[[Resolver, Any], Any]]] = {
    "GetAtt": Resolver._get_att,  # noqa: SLF001  its own table
    "Sub": Resolver._sub,  # noqa: SLF001
    "Join": Resolver._join,  # noqa: SLF001
    "Select": Resolver._select,  # noqa: SLF001
    "Split": Resolver._split,  # noqa: SLF001
    "FindInMap": Resolver._find_in_map,  # noqa: SLF001
    "If": Resolver._if,  # noqa: SLF001
    "Equals": Resolver._equals,  # noqa: SLF001
    "Not": Resolver._not,  # noqa: SLF001
    "And": Resolver._and,  # noqa: SLF001
    "Or": Resolver._or,  # noqa: SLF001
    "Cidr": _cidr,
    "Base64": Resolver._base64,  # noqa: SLF001
    "ImportValue": Resolver._import_value,  # noqa: SLF001
    "GetAZs": Resolver._get_azs,  # noqa: SLF001
    "Length": Resolver._length,  # noqa: SLF001
    "ToJsonString": Resolver._to_json,  # noqa: SLF001
}


def contains_unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(contains_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_unknown(item) for item in value)
    return value is UNKNOWN


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _shown(value: Any) -> str:
    return str(value)[:200]
