"""Aliases and the versions behind them: read, set, and move back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lambent.delivery.aws import Aws
from lambent.delivery.problem import Problem


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias, and each version's share of its calls; the first one is the alias's own."""

    function: str
    name: str
    version: str
    weights: Mapping[str, float]
    description: str = ""
    revision: str = field(default="", compare=False)

    def facts(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "weights": dict(self.weights),
            "description": self.description,
        }

    def shares(self) -> str:
        """`3`, or `3 90 %, 4 10 %`."""
        if len(self.weights) == 1:
            return self.version
        return ", ".join(f"{version} {share:.4g} %" for version, share in self._percent())

    def _percent(self) -> list[tuple[str, float]]:
        return [(version, weight * 100) for version, weight in self.weights.items()]


def listed(aws: Aws, function: str) -> list[Alias]:
    """All aliases of a function, by name; an unknown function raises botocore's error."""
    pages = aws.functions.get_paginator("list_aliases").paginate(FunctionName=function)
    return [_alias(function, answer) for page in pages for answer in page["Aliases"]]


def find(aws: Aws, function: str, name: str) -> Alias | None:
    """None when the function has no such alias; an unknown function raises botocore's error."""
    client = aws.functions
    try:
        return _alias(function, client.get_alias(FunctionName=function, Name=name))
    except client.exceptions.ResourceNotFoundException:
        client.get_function_configuration(FunctionName=function)
        return None


def get(aws: Aws, function: str, name: str) -> Alias:
    found = find(aws, function, name)
    if found is not None:
        return found
    others = ", ".join(alias.name for alias in listed(aws, function))
    raise Problem(
        "ALIAS_NOT_FOUND",
        f"{function} has no alias {name}",
        why=f"its aliases: {others}" if others else "it has none",
        fix=f"lambent alias ls {function}     or     lambent alias set {function} {name} VERSION",
    )


def put(
    aws: Aws,
    function: str,
    name: str,
    version: str,
    weights: Mapping[str, float],
    *,
    description: str | None = None,
    existing: Alias | None = None,
) -> Alias:
    """Make the alias, or change `existing`, which must not have changed since it was read.

    `weights` are the shares (0 to 1) of versions other than `version`.
    """
    request: dict[str, Any] = {
        "FunctionName": function,
        "Name": name,
        "FunctionVersion": version,
        "RoutingConfig": {"AdditionalVersionWeights": dict(weights)},
    }
    if description is not None:
        request["Description"] = description
    if existing is None:
        if not weights:
            del request["RoutingConfig"]
        return _alias(function, aws.functions.create_alias(**request))
    answer = aws.functions.update_alias(RevisionId=existing.revision, **request)
    return _alias(function, answer)


def versions(aws: Aws, function: str) -> list[dict[str, Any]]:
    """The configurations of published versions, oldest first."""
    pages = aws.functions.get_paginator("list_versions_by_function").paginate(FunctionName=function)
    published = [v for page in pages for v in page["Versions"] if v["Version"] != "$LATEST"]
    return sorted(published, key=lambda v: int(v["Version"]))


def before(aws: Aws, alias: Alias) -> str:
    """The version to go back to: without the canary, or the one published before."""
    if len(alias.weights) > 1:
        return alias.version
    older = [
        version
        for version in (str(v["Version"]) for v in versions(aws, alias.function))
        if alias.version == "$LATEST" or int(version) < int(alias.version)
    ]
    if not older:
        raise Problem(
            "NOTHING_TO_ROLL_BACK",
            f"{alias.function} has no version before {alias.version}",
            why=f"{alias.name} is on the oldest version there is",
            fix=f"lambent deploy     or     lambent rollback {alias.function} --to VERSION",
        )
    return older[-1]


def check_version(aws: Aws, function: str, version: str) -> None:
    """Raise unless the function has that version."""
    known = [str(v["Version"]) for v in versions(aws, function)]
    if version not in known:
        newest = ", ".join(known[-10:])
        raise Problem(
            "VERSION_NOT_FOUND",
            f"{function} has no version {version}",
            why=f"its versions: {newest}" if newest else "none is published",
            fix=f"--to {known[-1]}" if known else "lambent deploy",
        )


def _alias(function: str, answer: Mapping[str, Any]) -> Alias:
    extra = (answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    version = str(answer["FunctionVersion"])
    weights = {version: round(1.0 - sum(extra.values()), 6), **extra}
    return Alias(
        function,
        str(answer["Name"]),
        version,
        weights,
        str(answer.get("Description", "")),
        str(answer.get("RevisionId", "")),
    )
