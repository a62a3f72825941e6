"""Change sets: a change that is planned, looked at, and executed or thrown away."""

from __future__ import annotations

import uuid
from typing import Final

import msgspec

from lambent.clock import Clock
from lambent.errors import ChangeSetNotFound, InvalidChangeSetStatus, StackError, StackExists
from lambent.stacks import wanted as wishes
from lambent.stacks.book import StackBook
from lambent.stacks.same import same
from lambent.stacks.service import Stacks, refuse_unusable
from lambent.stacks.stack import STACK, ChangeSet, Stack
from lambent.stacks.wanted import Wanted
from lambent.stacks.workshop import Workshop

NO_CHANGES: Final = (
    "The submitted information didn't contain changes. Submit different information to create a "
    "change set."
)


class ChangeSets:
    """Those of all stacks; each is kept with its stack."""

    def __init__(self, book: StackBook, workshop: Workshop, clock: Clock, stacks: Stacks) -> None:
        self._book = book
        self._workshop = workshop
        self._clock = clock
        self._stacks = stacks

    async def create(
        self,
        account: str,
        region: str,
        stack_name: str,
        name: str,
        wanted: Wanted,
        *,
        kind: str = "UPDATE",
        description: str = "",
        on_failure: str = "",
    ) -> tuple[Stack, ChangeSet]:
        """Plan a change; one that changes nothing exists, FAILED, as on AWS."""
        stack = self._stack_for(account, region, stack_name, name, kind)
        taken = stack.change_sets.get(name)
        # One that was executed, or cannot be, is history: the AWS CLI names its own by the second.
        if taken is not None and taken.execution in {"AVAILABLE", "EXECUTE_IN_PROGRESS"}:
            raise StackExists(f"ChangeSet {name} already exists")
        template = await self._workshop.run(lambda: wishes.read(wanted, stack, expands=True))
        after = msgspec.structs.replace(stack)
        wishes.take(after, template, wanted, stack.parameters)
        changes = self._workshop.preview(after, template)
        change_set = ChangeSet(
            change_set_id=f"arn:aws:cloudformation:{region}:{account}:changeSet/{name}/{uuid.uuid4()}",
            name=name,
            kind="CREATE" if stack.status == "REVIEW_IN_PROGRESS" else "UPDATE",
            created_ms=self._clock.time_ms(),
            template=wanted.template,
            parameters=after.parameters,
            tags=after.tags,
            capabilities=sorted(wanted.capabilities),
            role_arn=wanted.role_arn,
            notifications=list(wanted.notifications),
            changes=changes,
            description=description,
            on_failure=on_failure,
        )
        if not changes and change_set.kind == "UPDATE" and same(stack, after):
            change_set.status, change_set.execution = "FAILED", "UNAVAILABLE"
            change_set.reason = NO_CHANGES
        stack.change_sets[name] = change_set
        await self._book.save(stack)
        return stack, change_set

    def _stack_for(self, account: str, region: str, name: str, change: str, kind: str) -> Stack:
        try:
            stack = self._book.find(account, region, name)
        except StackError:
            if kind != "CREATE":
                raise StackError(f"Stack [{name}] does not exist") from None
            return self._in_review(account, region, name)
        if stack.status == "REVIEW_IN_PROGRESS":
            if kind == "UPDATE":
                raise StackError(
                    f"Stack [{name}] is in REVIEW_IN_PROGRESS: its change set is of type CREATE"
                )
        elif kind == "CREATE":
            raise StackError(
                f"Stack [{name}] already exists and cannot be created again with the changeSet "
                f"[{change}]."
            )
        else:
            refuse_unusable(stack, "updated")
        return stack

    def _in_review(self, account: str, region: str, name: str) -> Stack:
        """A stack that is nothing yet but its first change set."""
        stack = self._stacks.blank(account, region, name, "REVIEW_IN_PROGRESS")
        now = self._clock.time_ms()
        stack.tell(now, name, stack.stack_id, STACK, stack.status, "User Initiated")
        return stack

    def find(
        self, account: str, region: str, name: str, stack_name: str | None
    ) -> tuple[Stack, ChangeSet]:
        """By name within a stack, or by id; raises `ChangeSetNotFound`."""
        stacks = self._book.of(account, region)
        if stack_name is not None:
            stacks = [self._book.find(account, region, stack_name)]
        for stack in stacks:
            for change_set in stack.change_sets.values():
                if name in (change_set.name, change_set.change_set_id):
                    return stack, change_set
        raise ChangeSetNotFound(f"ChangeSet [{name}] does not exist")

    async def execute(
        self,
        stack: Stack,
        change_set: ChangeSet,
        access_key: str,
        *,
        disable_rollback: bool = False,
    ) -> None:
        _refuse_unavailable(change_set)
        wanted = Wanted(
            template=change_set.template,
            parameters=change_set.parameters,
            tags=change_set.tags,
            capabilities=frozenset(change_set.capabilities),
            role_arn=change_set.role_arn,
            notifications=tuple(change_set.notifications),
            access_key=access_key,
        )
        template = await self._workshop.run(lambda: wishes.read(wanted, stack, expands=True))
        _refuse_unavailable(change_set)  # another may have executed it meanwhile
        if change_set.kind == "UPDATE":
            refuse_unusable(stack, "updated")
        change_set.execution = "EXECUTE_IN_PROGRESS"
        # Executing one outdates all others.
        stack.change_sets = {change_set.name: change_set}
        if change_set.kind == "CREATE":
            on_failure = change_set.on_failure or ("DO_NOTHING" if disable_rollback else "ROLLBACK")
            self._stacks.begin_creation(stack, template, wanted, on_failure, change_set)
        else:
            self._stacks.begin_update(
                stack, template, wanted, disable_rollback=disable_rollback, change_set=change_set
            )

    async def delete(self, stack: Stack, change_set: ChangeSet) -> None:
        if change_set.execution == "EXECUTE_IN_PROGRESS":
            raise InvalidChangeSetStatus(
                f"The ChangeSet [{change_set.name}] is being executed and cannot be deleted"
            )
        stack.change_sets.pop(change_set.name, None)
        await self._book.save(stack)


def _refuse_unavailable(change_set: ChangeSet) -> None:
    if change_set.execution != "AVAILABLE":
        raise InvalidChangeSetStatus(
            f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current status "
            f"of [{change_set.status}]"
        )
