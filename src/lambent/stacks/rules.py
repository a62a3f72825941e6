"""A template's `Rules`: assertions about its parameters, checked before anything is planned.

(AWS CloudFormation user guide, "Rules section".)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from lambent.stacks import parameters
from lambent.stacks.document import Template
from lambent.stacks.errors import StackError


def check(template: Template, bound: Mapping[str, str]) -> None:
    """Raises `StackError` with the description of the first assertion that does not hold."""
    if not template.rules:
        return
    values = parameters.values(template, bound)
    failed = []
    for name, rule in template.rules.items():
        assertions = rule.get("Assertions") if isinstance(rule, Mapping) else None
        if not isinstance(assertions, list) or not all(isinstance(a, Mapping) for a in assertions):
            raise StackError(f"Template format error: [/Rules/{name}] has no list of Assertions")
        if "RuleCondition" in rule and not _truth(rule["RuleCondition"], values):
            continue
        failed += [
            str(one.get("AssertDescription") or name)
            for one in assertions
            if not _truth(one.get("Assert"), values)
        ]
    if failed:
        raise StackError(f"Template validation error: {'; '.join(failed)}")


def _truth(expression: Any, values: Mapping[str, Any]) -> bool:
    name, argument = _function(expression)
    function = _TRUTHS.get(name)
    if function is None:
        raise StackError(f"Template error: {name} is not a function of rules")
    try:
        return function(argument, values)
    except (ValueError, TypeError):
        raise StackError(f"Template error: {name} has arguments that it cannot have") from None


def _function(expression: Any) -> tuple[str, Any]:
    if not isinstance(expression, Mapping) or len(expression) != 1:
        raise StackError("Template error: an assertion is one function")
    ((name, argument),) = expression.items()
    return str(name), argument


def _value(item: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(item, list):
        return [_value(one, values) for one in item]
    if not isinstance(item, Mapping):
        return item
    name, argument = _function(item)
    if name != "Ref" or argument not in values:
        raise StackError(f"Template error: rules refer to parameters, not to {argument}")
    return values[argument]


def _texts(item: Any, values: Mapping[str, Any]) -> list[str]:
    found = _value(item, values)
    return [str(one) for one in found] if isinstance(found, list) else [str(found)]


def _equals(argument: Any, values: Mapping[str, Any]) -> bool:
    left, right = argument
    return _texts(left, values) == _texts(right, values)


def _contains(argument: Any, values: Mapping[str, Any]) -> bool:
    many, one = argument
    return str(_value(one, values)) in _texts(many, values)


def _each_equals(argument: Any, values: Mapping[str, Any]) -> bool:
    many, one = argument
    return all(text == str(_value(one, values)) for text in _texts(many, values))


def _each_in(argument: Any, values: Mapping[str, Any]) -> bool:
    inner, outer = argument
    return set(_texts(inner, values)) <= set(_texts(outer, values))


def _not(argument: Any, values: Mapping[str, Any]) -> bool:
    (one,) = argument
    return not _truth(one, values)


_TRUTHS: Final[Mapping[str, Callable[[Any, Mapping[str, Any]], bool]]] = {
    "Fn::Equals": _equals,
    "Fn::Contains": _contains,
    "Fn::EachMemberEquals": _each_equals,
    "Fn::EachMemberIn": _each_in,
    "Fn::Not": _not,
    "Fn::And": lambda argument, values: all(_truth(one, values) for one in argument),
    "Fn::Or": lambda argument, values: any(_truth(one, values) for one in argument),
}
