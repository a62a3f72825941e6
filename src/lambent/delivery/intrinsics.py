"""Resolves what of CloudFormation's intrinsic functions is known before anything is deployed.

Parameters, pseudo parameters, mappings and conditions are known; attributes of other resources are
not, because the delivery tool deploys functions only. `template` uses the result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from lambent.delivery.problem import Problem

NO_VALUE: Final = object()
"""What `!Ref AWS::NoValue` becomes: the property is left out."""


class Resolver:
    """Values of one template with given parameters."""

    def __init__(
        self, template: Mapping[str, Any], given: Mapping[str, str], pseudo: Mapping[str, str]
    ) -> None:
        self._mappings = template.get("Mappings") or {}
        self._conditions = template.get("Conditions") or {}
        self._known: dict[str, Any] = dict(pseudo)
        declared = template.get("Parameters") or {}
        unknown = sorted(set(given) - set(declared))
        if unknown:
            raise Problem(
                "PARAMETER_UNKNOWN",
                f"the template has no parameter {unknown[0]}",
                fix="parameters: " + (", ".join(sorted(declared)) or "none"),
            )
        for name, parameter in declared.items():
            if name in given:
                self._known[name] = given[name]
            elif "Default" in parameter:
                self._known[name] = parameter["Default"]

    def resolve(self, value: Any, where: str) -> Any:
        """`value` without intrinsics; `where` names the property in errors."""
        if isinstance(value, list):
            items = [self.resolve(item, where) for item in value]
            return [item for item in items if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name,) = value
            if name == "Ref":
                return self._ref(value[name], where)
            if isinstance(name, str) and name.startswith("Fn::"):
                return self._call(name.removeprefix("Fn::"), value[name], where)
        resolved = {key: self.resolve(item, f"{where}.{key}") for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def _ref(self, name: str, where: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self._known:
            return self._known[name]
        raise Problem(
            "TEMPLATE_UNRESOLVED",
            f"{where} refers to {name}, which is not known before it is deployed",
            why="packaging has to know it, and only the deployment will tell it",
            fix=f"--parameter {name}=VALUE with {name} under Parameters, or write the value",
        )

    def _call(self, name: str, argument: Any, where: str) -> Any:
        match name:
            case "Sub":
                return self._sub(argument, where)
            case "Join":
                separator, items = argument
                return str(separator).join(str(i) for i in self.resolve(items, where))
            case "Select":
                index, items = self.resolve(argument, where)
                return items[int(index)]
            case "Split":
                separator, text = self.resolve(argument, where)
                return str(text).split(str(separator))
            case "FindInMap":
                first, second, third = self.resolve(argument, where)[:3]
                return self._mappings[first][second][third]
            case "If":
                condition, yes, no = argument
                return self.resolve(yes if self._condition(condition, where) else no, where)
            case _:
                raise Problem(
                    "TEMPLATE_UNRESOLVED",
                    f"{where} uses !{name}, which is not known before it is deployed",
                    fix="write the value, or make it a parameter",
                )

    def _sub(self, argument: Any, where: str) -> str:
        text, local = (argument, {}) if isinstance(argument, str) else argument

        def replace(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in local:
                return str(self.resolve(local[name], where))
            return str(self._ref(name, where))

        return re.sub(r"\$\{([^}]+)\}", replace, str(text))

    def _condition(self, name: str, where: str) -> bool:
        if name not in self._conditions:
            raise Problem("TEMPLATE_INVALID", f"{where}: there is no condition {name}")
        return self._truth(self._conditions[name], where)

    def _truth(self, expression: Any, where: str) -> bool:
        ((name, argument),) = expression.items()
        match name:
            case "Condition":
                return self._condition(argument, where)
            case "Fn::Equals":
                left, right = self.resolve(argument, where)
                return str(left) == str(right)
            case "Fn::Not":
                return not self._truth(argument[0], where)
            case "Fn::And":
                return all(self._truth(item, where) for item in argument)
            case "Fn::Or":
                return any(self._truth(item, where) for item in argument)
        raise Problem("TEMPLATE_INVALID", f"{where}: {name} is not a condition")
