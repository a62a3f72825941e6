"""Values for a template's parameters: given, kept from before, or by default; each one checked.

(AWS CloudFormation user guide, "Parameters".)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from lambent.stacks.document import Parameter, Template
from lambent.stacks.errors import StackError


def bind(
    template: Template,
    given: Mapping[str, str],
    keep: Iterable[str] = (),
    previous: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The text of every parameter. `keep` names those that stay as in `previous`."""
    unknown = sorted(set(given) - set(template.parameters))
    if unknown:
        raise StackError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    found = dict(given)
    for name in keep:
        if name in template.parameters and previous is not None and name in previous:
            found[name] = previous[name]
    missing = []
    for name, parameter in template.parameters.items():
        if name not in found:
            if parameter.default is None:
                missing.append(name)
                continue
            found[name] = parameter.default
        _check(parameter, found[name])
    if missing:
        raise StackError(f"Parameters: [{', '.join(missing)}] must have values")
    return found


def values(template: Template, bound: Mapping[str, str]) -> dict[str, Any]:
    """As `Ref` gives them: lists for the list types."""
    return {
        name: _listed(text) if _is_list(template.parameters[name].kind) else text
        for name, text in bound.items()
        if name in template.parameters
    }


def _is_list(kind: str) -> bool:
    return kind == "CommaDelimitedList" or kind.startswith("List<")


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")] if text else []


def _check(parameter: Parameter, text: str) -> None:
    name = parameter.name
    said = parameter.constraint
    parts = _listed(text) if _is_list(parameter.kind) else [text]
    if parameter.allowed and any(part not in parameter.allowed for part in parts):
        allowed = ", ".join(parameter.allowed)
        raise StackError(
            f"Parameter '{name}' {said or f'must be one of AllowedValues: [{allowed}]'}"
        )
    if parameter.pattern is not None and not re.fullmatch(parameter.pattern, text):
        raise StackError(f"Parameter '{name}' {said or f'must match pattern {parameter.pattern}'}")
    if parameter.kind in ("Number", "List<Number>"):
        _check_numbers(parameter, parts)
    shortest, longest = parameter.length
    if shortest is not None and len(text) < shortest:
        raise StackError(f"Parameter '{name}' must contain at least {shortest} characters")
    if longest is not None and len(text) > longest:
        raise StackError(f"Parameter '{name}' must contain at most {longest} characters")


def _check_numbers(parameter: Parameter, parts: list[str]) -> None:
    least, most = parameter.range
    for part in parts:
        try:
            number = float(part)
        except ValueError:
            raise StackError(f"Parameter '{parameter.name}' must be a number.") from None
        if least is not None and number < least:
            raise StackError(
                f"Parameter '{parameter.name}' must be a number not less than {least:g}"
            )
        if most is not None and number > most:
            raise StackError(
                f"Parameter '{parameter.name}' must be a number not greater than {most:g}"
            )
