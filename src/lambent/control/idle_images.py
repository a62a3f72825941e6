"""Images that nobody has called for weeks: their versions become Inactive, their files are removed.

As on AWS, the next call of such a version is refused and makes it Pending; the image is fetched and
unpacked again, and the version is Active. When a digest was last used is kept beside its tree, so
that a restart of the server does not make everything look new.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import structlog

from lambent.clock import Clock
from lambent.control import state
from lambent.control.bundle import Bundle
from lambent.control.names import version_name
from lambent.control.registry import Key, Registry
from lambent.store.artifacts import Artifacts
from lambent.store.records import Version

LOOK_S: Final = 3_600.0
DAY_S: Final = 86_400.0

log = structlog.get_logger("lambent.control")

SinceCall = Callable[[str, str, str, str], float | None]
"""Account, region, function, version → seconds since it was last called; None: not since start."""


class _User(NamedTuple):
    """A version that runs an image."""

    key: Key
    bundle: Bundle
    version: Version


class IdleImages:
    """One per server; `run` is its task."""

    def __init__(
        self,
        registry: Registry,
        artifacts: Artifacts,
        clock: Clock,
        since_call: SinceCall,
        idle_days: float,
    ) -> None:
        """`idle_days` 0: never."""
        self._registry = registry
        self._artifacts = artifacts
        self._clock = clock
        self._since_call = since_call
        self._idle_s = idle_days * DAY_S

    async def run(self) -> None:
        """Ends by cancellation."""
        while self._idle_s:
            await self._clock.sleep(min(LOOK_S, self._idle_s))
            await self.sweep()

    async def sweep(self) -> None:
        """Note what was called lately, and let go of what was not."""
        for digest, users in self._images().items():
            now_s = self._clock.time_ms() / 1000
            calls = [c for user in users if (c := self._called(user)) is not None]
            used_s = await asyncio.to_thread(
                self._artifacts.used, digest, now_s - min(calls) if calls else 0.0
            )
            if used_s is not None and now_s - used_s >= self._idle_s:
                await self._reclaim(digest, users)

    def _images(self) -> dict[str, list[_User]]:
        """Those that all of their versions can do without for now, by digest."""
        found: defaultdict[str, list[_User]] = defaultdict(list)
        for user in self._users():
            found[user.version.code.sha256].append(user)
        return {
            digest: users
            for digest, users in found.items()
            if all(state.may_idle(user.version) and not _kept_ready(user) for user in users)
        }

    def _users(self) -> Iterator[_User]:
        for key, bundle in self._registry.everything():
            for version in bundle.versions.values():
                if version.code.image_uri:
                    yield _User(key, bundle, version)

    def _called(self, user: _User) -> float | None:
        return self._since_call(*user.key.scope, user.key.name, version_name(user.version.number))

    async def _reclaim(self, digest: str, users: list[_User]) -> None:
        for user in users:
            if user.version.state == "Active":
                await self._registry.reclaim(user.key, user.version.number)
        if await self._registry.remove_idle(digest):
            log.info("image.reclaimed", digest=digest, versions=len(users))


def _kept_ready(user: _User) -> bool:
    """Provisioned concurrency, or environments that a capacity provider keeps, are use enough."""
    function, name = user.bundle.function, version_name(user.version.number)
    provisioned = {
        alias.version if (alias := user.bundle.aliases.get(qualifier)) else qualifier
        for qualifier in function.provisioned
    }
    return name in provisioned or user.version.configuration.capacity is not None
