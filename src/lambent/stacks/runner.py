"""Makes a stack what its template says, and takes back what was done when that fails.

Blocking, in a thread of its own: resources one after the other, in the template's order. A failed
creation is deleted again; a failed update puts every changed resource back to its old properties
and deletes what was added. What an update replaces or removes is deleted last, when nothing refers
to it any more. After each step the stack is saved, so that a crash leaves no resource unknown.
(AWS CloudFormation user guide, "Understand update behaviors" and "Stack status codes".)
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lambent.stacks import parameters as parameter_values
from lambent.stacks.document import Resource, Template
from lambent.stacks.errors import ResourceError, StackError
from lambent.stacks.graph import order
from lambent.stacks.kinds import Kinds
from lambent.stacks.kinds.api_gateway import REAL_ADDRESS
from lambent.stacks.kinds.kind import Traceable, World, random_tail
from lambent.stacks.plan import Made, differing
from lambent.stacks.stack import STACK, Output, Stack
from lambent.stacks.values import Resolver

Tell = Callable[[str, str, str, str, str], None]
"""(logical id, physical id, type, status, reason): an event, and the stack saved."""


class Runner:
    """One change of one stack."""

    def __init__(
        self, stack: Stack, kinds: Kinds, world: World, tell: Tell, cancelled: threading.Event
    ) -> None:
        """`cancelled` is set by whoever wants the update taken back."""
        self._stack = stack
        self._kinds = kinds
        self._world = world
        self._tell = tell
        self._cancelled = cancelled
        self._ends_s: float | None = None
        self._added: list[str] = []
        self._changed: list[Made] = []
        """As they were, in the order of their change."""

    # ── the three changes ────────────────────────────────────────────────────────────────────

    def create(self, template: Template, exports: Mapping[str, str]) -> None:
        self._status("CREATE_IN_PROGRESS", "User Initiated")
        if minutes := self._stack.timeout_minutes:
            self._ends_s = time.monotonic() + 60 * minutes
        try:
            self._apply(template, exports)
        except (ResourceError, StackError) as error:
            self._creation_failed(str(error))
            return
        self._status("CREATE_COMPLETE")

    def update(self, template: Template, exports: Mapping[str, str], before: Stack) -> None:
        """`before` is the stack as it was, for its template, parameters and outputs."""
        self._status("UPDATE_IN_PROGRESS", "User Initiated")
        self._clear_abandoned()
        try:
            self._apply(template, exports)
        except (ResourceError, StackError) as error:
            self._update_failed(str(error), before)
            return
        self._status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        self._clean_up()
        self._status("UPDATE_COMPLETE")

    def continue_rollback(self, skipped: frozenset[str]) -> None:
        """The rest of a rollback that failed; what is `skipped` stays as it is."""
        stack = self._stack
        self._status("UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")
        left = [one for one in stack.unrestored if one.logical_id not in skipped]
        stack.unrestored = [old for old in left if not self._restore(old)]
        self._rolled_back()

    def delete(self, retained: frozenset[str] = frozenset()) -> None:
        self._status("DELETE_IN_PROGRESS", "User Initiated")
        failed = self._delete_all(retained)
        if failed:
            names = ", ".join(failed)
            self._status(
                "DELETE_FAILED", f"The following resource(s) failed to delete: [{names}]. "
            )
        else:
            self._status("DELETE_COMPLETE")

    # ── forwards ─────────────────────────────────────────────────────────────────────────────

    def _apply(self, template: Template, exports: Mapping[str, str]) -> None:
        stack = self._stack
        values = parameter_values.values(template, stack.parameters)
        resolver = Resolver(template, values, stack.pseudo, self._attribute, exports)
        wanted = [name for name in order(template) if resolver.exists(name)]
        for name in wanted:
            self._refuse_to_go_on()
            self._one(template.resources[name], resolver)
        for name in [name for name in stack.made if name not in wanted]:
            stack.leftovers.append(stack.made.pop(name))
        # What an update added may be needed by what was there before: deletion goes by this order.
        stack.made = {name: stack.made[name] for name in wanted}
        stack.outputs = outputs(template, resolver, self._addresses())

    def _addresses(self) -> dict[str, str]:
        """AWS's address of each API → the one where it is really reached."""
        told = [
            str(one.attributes[REAL_ADDRESS])
            for one in self._stack.made.values()
            if REAL_ADDRESS in one.attributes
        ]
        return {theirs: ours for theirs, _, ours in (one.partition(" ") for one in told)}

    def _refuse_to_go_on(self) -> None:
        if self._cancelled.is_set():
            raise StackError("Resource update cancelled")
        if self._ends_s is not None and time.monotonic() > self._ends_s:
            raise StackError("Stack creation time exceeded the specified timeout. ")

    def _attribute(self, logical_id: str, attribute: str | None) -> Any:
        made = self._stack.made[logical_id]
        if attribute is None:
            return made.physical_id
        if attribute not in made.attributes:
            raise StackError(
                f"Template error: resource {logical_id} does not support attribute type "
                f"{attribute} in Fn::GetAtt"
            )
        return made.attributes[attribute]

    def _one(self, resource: Resource, resolver: Resolver) -> None:
        name = resource.logical_id
        old = self._stack.made.get(name)
        try:
            properties = resolver.resolve(resource.properties)
            if old is None:
                self._make(resource, properties)
            elif old.kind != resource.kind or self._is_replaced(old, properties):
                self._replace(old, resource, properties)
            elif differing(old.properties, properties):
                self._modify(old, resource, properties)
            else:
                old.retain = resource.retain
        except (ResourceError, StackError) as error:
            verb = "CREATE" if old is None else "UPDATE"
            physical_id = "" if old is None else old.physical_id
            self._tell(name, physical_id, resource.kind, f"{verb}_FAILED", str(error))
            raise ResourceError(
                f"The following resource(s) failed to {verb.lower()}: [{name}]. "
            ) from error

    def _is_replaced(self, old: Made, properties: Mapping[str, Any]) -> bool:
        changed = differing(old.properties, properties)
        return bool(self._kinds.find(old.kind).replaced_by & set(changed))

    def _make(
        self, resource: Resource, properties: dict[str, Any], *, verb: str = "CREATE"
    ) -> None:
        name, kind = resource.logical_id, self._kinds.find(resource.kind)
        self._stack.making[name] = random_tail()
        self._tell(name, "", resource.kind, f"{verb}_IN_PROGRESS", "")
        try:
            done = kind.create(self._world, name, properties)
        finally:
            del self._stack.making[name]
        self._stack.made[name] = Made(
            logical_id=name,
            kind=resource.kind,
            physical_id=done.physical_id,
            properties=properties,
            attributes=dict(done.attributes),
            retain=resource.retain,
        )
        if verb == "CREATE":
            self._added.append(name)
        self._tell(name, done.physical_id, resource.kind, f"{verb}_COMPLETE", "")

    def _replace(self, old: Made, resource: Resource, properties: dict[str, Any]) -> None:
        """The new one first: whoever refers to it is changed before the old one goes."""
        name = resource.logical_id
        self._tell(
            name, old.physical_id, resource.kind, "UPDATE_IN_PROGRESS",
            "Requested update requires the creation of a new physical resource; hence creating one.",
        )  # fmt: skip
        self._changed.append(msgspec.structs.replace(old))
        self._make(resource, properties, verb="UPDATE")
        if not resource.retain_replaced:
            self._stack.leftovers.append(old)

    def _modify(self, old: Made, resource: Resource, properties: dict[str, Any]) -> None:
        name, kind = resource.logical_id, self._kinds.find(resource.kind)
        self._tell(name, old.physical_id, resource.kind, "UPDATE_IN_PROGRESS", "")
        self._changed.append(msgspec.structs.replace(old))
        done = kind.update(self._world, old.physical_id, old.properties, properties)
        self._stack.made[name] = msgspec.structs.replace(
            old,
            physical_id=done.physical_id,
            properties=properties,
            attributes=dict(done.attributes),
            retain=resource.retain,
        )
        self._tell(name, done.physical_id, resource.kind, "UPDATE_COMPLETE", "")

    # ── backwards ────────────────────────────────────────────────────────────────────────────

    def _creation_failed(self, reason: str) -> None:
        if self._stack.disable_rollback:
            self._status("CREATE_FAILED", reason)
            return
        self._status("ROLLBACK_IN_PROGRESS", f"{reason}Rollback requested by user.")
        failed = self._delete_all(frozenset(), creation=True)
        self._stack.outputs = []
        if failed:
            self._status("ROLLBACK_FAILED", f"[{', '.join(failed)}] could not be deleted")
        else:
            self._status("ROLLBACK_COMPLETE")

    def _update_failed(self, reason: str, before: Stack) -> None:
        stack = self._stack
        if stack.disable_rollback:
            self._status("UPDATE_FAILED", reason)
            return
        self._status("UPDATE_ROLLBACK_IN_PROGRESS", reason)
        stack.unrestored = [old for old in reversed(self._changed) if not self._restore(old)]
        for name in reversed(self._added):
            stack.leftovers.append(stack.made.pop(name))
        # What the change would have removed is still wanted.
        kept = [one for one in stack.leftovers if self._was_wanted(one, before)]
        for one in kept:
            stack.leftovers.remove(one)
            stack.made[one.logical_id] = one
        stack.made = {**{n: stack.made[n] for n in before.made if n in stack.made}, **stack.made}
        for name in ("template", "parameters", "tags", "capabilities", "outputs", "description"):
            setattr(stack, name, getattr(before, name))
        self._rolled_back()

    def _rolled_back(self) -> None:
        """The end of a rollback."""
        if self._stack.unrestored:
            names = ", ".join(one.logical_id for one in self._stack.unrestored)
            self._status(
                "UPDATE_ROLLBACK_FAILED",
                f"The following resource(s) failed to update: [{names}]. ",
            )
            return
        self._status("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        self._clean_up()
        self._status("UPDATE_ROLLBACK_COMPLETE")

    @staticmethod
    def _was_wanted(one: Made, before: Stack) -> bool:
        old = before.made.get(one.logical_id)
        return old is not None and old.physical_id == one.physical_id

    def _restore(self, old: Made) -> bool:
        """Put one resource back; False when that fails, too."""
        stack = self._stack
        now = stack.made.get(old.logical_id)
        if now is not None and now.physical_id != old.physical_id:
            # Replaced: the old one still exists, and the new one goes with the leftovers.
            stack.leftovers = [one for one in stack.leftovers if one.physical_id != old.physical_id]
            stack.leftovers.append(now)
            stack.made[old.logical_id] = old
            self._tell(old.logical_id, old.physical_id, old.kind, "UPDATE_COMPLETE", "")
            return True
        kind = self._kinds.find(old.kind)
        self._tell(old.logical_id, old.physical_id, old.kind, "UPDATE_IN_PROGRESS", "")
        try:
            # A change that failed half way may have done any part of it: all is set again.
            whole = now is not None and now.properties != old.properties
            current = now.properties if now is not None and whole else {}
            kind.update(self._world, old.physical_id, current, old.properties)
        except ResourceError as error:
            self._tell(old.logical_id, old.physical_id, old.kind, "UPDATE_FAILED", str(error))
            return False
        stack.made[old.logical_id] = old
        self._tell(old.logical_id, old.physical_id, old.kind, "UPDATE_COMPLETE", "")
        return True

    def _clear_abandoned(self) -> None:
        """Delete what was being made when the server was killed, where its name tells that."""
        stack = self._stack
        for logical_id in list(stack.making):
            state = stack.resource_states.get(logical_id)
            kind = None if state is None else self._kinds.find(state.kind)
            if isinstance(kind, Traceable):
                with contextlib.suppress(ResourceError):
                    kind.delete(self._world, kind.generated(self._world, logical_id), {})
            del stack.making[logical_id]

    def _clean_up(self) -> None:
        """Delete what nothing refers to any more; what cannot be deleted is said, and left."""
        for one in reversed(self._stack.leftovers):
            self._delete_one(one)
        self._stack.leftovers = []

    def _delete_all(self, retained: frozenset[str], *, creation: bool = False) -> list[str]:
        """Everything, in reverse; returns the logical ids that could not be deleted."""
        stack = self._stack
        self._clear_abandoned()
        self._clean_up()
        failed = []
        for name, made in reversed(list(stack.made.items())):
            if name in retained or (made.retain and not creation):
                self._tell(name, made.physical_id, made.kind, "DELETE_SKIPPED", "")
            elif not self._delete_one(made):
                failed.append(name)
                continue
            del stack.made[name]
        return failed

    def _delete_one(self, made: Made) -> bool:
        if made.retain and made.logical_id not in self._added:
            return True
        name, physical_id, kind = made.logical_id, made.physical_id, made.kind
        self._tell(name, physical_id, kind, "DELETE_IN_PROGRESS", "")
        try:
            self._kinds.find(kind).delete(self._world, physical_id, made.properties)
        except ResourceError as error:
            self._tell(name, physical_id, kind, "DELETE_FAILED", str(error))
            return False
        self._tell(name, physical_id, kind, "DELETE_COMPLETE", "")
        return True

    def _status(self, status: str, reason: str = "") -> None:
        stack = self._stack
        stack.status, stack.reason = status, reason
        self._tell(stack.name, stack.stack_id, STACK, status, reason)


def outputs(template: Template, resolver: Resolver, addresses: Mapping[str, str]) -> list[Output]:
    """Resolved outputs whose condition holds; `addresses` says what is put for which address."""
    found = []
    for key, one in template.outputs.items():
        if "Condition" in one and not resolver.condition(one["Condition"]):
            continue
        export = one.get("Export")
        value = str(resolver.resolve(one.get("Value")))
        for theirs, ours in addresses.items():
            value = value.replace(theirs, ours)
        found.append(
            Output(
                key=key,
                value=value,
                description=str(one.get("Description", "")),
                export=str(resolver.resolve(export["Name"])) if export else "",
            )
        )
    return found
