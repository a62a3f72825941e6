"""Every stack of a server, in memory and in the store: found by name or id, saved as it changes.

What a stop has cut short is failed when the book is opened again, and can be done again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from lambent.clock import Clock
from lambent.errors import StackError
from lambent.stacks import document
from lambent.stacks.document import Template
from lambent.stacks.stack import Stack
from lambent.store import stacks as rows
from lambent.store.database import Database

DELETED_KEPT_MS: Final = 90 * 24 * 3600 * 1000


class StackBook:
    """All stacks."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._stacks: dict[str, Stack] = {}

    async def open(self) -> None:
        for text in await self._database.read(lambda connection: list(rows.load(connection))):
            stack = msgspec.json.decode(text, type=Stack)
            self._stacks[stack.stack_id] = stack
            if stack.busy:
                status = stack.status.replace("_COMPLETE_CLEANUP", "").replace(
                    "_IN_PROGRESS", "_FAILED"
                )
                stack.status, stack.reason = status, "The server was stopped meanwhile."
                await self.save(stack)

    async def save(self, stack: Stack) -> None:
        """Keep it as it is now; one that is new is found from here on."""
        self._stacks[stack.stack_id] = stack
        text = msgspec.json.encode(stack)
        await self._database.write(
            lambda connection: rows.put(
                connection, stack.account, stack.region, stack.stack_id, text
            )
        )

    def find(self, account: str, region: str, name: str) -> Stack:
        """By name, which a deleted stack no longer has, or by id; raises `StackError`."""
        for stack in self.of(account, region):
            named = stack.name == name and stack.status != "DELETE_COMPLETE"
            if named or stack.stack_id == name:
                return stack
        raise StackError(f"Stack with id {name} does not exist")

    def of(self, account: str, region: str) -> Iterable[Stack]:
        return (s for s in self._stacks.values() if (s.account, s.region) == (account, region))

    def all(self, account: str, region: str) -> list[Stack]:
        """Newest first, deleted ones of the last ninety days included."""
        oldest = self._clock.time_ms() - DELETED_KEPT_MS
        return [
            stack
            for stack in reversed(list(self.of(account, region)))
            if stack.deleted_ms is None or stack.deleted_ms > oldest
        ]

    def exports(self, account: str, region: str) -> dict[str, tuple[str, str]]:
        """Export name → (value, stack id)."""
        return {
            output.export: (output.value, stack.stack_id)
            for stack in self.of(account, region)
            for output in stack.outputs
            if output.export and stack.status != "DELETE_COMPLETE"
        }

    def importers(self, account: str, region: str, export: str) -> list[str]:
        """Names of the stacks that import `export`."""
        return [
            stack.name
            for stack in self.of(account, region)
            if stack.status != "DELETE_COMPLETE" and _imports(stack, export)
        ]


def _imports(stack: Stack, export: str) -> bool:
    """Whether the template names `export`, as text or through what it resolves to."""
    return _mentions(document.read(stack.template), export) if stack.template else False


def _mentions(template: Template, export: str) -> bool:
    def walk(value: Any) -> bool:
        if isinstance(value, list):
            return any(walk(item) for item in value)
        if isinstance(value, Mapping):
            return any(
                (key == "Fn::ImportValue" and export in str(item)) or walk(item)
                for key, item in value.items()
            )
        return False

    parts = [resource.properties for resource in template.resources.values()]
    return any(walk(part) for part in [*parts, template.outputs])
