"""Which route of a gateway takes a request: the most specific one, as on AWS.

A fixed segment beats `{id}`, which beats `{proxy+}`. An HTTP API looks at routes that take the method,
and at `$default` last; a REST API finds the resource first, which then takes the method or refuses.
A load balancer's rules are patterns with `*` and `?`, the first that matches.
(API Gateway developer guide, "Routing API requests"; Elastic Load Balancing, "Path conditions".)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from lambent.control.gateways import DEFAULT, Kind, Route


@dataclass(frozen=True, slots=True)
class Found:
    route: Route
    parameters: Mapping[str, str] = field(default_factory=dict)


def find(kind: Kind, routes: Iterable[Route], method: str, path: str) -> Found | None:
    """The route for a path that is still percent-encoded; None when there is none."""
    if kind == "ALB":
        return _by_rule(routes, method, path)
    found = _matching(routes, path, slash_counts=kind == "HTTP")
    if kind == "HTTP":
        found = [(key, one) for key, one in found if one.route.method in (method, "ANY")]
    if not found:
        return _default(routes) if kind == "HTTP" else None
    best = min(key for key, _ in found)
    candidates = {one.route.method: one for key, one in found if key == best}
    return candidates.get(method) or candidates.get("ANY")


def methods_at(routes: Iterable[Route], path: str) -> list[str]:
    """What the resource of a REST API takes; empty where there is none."""
    found = _matching(routes, path, slash_counts=False)
    if not found:
        return []
    best = min(key for key, _ in found)
    return [one.route.method for key, one in found if key == best]


def _matching(
    routes: Iterable[Route], path: str, *, slash_counts: bool
) -> list[tuple[tuple[int, ...], Found]]:
    """Routes whose template fits, each with a key that is smaller the more specific it is."""
    segments = path[1:].split("/")
    if not slash_counts and len(segments) > 1 and not segments[-1]:
        segments = segments[:-1]
    found = []
    for route in routes:
        if route.path != DEFAULT and (match := _fits(route.path[1:].split("/"), segments)):
            key, parameters = match
            found.append((key, Found(route, parameters)))
    return found


def _fits(
    template: list[str], segments: list[str]
) -> tuple[tuple[int, ...], dict[str, str]] | None:
    key: list[int] = []
    parameters: dict[str, str] = {}
    for at, part in enumerate(template):
        if part.endswith("+}"):
            rest = "/".join(segments[at:])
            if not rest:
                return None
            parameters[part[1:-2]] = unquote(rest)
            return (*key, 2), parameters
        if at >= len(segments):
            return None
        if part.startswith("{"):
            if not segments[at]:
                return None
            key.append(1)
            parameters[part[1:-1]] = unquote(segments[at])
        elif part == unquote(segments[at]):
            key.append(0)
        else:
            return None
    return (tuple(key), parameters) if len(template) == len(segments) else None


def _default(routes: Iterable[Route]) -> Found | None:
    return next((Found(route) for route in routes if route.path == DEFAULT), None)


def _by_rule(routes: Iterable[Route], method: str, path: str) -> Found | None:
    for route in routes:
        if route.method in (method, "ANY") and route.path != DEFAULT and _rule(route.path, path):
            return Found(route)
    return _default(routes)


def _rule(pattern: str, path: str) -> bool:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), path, re.DOTALL) is not None
