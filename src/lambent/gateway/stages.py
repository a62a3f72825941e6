"""From the path that a client asked for to a stage of the gateway and the path that routes know.

`/prod/items` is `/items` of the stage `prod`; the stage `$default` of an HTTP API has no segment of
its own; a base path stands for a stage, as the mapping of a custom domain does. What the event shows
differs: a REST API takes the stage off, an HTTP API leaves it on, and neither takes a base path off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from lambent.control.gateways import DEFAULT, GatewayConfig

PATH_PREFIX: Final = "/_gateway/"


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a request came in."""

    stage: str
    route_path: str
    """What routes are matched with, percent-encoded as the next two."""
    event_path: str
    """What the event shows as the path."""
    stage_prefix: str = ""
    """What stands before it in the path that the client asked for."""
    variables: Mapping[str, str] = field(default_factory=dict)


def by_path(path: str) -> tuple[str, str]:
    """The gateway's id and the rest, of a path that begins with `PATH_PREFIX`."""
    gateway_id, slash, rest = path[len(PATH_PREFIX) :].partition("/")
    # Whoever writes the stage out means the one without a segment.
    rest = rest.removeprefix(f"{DEFAULT}/") if rest != DEFAULT else ""
    return gateway_id.lower(), slash + rest or "/"


def entered(config: GatewayConfig, path: str) -> Entry | None:
    """The stage and its path; None when there is no such stage."""
    if config.kind == "ALB":
        return Entry("", path, path)
    first, slash, rest = path[1:].partition("/")
    below = slash + rest or "/"
    if first in config.base_paths:
        stage = config.base_paths[first]
        return Entry(stage, below, path, "", config.stages[stage])
    if first in config.stages and first != DEFAULT:
        shown, prefix = (below, f"/{first}") if config.kind == "REST" else (path, "")
        return Entry(first, below, shown, prefix, config.stages[first])
    if DEFAULT in config.stages:
        return Entry(DEFAULT, path, path, "", config.stages[DEFAULT])
    return None
