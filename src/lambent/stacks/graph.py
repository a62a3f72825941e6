"""Which resource must wait for which: by DependsOn, and by every Ref, GetAtt and Sub."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from lambent.stacks.document import Resource, Template
from lambent.stacks.errors import StackError

_VARIABLE: Final = re.compile(r"\$\{([^}!]+)\}")


def order(template: Template) -> list[str]:
    """Logical ids so that each comes after those that it needs; raises `StackError`."""
    needs = {name: needed(resource, template) for name, resource in template.resources.items()}
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        names = ", ".join(sorted(set(error.args[1])))
        raise StackError(f"Circular dependency between resources: [{names}]") from None


def needed(resource: Resource, template: Template) -> set[str]:
    """Logical ids that `resource` must wait for."""
    unknown = [name for name in resource.depends_on if name not in template.resources]
    if unknown:
        raise StackError(
            f"Template format error: Unresolved resource dependencies [{', '.join(unknown)}] in "
            "the Resources block of the template"
        )
    found = set(resource.depends_on)
    found |= {name for name in _mentioned(resource.properties) if name in template.resources}
    found.discard(resource.logical_id)
    return found


def _mentioned(value: Any) -> Iterator[str]:
    """Every name that a function in `value` refers to, resources and parameters alike."""
    if isinstance(value, list):
        for item in value:
            yield from _mentioned(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _FUNCTIONS.get(key, _mentioned)(item)


def _ref(argument: Any) -> Iterator[str]:
    if isinstance(argument, str):
        yield argument


def _get_att(argument: Any) -> Iterator[str]:
    first = argument[0] if isinstance(argument, list) and argument else argument
    if isinstance(first, str):
        yield first.partition(".")[0]


def _sub(argument: Any) -> Iterator[str]:
    text, *rest = argument if isinstance(argument, list) and argument else [argument]
    for name in _VARIABLE.findall(text if isinstance(text, str) else ""):
        yield name.strip().partition(".")[0]
    yield from _mentioned(rest)


_FUNCTIONS: Final = {"Ref": _ref, "Fn::GetAtt": _get_att, "Fn::Sub": _sub}
