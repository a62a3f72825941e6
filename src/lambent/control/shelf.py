"""One kind of thing that exists beside functions: in memory, and in the store first.

Code signing configs and event source mappings have no parts of their own, so a change is one
document. Reads are dictionary look-ups; changes of a kind happen one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from lambent.control.names import Scope
from lambent.store import resources
from lambent.store.database import Database

V = TypeVar("V", bound=msgspec.Struct)
T = TypeVar("T")


class Shelf(Generic[V]):
    """All things of one `kind`, by account, region and id."""

    def __init__(self, database: Database, kind: str, record: type[V]) -> None:
        self._database = database
        self._kind = kind
        self._decode = msgspec.json.Decoder(record).decode
        self._scopes: dict[Scope, dict[str, V]] = {}
        self._lock = asyncio.Lock()
        self._changing: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        rows = await self._database.read(lambda c: list(resources.load(c, self._kind)))
        for account, region, key, document in rows:
            self._scopes.setdefault(Scope(account, region), {})[key] = self._decode(document)

    def get(self, scope: Scope, key: str) -> V | None:
        return self._scopes.get(scope, {}).get(key)

    def all(self, scope: Scope) -> list[V]:
        return list(self._scopes.get(scope, {}).values())

    def everything(self) -> list[tuple[Scope, V]]:
        return [(scope, value) for scope, kept in self._scopes.items() for value in kept.values()]

    async def change(
        self, scope: Scope, key: str, rule: Callable[[V | None], tuple[V | None, T]]
    ) -> T:
        """Apply a rule, as `Registry.change` does; returns once the change is durable.

        A caller that is cancelled does not stop a change half-way.
        """
        task = asyncio.get_running_loop().create_task(self._change(scope, key, rule))
        self._changing.add(task)
        task.add_done_callback(self._changing.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Finish the changes under way."""
        await asyncio.gather(*self._changing, return_exceptions=True)

    async def _change(
        self, scope: Scope, key: str, rule: Callable[[V | None], tuple[V | None, T]]
    ) -> T:
        async with self._lock:
            old = self.get(scope, key)
            new, answer = rule(old)
            if new is None and old is not None:
                await self._database.write(lambda c: resources.delete(c, *scope, self._kind, key))
                del self._scopes[scope][key]
            elif new is not None and new is not old:
                document = msgspec.json.encode(new)
                await self._database.write(
                    lambda c: resources.put(c, *scope, self._kind, key, document)
                )
                self._scopes.setdefault(scope, {})[key] = new
            return answer
