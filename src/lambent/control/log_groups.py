"""Log groups: create, delete, list, retention, tags. Their events are `observe`'s.

All groups are in memory; a change is written to the store first. A group also comes into being by
itself: with the first environment of a function, or when something writes to a group that was
deleted. `appeared` notes that at once, and `run` (or the end, `close`) writes it down.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import apsw
import msgspec

from lambent.clock import Clock
from lambent.control.names import Scope, partition
from lambent.errors import (
    InvalidParameter,
    OperationNotAllowed,
    ResourceAlreadyExists,
    ResourceNotFound,
    TooManyTags,
)
from lambent.store import log_groups as rows
from lambent.store.database import Database
from lambent.store.log_groups import LogGroup

RETENTION_DAYS: Final = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
)  # fmt: skip
MAX_TAGS: Final = 50
NO_GROUP: Final = "The specified log group does not exist."
NO_STREAM: Final = "The specified log stream does not exist."

_ARN: Final = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):logs:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):"
    r"log-group:(?P<name>[.\-_/#A-Za-z0-9]+)(:\*)?"
)
_NAME: Final = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")


def group_arn(scope: Scope, name: str) -> str:
    """Without the `:*` that older answers end with."""
    return f"arn:{partition(scope.region)}:logs:{scope.region}:{scope.account}:log-group:{name}"


def group_name(scope: Scope, identifier: str) -> str:
    """The name in a name or ARN. What lies in another account or region is not found."""
    found = _ARN.fullmatch(identifier)
    if found is None:
        if not _NAME.fullmatch(identifier):
            raise InvalidParameter("The specified log group identifier is invalid.")
        return identifier
    if (found["account"], found["region"]) != scope:
        raise ResourceNotFound(NO_GROUP)
    return found["name"]


class LogGroups:
    """The log groups of all accounts and regions."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._scopes: dict[Scope, dict[str, LogGroup]] = {}
        self._unsaved: set[tuple[Scope, str]] = set()
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        for account, region, group in await self._database.read(lambda c: list(rows.load(c))):
            self._groups(Scope(account, region))[group.name] = group

    async def run(self) -> None:
        """Write down what has appeared; ends by cancellation."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._save()

    async def close(self) -> None:
        await self._save()

    def appeared(self, account: str, region: str, name: str) -> None:
        """Something writes to this group. Costs a look-up when it is known; for the loop."""
        scope = Scope(account, region)
        groups = self._groups(scope)
        if name not in groups:
            groups[name] = LogGroup(name=name, created_ms=self._clock.time_ms())
            self._unsaved.add((scope, name))
            self._wake.set()

    def get(self, scope: Scope, name: str) -> LogGroup:
        """Raises `ResourceNotFound` with AWS's text."""
        group = self._groups(scope).get(name)
        if group is None:
            raise ResourceNotFound(NO_GROUP)
        return group

    def all(self, scope: Scope) -> list[LogGroup]:
        """In the order of their names."""
        groups = self._groups(scope)
        return [groups[name] for name in sorted(groups)]

    def retentions(self) -> Iterator[tuple[Scope, LogGroup]]:
        """The groups whose events expire."""
        for scope, groups in list(self._scopes.items()):
            for group in list(groups.values()):
                if group.retention_days is not None:
                    yield scope, group

    def oldest_kept_ms(self, group: LogGroup) -> int:
        """Events before this time have expired, whether their files are gone yet or not."""
        if group.retention_days is None:
            return 0
        return self._clock.time_ms() - group.retention_days * 86_400_000

    async def create(
        self,
        scope: Scope,
        name: str,
        *,
        tags: Mapping[str, str],
        log_class: str,
        kms_key_id: str | None,
        protected: bool,
    ) -> None:
        async with self._lock:
            if name in self._groups(scope):
                raise ResourceAlreadyExists("The specified log group already exists")
            group = LogGroup(
                name=name,
                created_ms=self._clock.time_ms(),
                tags=dict(tags),
                log_class=log_class,
                kms_key_id=kms_key_id,
                protected=protected,
            )
            await self._put(scope, group)

    async def delete(self, scope: Scope, name: str) -> None:
        """Its streams by hand go with it; the caller deletes the files after that."""
        async with self._lock:
            if self.get(scope, name).protected:
                raise OperationNotAllowed(
                    "The log group cannot be deleted while its deletion protection is enabled."
                )
            await self._database.write(lambda c: rows.delete(c, *scope, name))
            self._groups(scope).pop(name, None)
            self._unsaved.discard((scope, name))

    async def set_retention(self, scope: Scope, name: str, days: int | None) -> None:
        """None keeps events for ever."""
        if days is not None and days not in RETENTION_DAYS:
            allowed = ", ".join(map(str, RETENTION_DAYS))
            raise InvalidParameter(
                f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to "
                f"satisfy constraint: Member must satisfy enum value set: [{allowed}]"
            )
        await self._change(scope, name, retention_days=days)

    async def protect(self, scope: Scope, name: str, *, protected: bool) -> None:
        await self._change(scope, name, protected=protected)

    async def tag(self, scope: Scope, name: str, tags: Mapping[str, str]) -> None:
        def add(old: LogGroup) -> dict[str, str]:
            new = {**old.tags, **tags}
            if len(new) > MAX_TAGS:
                raise TooManyTags(f"Tags limit ({MAX_TAGS}) exceeded for the log group.")
            return new

        await self._retag(scope, name, add)

    async def untag(self, scope: Scope, name: str, keys: list[str]) -> None:
        gone = set(keys)
        await self._retag(
            scope, name, lambda old: {k: v for k, v in old.tags.items() if k not in gone}
        )

    async def add_stream(self, scope: Scope, group: str, name: str) -> bool:
        """A stream without events; False when it had been made before."""
        async with self._lock:
            self.get(scope, group)
            await self._save_one(scope, group)
            created_ms = self._clock.time_ms()
            return await self._database.write(
                lambda c: rows.add_stream(c, *scope, group, name, created_ms)
            )

    async def delete_stream(self, scope: Scope, group: str, name: str) -> bool:
        """False when it was not made by hand."""
        return await self._database.write(lambda c: rows.delete_stream(c, *scope, group, name))

    async def streams(self, scope: Scope, group: str) -> dict[str, int]:
        """Those made by hand, and when."""
        return await self._database.read(lambda c: rows.streams(c, *scope, group))

    async def has_stream(self, scope: Scope, group: str, name: str) -> bool:
        found = await self._database.read(lambda c: rows.stream(c, *scope, group, name))
        return found is not None

    def _groups(self, scope: Scope) -> dict[str, LogGroup]:
        return self._scopes.setdefault(scope, {})

    async def _change(self, scope: Scope, name: str, **values: object) -> None:
        async with self._lock:
            await self._put(scope, msgspec.structs.replace(self.get(scope, name), **values))

    async def _retag(
        self, scope: Scope, name: str, rule: Callable[[LogGroup], dict[str, str]]
    ) -> None:
        async with self._lock:
            old = self.get(scope, name)
            await self._put(scope, msgspec.structs.replace(old, tags=rule(old)))

    async def _put(self, scope: Scope, group: LogGroup) -> None:
        """Under the lock. What is in memory is on disk, so a reader never sees it go back."""
        await self._database.write(lambda c: rows.put(c, *scope, group))
        self._groups(scope)[group.name] = group
        self._unsaved.discard((scope, group.name))

    async def _save_one(self, scope: Scope, name: str) -> None:
        if (scope, name) in self._unsaved:
            await self._put(scope, self.get(scope, name))

    async def _save(self) -> None:
        async with self._lock:
            found = [(s, self._groups(s)[n]) for s, n in self._unsaved if n in self._groups(s)]
            if found:
                await self._database.write(lambda c: _put_all(c, found))
            self._unsaved.difference_update((scope, group.name) for scope, group in found)


def _put_all(connection: apsw.Connection, groups: list[tuple[Scope, LogGroup]]) -> None:
    for scope, group in groups:
        rows.put(connection, *scope, group)
