"""What CloudFormation's operations do with stacks: create, update, delete, take back.

Requests are checked here and answered at once; the work is done by the `workshop`. Everything is
kept in the `book`. Changes that are planned first are `change_sets`.
"""

from __future__ import annotations

import uuid

import msgspec

from lambent.clock import Clock
from lambent.errors import StackError, StackExists
from lambent.stacks import wanted as wishes
from lambent.stacks.book import StackBook
from lambent.stacks.document import Template
from lambent.stacks.runner import Runner
from lambent.stacks.same import same
from lambent.stacks.stack import USABLE, ChangeSet, Stack
from lambent.stacks.wanted import Wanted
from lambent.stacks.workshop import Workshop


class Stacks:
    """Every stack of a server."""

    def __init__(self, book: StackBook, workshop: Workshop, clock: Clock) -> None:
        self._book = book
        self._workshop = workshop
        self._clock = clock

    async def create(
        self,
        account: str,
        region: str,
        name: str,
        wanted: Wanted,
        *,
        on_failure: str = "ROLLBACK",
        protected: bool = False,
        timeout_minutes: int | None = None,
    ) -> Stack:
        self._refuse_taken(account, region, name)
        stack = self.blank(account, region, name, "CREATE_IN_PROGRESS")
        template = await self._workshop.run(lambda: wishes.read(wanted, stack))
        wishes.take(stack, template, wanted, {})
        stack.protected = protected
        stack.timeout_minutes = timeout_minutes
        self._workshop.preview(stack, template)
        self._refuse_taken(account, region, name)  # another may have come meanwhile
        await self._book.save(stack)
        self.begin_creation(stack, template, wanted, on_failure)
        return stack

    async def update(
        self, stack: Stack, wanted: Wanted, *, disable_rollback: bool = False
    ) -> Stack:
        refuse_unusable(stack, "updated")
        template = await self._workshop.run(lambda: wishes.read(wanted, stack))
        after = msgspec.structs.replace(stack)
        wishes.take(after, template, wanted, stack.parameters)
        if not self._workshop.preview(after, template) and same(stack, after):
            raise StackError("No updates are to be performed.")
        refuse_unusable(stack, "updated")
        self.begin_update(stack, template, wanted, disable_rollback=disable_rollback)
        return stack

    async def delete(self, stack: Stack, retained: frozenset[str], access_key: str) -> None:
        if stack.status == "DELETE_COMPLETE":
            return
        if stack.protected:
            raise StackError(
                f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
            )
        if stack.busy:
            raise StackError(
                f"Stack [{stack.stack_id}] cannot be deleted while in status {stack.status}"
            )
        if retained and stack.status != "DELETE_FAILED":
            raise StackError(
                f"Invalid operation on stack [{stack.stack_id}]. RetainResources can only be "
                "specified for a stack in the DELETE_FAILED state"
            )
        for output in stack.outputs:
            if output.export and (
                users := self._book.importers(stack.account, stack.region, output.export)
            ):
                raise StackError(
                    f"Export {output.export} cannot be deleted as it is in use by {', '.join(users)}"
                )
        stack.access_key = access_key
        stack.status = "DELETE_IN_PROGRESS"
        self._workshop.start(stack, lambda run: run.delete(retained))

    async def cancel_update(self, stack: Stack) -> None:
        """Take the update under way back."""
        if stack.status != "UPDATE_IN_PROGRESS":
            raise StackError("CancelUpdateStack cannot be called from current stack status")
        self._workshop.cancel(stack)

    async def continue_rollback(
        self, stack: Stack, skipped: frozenset[str], access_key: str
    ) -> None:
        """Try again what an update's rollback could not put back, or leave out what is `skipped`."""
        if stack.status != "UPDATE_ROLLBACK_FAILED":
            raise StackError(
                f"Stack:{stack.stack_id} is in {stack.status} state and can not continue a rollback."
            )
        unknown = skipped - {one.logical_id for one in stack.unrestored}
        if unknown:
            raise StackError(
                f"The following resources to skip are not in a failed state: {sorted(unknown)}"
            )
        stack.access_key = access_key
        stack.status = "UPDATE_ROLLBACK_IN_PROGRESS"
        self._workshop.start(stack, lambda run: run.continue_rollback(skipped))

    async def protect(self, stack: Stack, *, protected: bool) -> None:
        """Termination protection on or off."""
        stack.protected = protected
        await self._book.save(stack)

    # ── beginnings, for change sets too ──────────────────────────────────────────────────────

    def blank(self, account: str, region: str, name: str, status: str) -> Stack:
        return Stack(
            stack_id=f"arn:aws:cloudformation:{region}:{account}:stack/{name}/{uuid.uuid4()}",
            name=name,
            account=account,
            region=region,
            status=status,
            created_ms=self._clock.time_ms(),
        )

    def begin_creation(
        self,
        stack: Stack,
        template: Template,
        wanted: Wanted,
        on_failure: str,
        change_set: ChangeSet | None = None,
    ) -> None:
        wishes.take(stack, template, wanted, {})
        stack.status = "CREATE_IN_PROGRESS"
        stack.disable_rollback = on_failure == "DO_NOTHING"
        exports = self._workshop.exports(stack)

        def work(run: Runner) -> None:
            run.create(template, exports)
            if on_failure == "DELETE" and stack.status.startswith("ROLLBACK"):
                run.delete(frozenset())

        self._workshop.start(stack, work, change_set)

    def begin_update(
        self,
        stack: Stack,
        template: Template,
        wanted: Wanted,
        *,
        disable_rollback: bool,
        change_set: ChangeSet | None = None,
    ) -> None:
        before = msgspec.structs.replace(stack, made=dict(stack.made))
        wishes.take(stack, template, wanted, before.parameters)
        stack.status = "UPDATE_IN_PROGRESS"
        stack.updated_ms = self._clock.time_ms()
        stack.disable_rollback = disable_rollback
        exports = self._workshop.exports(stack)
        self._workshop.start(stack, lambda run: run.update(template, exports, before), change_set)

    def _refuse_taken(self, account: str, region: str, name: str) -> None:
        try:
            stack = self._book.find(account, region, name)
        except StackError:
            return
        raise StackExists(f"Stack [{stack.name}] already exists")


def refuse_unusable(stack: Stack, verb: str) -> None:
    """Raises `StackError` unless the stack can be changed now."""
    if stack.status not in USABLE and stack.status != "UPDATE_FAILED":
        raise StackError(
            f"Stack:{stack.stack_id} is in {stack.status} state and can not be {verb}."
        )
