"""Stacks and change sets of a server: what CloudFormation's operations do.

Requests are checked here and answered at once; the work runs in threads, one change of a stack at a
time, and tells its progress as events. Everything is kept in the store, so that a restart finds the
stacks as they were; a change that a stop has cut short is failed, and can be done again.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
import structlog

from lambent.clock import Clock
from lambent.errors import (
    ChangeSetNotFound,
    InsufficientCapabilities,
    InvalidChangeSetStatus,
    StackError,
    StackExists,
)
from lambent.stacks import document, parameters
from lambent.stacks.document import Template
from lambent.stacks.kinds import Kinds, all_kinds
from lambent.stacks.kinds.kind import World
from lambent.stacks.own_clients import OwnClients
from lambent.stacks.plan import plan
from lambent.stacks.runner import Runner
from lambent.stacks.stack import EVENTS_KEPT, USABLE, ChangeSet, Event, Stack
from lambent.stacks.values import UNKNOWN, Resolver
from lambent.store import stacks as rows
from lambent.store.database import Database

log = structlog.get_logger()

NO_CHANGES: Final = (
    "The submitted information didn't contain changes. Submit different information to create a "
    "change set."
)
DELETED_KEPT_MS: Final = 90 * 24 * 3600 * 1000


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller wants a stack to be."""

    template: str
    parameters: Mapping[str, str] = {}
    keep: frozenset[str] = frozenset()
    """Parameters that stay as they are (UsePreviousValue)."""
    tags: Mapping[str, str] = {}
    capabilities: frozenset[str] = frozenset()
    role_arn: str = ""
    notifications: tuple[str, ...] = ()
    access_key: str = ""


class Stacks:
    """Every stack of a server."""

    def __init__(
        self, database: Database, clock: Clock, clients: OwnClients, kinds: Kinds | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._clients = clients
        self._kinds = kinds
        self._stacks: dict[str, Stack] = {}
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="lambent-stack")
        self._running: set[asyncio.Future[None]] = set()

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        for text in await self._database.read(lambda connection: list(rows.load(connection))):
            stack = msgspec.json.decode(text, type=Stack)
            self._stacks[stack.stack_id] = stack
            if stack.busy:
                status = stack.status.replace("_COMPLETE_CLEANUP", "").replace(
                    "_IN_PROGRESS", "_FAILED"
                )
                stack.status, stack.reason = status, "The server was stopped meanwhile."
                await self._save(stack)

    async def close(self) -> None:
        """Wait for what runs: what is half made has an owner only until then."""
        if self._running:
            await asyncio.wait(self._running)
        self._threads.shutdown()
        self._clients.close()

    def companion(self, service: str, region: str) -> Any:
        """A client of a service beside this one, for a thread."""
        return self._clients.companion(service, region)

    # ── looking ──────────────────────────────────────────────────────────────────────────────

    def find(self, account: str, region: str, name: str) -> Stack:
        """By name, which a deleted stack no longer has, or by id; raises `StackError`."""
        for stack in self._of(account, region):
            named = stack.name == name and stack.status != "DELETE_COMPLETE"
            if named or stack.stack_id == name:
                return stack
        raise StackError(f"Stack with id {name} does not exist")

    def all(self, account: str, region: str) -> list[Stack]:
        """Newest first, deleted ones of the last ninety days included."""
        oldest = self._clock.time_ms() - DELETED_KEPT_MS
        return [
            stack
            for stack in reversed(list(self._of(account, region)))
            if stack.deleted_ms is None or stack.deleted_ms > oldest
        ]

    def exports(self, account: str, region: str) -> dict[str, tuple[str, str]]:
        """Export name → (value, stack id)."""
        return {
            output.export: (output.value, stack.stack_id)
            for stack in self._of(account, region)
            for output in stack.outputs
            if output.export and stack.status != "DELETE_COMPLETE"
        }

    def importers(self, account: str, region: str, export: str) -> list[str]:
        """Names of the stacks that import `export`."""
        return [
            stack.name
            for stack in self._of(account, region)
            if stack.status != "DELETE_COMPLETE" and _imports(stack, export)
        ]

    def _of(self, account: str, region: str) -> Iterable[Stack]:
        return (s for s in self._stacks.values() if (s.account, s.region) == (account, region))

    # ── changing ─────────────────────────────────────────────────────────────────────────────

    async def create(
        self,
        account: str,
        region: str,
        name: str,
        wanted: Wanted,
        *,
        on_failure: str = "ROLLBACK",
        protected: bool = False,
    ) -> Stack:
        self._refuse_taken(account, region, name)
        template = await self._read(wanted, region)
        stack = self._new(account, region, name, "CREATE_IN_PROGRESS")
        self._take(stack, template, wanted, {})
        stack.disable_rollback = on_failure == "DO_NOTHING"
        stack.protected = protected
        self._preview(stack, template)
        self._stacks[stack.stack_id] = stack
        await self._save(stack)
        self._start(stack, lambda run: self._create(run, template, stack, on_failure))
        return stack

    async def update(
        self, stack: Stack, wanted: Wanted, *, disable_rollback: bool = False
    ) -> Stack:
        self._refuse_unusable(stack, "updated")
        template = await self._read(wanted, stack.region)
        after = msgspec.structs.replace(stack)
        self._take(after, template, wanted, stack.parameters)
        if not self._preview(after, template) and _same(stack, after):
            raise StackError("No updates are to be performed.")
        self._begin_update(stack, template, wanted, disable_rollback=disable_rollback)
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
        for output in stack.outputs:
            if output.export and (
                users := self.importers(stack.account, stack.region, output.export)
            ):
                raise StackError(
                    f"Export {output.export} cannot be deleted as it is in use by {', '.join(users)}"
                )
        stack.access_key = access_key
        stack.status = "DELETE_IN_PROGRESS"
        self._start(stack, lambda run: self._delete(run, stack, retained))

    def _begin_update(
        self,
        stack: Stack,
        template: Template,
        wanted: Wanted,
        *,
        disable_rollback: bool,
        change_set: ChangeSet | None = None,
    ) -> None:
        before = msgspec.structs.replace(stack, made=dict(stack.made))
        self._take(stack, template, wanted, before.parameters)
        stack.status = "UPDATE_IN_PROGRESS"
        stack.updated_ms = self._clock.time_ms()
        stack.disable_rollback = disable_rollback
        exports = self._exports(stack)
        self._start(stack, lambda run: run.update(template, exports, before), change_set)

    # ── change sets ──────────────────────────────────────────────────────────────────────────

    async def create_change_set(
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
        stack = self._stack_for(account, region, stack_name, kind)
        taken = stack.change_sets.get(name)
        # One that was executed, or cannot be, is history: the AWS CLI names its own by the second.
        if taken is not None and taken.execution in {"AVAILABLE", "EXECUTE_IN_PROGRESS"}:
            raise StackExists(f"ChangeSet {name} already exists")
        template = await self._read(wanted, region)
        before = msgspec.structs.replace(stack)
        after = msgspec.structs.replace(stack)
        self._take(after, template, wanted, stack.parameters)
        changes = self._preview(after, template)
        change_set = ChangeSet(
            change_set_id=f"arn:aws:cloudformation:{region}:{account}:changeSet/{name}/{uuid.uuid4()}",
            name=name,
            kind=kind,
            created_ms=self._clock.time_ms(),
            template=wanted.template,
            parameters=after.parameters,
            tags=after.tags,
            capabilities=sorted(wanted.capabilities),
            changes=changes,
            description=description,
            on_failure=on_failure,
        )
        if not changes and kind == "UPDATE" and _same(before, after):
            change_set.status, change_set.execution = "FAILED", "UNAVAILABLE"
            change_set.reason = NO_CHANGES
        self._stacks[stack.stack_id] = stack
        stack.change_sets[name] = change_set
        await self._save(stack)
        return stack, change_set

    def _stack_for(self, account: str, region: str, name: str, kind: str) -> Stack:
        try:
            stack = self.find(account, region, name)
        except StackError:
            if kind != "CREATE":
                raise StackError(f"Stack [{name}] does not exist") from None
            return self._new(account, region, name, "REVIEW_IN_PROGRESS")
        if kind == "CREATE" and stack.status != "REVIEW_IN_PROGRESS":
            raise StackError(
                f"Stack [{name}] already exists and cannot be created again with the changeSet [{name}]."
            )
        if kind == "UPDATE":
            if stack.status == "REVIEW_IN_PROGRESS":
                raise StackError(
                    f"Stack [{name}] is in REVIEW_IN_PROGRESS: its change set is of type CREATE"
                )
            self._refuse_unusable(stack, "updated")
        return stack

    def find_change_set(
        self, account: str, region: str, name: str, stack_name: str | None
    ) -> tuple[Stack, ChangeSet]:
        """By name within a stack, or by id; raises `ChangeSetNotFound`."""
        stacks = self._of(account, region)
        if stack_name is not None:
            stacks = [self.find(account, region, stack_name)]
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
        if change_set.execution != "AVAILABLE":
            raise InvalidChangeSetStatus(
                f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current status "
                f"of [{change_set.status}]"
            )
        wanted = Wanted(
            template=change_set.template,
            parameters=change_set.parameters,
            tags=change_set.tags,
            capabilities=frozenset(change_set.capabilities),
            access_key=access_key,
        )
        template = await self._read(wanted, stack.region)
        change_set.execution = "EXECUTE_IN_PROGRESS"
        # Executing one outdates all others.
        stack.change_sets = {change_set.name: change_set}
        if change_set.kind == "CREATE":
            self._take(stack, template, wanted, {})
            stack.status = "CREATE_IN_PROGRESS"
            stack.disable_rollback = disable_rollback or change_set.on_failure == "DO_NOTHING"
            on_failure = change_set.on_failure or "ROLLBACK"
            self._start(
                stack, lambda run: self._create(run, template, stack, on_failure), change_set
            )
            return
        self._refuse_unusable(stack, "updated")
        self._begin_update(
            stack, template, wanted, disable_rollback=disable_rollback, change_set=change_set
        )

    async def delete_change_set(self, stack: Stack, change_set: ChangeSet) -> None:
        if change_set.execution == "EXECUTE_IN_PROGRESS":
            raise InvalidChangeSetStatus(
                f"The ChangeSet [{change_set.name}] is being executed and cannot be deleted"
            )
        stack.change_sets.pop(change_set.name, None)
        await self._save(stack)

    async def protect(self, stack: Stack, *, protected: bool) -> None:
        """Termination protection on or off."""
        stack.protected = protected
        await self._save(stack)

    # ── rules ────────────────────────────────────────────────────────────────────────────────

    def _refuse_taken(self, account: str, region: str, name: str) -> None:
        try:
            stack = self.find(account, region, name)
        except StackError:
            return
        if stack.status == "REVIEW_IN_PROGRESS":
            return
        raise StackExists(f"Stack [{name}] already exists")

    @staticmethod
    def _refuse_unusable(stack: Stack, verb: str) -> None:
        if stack.status not in USABLE and stack.status != "UPDATE_FAILED":
            raise StackError(
                f"Stack:{stack.stack_id} is in {stack.status} state and can not be {verb}."
            )

    async def _read(self, wanted: Wanted, region: str) -> Template:
        template = document.read(wanted.template)
        if template.transforms and "CAPABILITY_AUTO_EXPAND" not in wanted.capabilities:
            raise InsufficientCapabilities("Requires capabilities : [CAPABILITY_AUTO_EXPAND]")
        bound = {name: one.default or "" for name, one in template.parameters.items()} | dict(
            wanted.parameters
        )
        if template.transforms:
            # The translator takes a second to import the first time.
            template = await self._loop.run_in_executor(
                self._threads, document.transformed, template, bound, region
            )
        _require_capabilities(template, wanted.capabilities)
        return template

    def _take(
        self, stack: Stack, template: Template, wanted: Wanted, previous: Mapping[str, str]
    ) -> None:
        """Make `wanted` what the stack shall be."""
        stack.parameters = parameters.bind(template, wanted.parameters, wanted.keep, previous)
        stack.template = wanted.template
        stack.description = template.description
        stack.tags = dict(wanted.tags)
        stack.capabilities = sorted(wanted.capabilities)
        stack.role_arn = wanted.role_arn or stack.role_arn
        stack.notifications = list(wanted.notifications)
        stack.access_key = wanted.access_key

    def _preview(self, stack: Stack, template: Template) -> list[Any]:
        """The changes, as far as they are known; raises what makes them impossible."""

        def attribute(logical_id: str, name: str | None) -> Any:
            template.resources[logical_id]  # a name that the template lacks is a mistake in it
            made = stack.made.get(logical_id)
            if made is None:
                return UNKNOWN
            return made.physical_id if name is None else made.attributes.get(name, UNKNOWN)

        values = parameters.values(template, stack.parameters)
        exports = self._exports(stack)
        resolver = Resolver(template, values, stack.pseudo, attribute, exports)
        return plan(template, resolver, stack.made, self._known_kinds())

    def _known_kinds(self) -> Kinds:
        if self._kinds is None:
            self._kinds = all_kinds()
        return self._kinds

    def _exports(self, stack: Stack) -> dict[str, str]:
        found = self.exports(stack.account, stack.region)
        return {name: value for name, (value, _) in found.items()}

    # ── the work ─────────────────────────────────────────────────────────────────────────────

    def _new(self, account: str, region: str, name: str, status: str) -> Stack:
        return Stack(
            stack_id=f"arn:aws:cloudformation:{region}:{account}:stack/{name}/{uuid.uuid4()}",
            name=name,
            account=account,
            region=region,
            status=status,
            created_ms=self._clock.time_ms(),
        )

    def _create(self, run: Runner, template: Template, stack: Stack, on_failure: str) -> None:
        run.create(template, self._exports(stack))
        if on_failure == "DELETE" and stack.status.startswith("ROLLBACK"):
            self._delete(run, stack, frozenset())

    def _delete(self, run: Runner, stack: Stack, retained: frozenset[str]) -> None:
        run.delete(retained)
        if stack.status == "DELETE_COMPLETE":
            stack.deleted_ms = self._clock.time_ms()
            self._save_from_thread(stack)

    def _start(
        self, stack: Stack, work: Callable[[Runner], None], change_set: ChangeSet | None = None
    ) -> None:
        world = World(
            account=stack.account,
            region=stack.region,
            stack_name=stack.name,
            stack_id=stack.stack_id,
            client=lambda service: self._clients.client(
                service, stack.account, stack.region, stack.access_key
            ),
            has_endpoint=self._clients.has_endpoint,
            tags=dict(stack.tags),
        )

        def tell(logical_id: str, physical_id: str, kind: str, status: str, reason: str) -> None:
            self._told(stack, (logical_id, physical_id, kind, status, reason))

        runner = Runner(stack, self._known_kinds(), world, tell)

        def run() -> None:
            try:
                work(runner)
                if change_set is not None:
                    failed = not stack.status.endswith("_COMPLETE") or "ROLLBACK" in stack.status
                    change_set.execution = "EXECUTE_FAILED" if failed else "EXECUTE_COMPLETE"
                    self._save_from_thread(stack)
            except Exception as error:  # a mistake of ours: the stack says so, and can be deleted
                log.exception("stack.run_failed", stack=stack.stack_id)
                stack.status = stack.status.replace("_IN_PROGRESS", "_FAILED")
                stack.reason = f"Internal Failure: {type(error).__name__}"
                self._save_from_thread(stack)

        future = self._loop.run_in_executor(self._threads, run)
        self._running.add(future)
        future.add_done_callback(self._running.discard)

    def _told(self, stack: Stack, what: tuple[str, str, str, str, str]) -> None:
        """In the stack's thread: an event, and all of it on disk."""
        logical_id, physical_id, kind, status, reason = what
        event = Event(
            event_id=f"{logical_id}-{status}-{uuid.uuid4()}"
            if kind != _STACK
            else str(uuid.uuid4()),
            time_ms=self._clock.time_ms(),
            logical_id=logical_id,
            physical_id=physical_id,
            kind=kind,
            status=status,
            reason=reason,
        )
        stack.events = [*stack.events[-EVENTS_KEPT + 1 :], event]
        if kind != _STACK:
            stack.resource_states = {**stack.resource_states, logical_id: event}
        self._save_from_thread(stack)

    def _save_from_thread(self, stack: Stack) -> None:
        asyncio.run_coroutine_threadsafe(self._save(stack), self._loop).result()

    async def _save(self, stack: Stack) -> None:
        text = msgspec.json.encode(stack)
        await self._database.write(
            lambda connection: rows.put(
                connection, stack.account, stack.region, stack.stack_id, text
            )
        )


_STACK: Final = "AWS::CloudFormation::Stack"


def _require_capabilities(template: Template, capabilities: frozenset[str]) -> None:
    named = plain = False
    for resource in template.resources.values():
        if resource.kind.startswith("AWS::IAM::"):
            plain = True
            named = named or bool(
                {"RoleName", "ManagedPolicyName", "UserName", "GroupName"}
                & set(resource.properties)
            )
    if named and "CAPABILITY_NAMED_IAM" not in capabilities:
        raise InsufficientCapabilities("Requires capabilities : [CAPABILITY_NAMED_IAM]")
    if plain and not {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"} & capabilities:
        raise InsufficientCapabilities("Requires capabilities : [CAPABILITY_IAM]")


def _same(before: Stack, after: Stack) -> bool:
    """Whether nothing changes but, perhaps, resources."""
    return (
        before.tags == after.tags
        and before.parameters == after.parameters
        and _outputs_of(before.template) == _outputs_of(after.template)
    )


def _outputs_of(text: str) -> Any:
    return document.read(text).outputs if text else {}


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
