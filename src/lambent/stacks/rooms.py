"""The parts of this room together: `book` finds stacks, `stacks` and `change_sets` change them.

`clients` are what they are made with. `api/cloudformation` asks these parts.
"""

from __future__ import annotations

from dataclasses import dataclass

from lambent.clock import Clock
from lambent.stacks.book import StackBook
from lambent.stacks.change_sets import ChangeSets
from lambent.stacks.own_clients import OwnClients
from lambent.stacks.service import Stacks
from lambent.stacks.workshop import Workshop
from lambent.store.database import Database


@dataclass(frozen=True, slots=True)
class StackRooms:
    """The parts, put together."""

    book: StackBook
    stacks: Stacks
    change_sets: ChangeSets
    clients: OwnClients
    workshop: Workshop

    async def open(self) -> None:
        self.workshop.open()
        await self.book.open()

    async def close(self) -> None:
        """Finish what runs."""
        await self.workshop.close()
        self.clients.close()


def stack_rooms(database: Database, clock: Clock, clients: OwnClients) -> StackRooms:
    """Everything that there is of stacks; `StackRooms.open` loads them."""
    book = StackBook(database, clock)
    workshop = Workshop(book, clock, clients)
    stacks = Stacks(book, workshop, clock)
    return StackRooms(book, stacks, ChangeSets(book, workshop, clock, stacks), clients, workshop)
