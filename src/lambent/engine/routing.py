"""Which version answers a call: name and qualifier → function, alias weights, one `VersionTarget`.

Everything is in memory: `control` pushes `FunctionTargets` here whenever something changes, so
that the hot path never asks the store. One `Route` lives as long as its function and also holds
the function's concurrency and its pools, so that an invoke looks things up once.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambent.control.names import Scope
from lambent.control.targets import LATEST, LOCKED, AliasTarget, FunctionTargets, VersionTarget
from lambent.errors import (
    CodeArtifactUserPending,
    NoPublishedVersion,
    ResourceConflict,
    ResourceNotFound,
    SnapStartNotReady,
    refused_by_kms,
)

if TYPE_CHECKING:
    from lambent.engine.admission import Concurrency, Provisioned
    from lambent.engine.keep_alive import Arrivals
    from lambent.engine.pool import Pool

LATEST_PUBLISHED = "$LATEST.PUBLISHED"
NOT_INVOCABLE = "ActiveNonInvocable"
"""`$LATEST` on a capacity provider."""

Wake = Callable[[VersionTarget], None]
Key = tuple[str, str, str]
"""Account, region, function name."""


@dataclass(slots=True)
class Route:
    """One function as the engine sees it; `targets` is replaced whole on every change."""

    targets: FunctionTargets
    concurrency: Concurrency
    pools: dict[str, Pool] = field(default_factory=dict)
    """By version; by version and tenant where these are kept apart (`tenants.pool_key`)."""
    provisioned: dict[str, Provisioned] = field(default_factory=dict)
    """By version."""
    arrivals: dict[str, Arrivals] = field(default_factory=dict)
    """By version; they outlive an update of it, and its pools."""
    arns: dict[str | None, str] = field(default_factory=dict)
    """The context's invoked ARN by qualifier as it was given."""
    lineage: str = ""
    """What the trace header of a call without a lineage gets (`engine/lineage.py`)."""


class RoutingTable:
    """Functions by account, region and name."""

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._draw = draw
        self.wake: Wake = lambda _: None
        """Told of calls of Inactive versions."""
        self.routes: dict[Key, Route] = {}

    def find(self, account: str, region: str, name: str, qualifier: str | None) -> Route:
        """The function's route; raises AWS's ResourceNotFoundException."""
        route = self.routes.get((account, region, name))
        if route is None:
            arn = Scope(account, region).arn(name, qualifier or LATEST)
            raise ResourceNotFound(f"Function not found: {arn}")
        return route

    def choose(self, route: Route, qualifier: str | None) -> VersionTarget:
        """The version that answers this call; an alias's weights are drawn anew each time."""
        targets = route.targets
        target = targets.versions.get(qualifier or LATEST)
        if target is None:
            alias = targets.aliases.get(qualifier or "")
            if alias is not None:
                target = targets.versions.get(self._draw_version(alias))
            if target is None:
                raise ResourceNotFound(f"Function not found: {targets.arn}:{qualifier}")
        if target.state != "Active":
            target = self._instead(targets, target, qualifier)
        return target

    def _instead(
        self, targets: FunctionTargets, target: VersionTarget, qualifier: str | None
    ) -> VersionTarget:
        """For a version that cannot be called: on a capacity provider, the published `$LATEST`."""
        if target.state == NOT_INVOCABLE and qualifier is None:
            published = targets.versions.get(LATEST_PUBLISHED)
            if published is None:
                raise NoPublishedVersion("The function has no published versions available.")
            target = published
        if target.state == "Inactive":
            self.wake(target)
        if target.state != "Active":
            refuse(target)
        return target

    def _draw_version(self, alias: AliasTarget) -> str:
        if alias.additional:
            drawn = self._draw()
            for version, weight in alias.additional:
                if drawn < weight:
                    return version
                drawn -= weight
        return alias.version


def refuse(target: VersionTarget) -> None:
    """Raise what AWS answers for a version that is not Active."""
    if target.state == "Inactive" or target.restoring:
        raise CodeArtifactUserPending(
            "INFO: Lambda is initializing your function. It will be ready to invoke shortly."
        )
    if target.state == LOCKED:
        code, _, message = (target.state_reason or "").partition(": ")
        raise refused_by_kms(code, message)
    if target.state == "Pending" and target.snap_start_asked:
        raise SnapStartNotReady(
            "Lambda is initializing your function. "
            "It will be ready to invoke once your function state becomes ACTIVE."
        )
    raise ResourceConflict(
        "The operation cannot be performed at this time. "
        f"The function is currently in the following state: {target.state}"
    )
