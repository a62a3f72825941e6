"""Event source mappings: five operations, their states, and what each kind of source takes.

A change is Creating, Updating, Enabling, Disabling or Deleting for a visible moment and refuses
others meanwhile; a mapping outlives its function (LAMBDA.md 86–88). The rules about members are
data (`source_kinds`) and `mapping_rules`; `events/sources` polls what is Enabled and hears of every
change through `on_change`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any, Final

import apsw
import msgspec
import structlog

from lambent.clock import Clock
from lambent.control import mapping_rules
from lambent.control.attachments import has
from lambent.control.mapping_rules import CreateMapping, UpdateMapping
from lambent.control.names import FunctionRef, Scope, partition, resolve
from lambent.control.paging import page
from lambent.control.registry import Registry
from lambent.control.requests import Request
from lambent.control.shelf import Shelf
from lambent.control.source_kinds import kind_of
from lambent.control.source_lookup import SourceLookup
from lambent.errors import InvalidParameterValue, ResourceConflict, ResourceInUse, ResourceNotFound
from lambent.store.records import EventSourceMapping

log = structlog.get_logger("lambent.control")

ABSENT: Final = "The resource you requested does not exist."
_CHANGING: Final = {"Creating", "Enabling", "Disabling", "Updating", "Deleting"}
RETRY_S: Final = 1.0


class NamedMapping(Request, frozen=True, kw_only=True):
    """GetEventSourceMapping, DeleteEventSourceMapping."""

    uuid: str = msgspec.field(name="UUID")


class ListMappings(Request, frozen=True, kw_only=True):
    event_source_arn: str | None = None
    function_name: str | None = None
    marker: str | None = None
    max_items: int | None = None


class EventSourceMappings:
    """The mappings of all accounts and regions."""

    def __init__(
        self,
        shelf: Shelf[EventSourceMapping],
        registry: Registry,
        lookup: SourceLookup,
        clock: Clock,
        new_id: Callable[[], str],
        state_delay_s: float,
    ) -> None:
        self.shelf = shelf
        self._registry = registry
        self._lookup = lookup
        self._clock = clock
        self._new_id = new_id
        self._state_delay_s = state_delay_s
        self._waiting: set[asyncio.Task[None]] = set()
        self.on_change: Callable[[Scope, EventSourceMapping | None, str], None] = _nobody
        """Called with the mapping as it is now, None when it is gone, and its UUID."""

    async def open(self) -> None:
        """Complete what a kill interrupted."""
        for scope, mapping in self.shelf.everything():
            if mapping.state in _CHANGING:
                await self._settle(scope, mapping.uuid)

    async def close(self) -> None:
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    async def create(self, scope: Scope, request: CreateMapping) -> dict[str, Any]:
        config = mapping_rules.created(request)
        kind = kind_of(config)
        ref = self._function(scope, request.function_name, "CreateEventSourceMapping")
        self._check_duplicate(scope, config, ref)
        await self._lookup.check(scope, kind, config)
        mapping = EventSourceMapping(
            uuid=self._new_id(),
            function=ref.name,
            qualifier=ref.qualifier,
            state="Creating",
            enabled=request.enabled is not False,
            reason=kind.reason,
            last_result=mapping_rules.first_result(kind),
            modified_ms=self._clock.time_ms(),
            started_ms=self._clock.time_ms(),
            config=mapping_rules.completed(kind, config, self._new_id),
            tags=request.tags or {},
        )

        def rule(_: EventSourceMapping | None) -> tuple[EventSourceMapping, dict[str, Any]]:
            self._check_duplicate(scope, config, ref)
            return mapping, shown(scope, mapping)

        answer = await self.shelf.change(scope, mapping.uuid, rule)
        if not kind.polled:
            log.warning("mapping.not_polled", mapping=mapping.uuid, source=kind.name)
        await self._follow(scope, mapping)
        return answer

    async def get(self, scope: Scope, request: NamedMapping) -> dict[str, Any]:
        return shown(scope, self._find(scope, request.uuid))

    async def update(self, scope: Scope, request: UpdateMapping) -> dict[str, Any]:
        present = self._find(scope, request.uuid)
        config = mapping_rules.updated(present.config, request)
        ref = FunctionRef(present.function, present.qualifier)
        if request.function_name is not None:
            ref = self._function(scope, request.function_name, "UpdateEventSourceMapping")

        def rule(old: EventSourceMapping | None) -> tuple[EventSourceMapping, EventSourceMapping]:
            mapping = self._free(old, "update")
            enabled = mapping.enabled if request.enabled is None else request.enabled
            state: Any = "Updating"
            if enabled != mapping.enabled:
                state = "Enabling" if enabled else "Disabling"
            new = msgspec.structs.replace(
                mapping,
                function=ref.name,
                qualifier=ref.qualifier,
                config=config,
                enabled=enabled,
                state=state,
                modified_ms=self._clock.time_ms(),
            )
            return new, new

        new = await self.shelf.change(scope, request.uuid, rule)
        await self._follow(scope, new)
        return shown(scope, new)

    async def delete(self, scope: Scope, request: NamedMapping) -> dict[str, Any]:
        def rule(old: EventSourceMapping | None) -> tuple[EventSourceMapping, EventSourceMapping]:
            new = msgspec.structs.replace(
                self._free(old, "delete"), state="Deleting", modified_ms=self._clock.time_ms()
            )
            return new, new

        new = await self.shelf.change(scope, request.uuid, rule)
        await self._follow(scope, new)
        return shown(scope, new)

    async def list(self, scope: Scope, request: ListMappings) -> dict[str, Any]:
        wanted = None
        if request.function_name is not None:
            wanted = resolve(scope, request.function_name, operation="ListEventSourceMappings")
        source = request.event_source_arn
        found = [
            mapping
            for mapping in self.shelf.all(scope)
            if (source is None or mapping.config.get("EventSourceArn") == source)
            and (wanted is None or (mapping.function, mapping.qualifier) == wanted)
        ]
        items, marker = page(found, lambda m: [m.uuid], request.marker, request.max_items)
        answer: dict[str, Any] = {"EventSourceMappings": [shown(scope, each) for each in items]}
        return answer if marker is msgspec.UNSET else {**answer, "NextMarker": marker}

    async def processed(self, scope: Scope, uuid: str, result: str | None) -> None:
        """A poller says how its last batch ended; written only when it is another word."""

        def rule(old: EventSourceMapping | None) -> tuple[EventSourceMapping | None, None]:
            if old is None or old.last_result == result:
                return old, None
            return msgspec.structs.replace(old, last_result=result), None

        await self.shelf.change(scope, uuid, rule)

    async def reached(self, scope: Scope, uuid: str, shard: str, position: str) -> None:
        """A poller says how far it has done a shard."""

        def rule(old: EventSourceMapping | None) -> tuple[EventSourceMapping | None, None]:
            if old is None:
                return None, None
            positions = {**old.positions, shard: position}
            return msgspec.structs.replace(old, positions=positions), None

        await self.shelf.change(scope, uuid, rule)

    async def forget(self, scope: Scope, uuid: str, shards: AbstractSet[str]) -> None:
        """Shards that the stream no longer has: nobody will ask where they were left."""

        def rule(old: EventSourceMapping | None) -> tuple[EventSourceMapping | None, None]:
            if old is None:
                return None, None
            kept = {name: at for name, at in old.positions.items() if name not in shards}
            return msgspec.structs.replace(old, positions=kept), None

        await self.shelf.change(scope, uuid, rule)

    def _find(self, scope: Scope, uuid: str) -> EventSourceMapping:
        mapping = self.shelf.get(scope, uuid)
        if mapping is None:
            raise ResourceNotFound(ABSENT)
        return mapping

    def _free(self, mapping: EventSourceMapping | None, verb: str) -> EventSourceMapping:
        if mapping is None:
            raise ResourceNotFound(ABSENT)
        if mapping.state in _CHANGING:
            raise ResourceInUse(f"Cannot {verb} the event source mapping because it is in use.")
        return mapping

    def _function(self, scope: Scope, function_name: str, operation: str) -> FunctionRef:
        ref = resolve(scope, function_name, operation=operation)
        bundle = self._registry.get(scope, ref.name)
        if bundle is None or not has(bundle, ref.qualifier):
            raise InvalidParameterValue("Function does not exist")
        return ref

    def _check_duplicate(self, scope: Scope, config: dict[str, Any], ref: FunctionRef) -> None:
        arn = config.get("EventSourceArn")
        for other in self.shelf.all(scope):
            same = other.config.get("EventSourceArn") == arn and all(
                other.config.get(member) == config.get(member)
                for member in ("Topics", "Queues", "SelfManagedEventSource")
            )
            if not same or (other.function, other.qualifier) != ref:
                continue
            end = f"Please update or delete the existing mapping with UUID {other.uuid}"
            if kind_of(config).name == "sqs":
                raise ResourceConflict(
                    f'An event source mapping with SQS arn (" {arn} ") and function '
                    f'(" {ref.name} ") already exists. {end}'
                )
            raise ResourceConflict(
                f'The event source arn (" {arn} ") and function (" {ref.name} ") provided mapping '
                f"already exists. {end}"
            )

    # ── states ───────────────────────────────────────────────────────────────────────────────

    async def _follow(self, scope: Scope, mapping: EventSourceMapping) -> None:
        """Tell the pollers, and end the transition after its visible moment."""
        self.on_change(scope, mapping, mapping.uuid)
        if self._state_delay_s <= 0:
            await self._settle(scope, mapping.uuid)
        else:
            self._start(self._settle_later(scope, mapping.uuid))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _settle_later(self, scope: Scope, uuid: str) -> None:
        await self._clock.sleep(self._state_delay_s)
        while True:
            try:
                return await self._settle(scope, uuid)
            except apsw.Error as error:
                log.error("transition.failed", mapping=uuid, error=str(error))
            await self._clock.sleep(RETRY_S)

    async def _settle(self, scope: Scope, uuid: str) -> None:
        def rule(
            old: EventSourceMapping | None,
        ) -> tuple[EventSourceMapping | None, EventSourceMapping | None]:
            if old is None or old.state == "Deleting":
                return None, None
            new = msgspec.structs.replace(old, state="Enabled" if old.enabled else "Disabled")
            return new, new

        self.on_change(scope, await self.shelf.change(scope, uuid, rule), uuid)


def shown(scope: Scope, mapping: EventSourceMapping) -> dict[str, Any]:
    """A mapping by AWS's names."""
    config = {k: v for k, v in mapping.config.items() if v is not None}
    if "StartingPositionTimestamp" in config:
        config["StartingPositionTimestamp"] = datetime.fromtimestamp(
            config["StartingPositionTimestamp"], UTC
        )
    answer: dict[str, Any] = {
        "UUID": mapping.uuid,
        **config,
        "FunctionArn": scope.arn(mapping.function, mapping.qualifier),
        "LastModified": datetime.fromtimestamp(mapping.modified_ms / 1000, UTC),
        "State": mapping.state,
        "StateTransitionReason": mapping.reason,
        "EventSourceMappingArn": mapping_arn(scope, mapping.uuid),
    }
    if mapping.last_result is not None:
        answer["LastProcessingResult"] = mapping.last_result
    return answer


def mapping_arn(scope: Scope, uuid: str) -> str:
    return (
        f"arn:{partition(scope.region)}:lambda:{scope.region}:{scope.account}"
        f":event-source-mapping:{uuid}"
    )


def _nobody(scope: Scope, mapping: EventSourceMapping | None, uuid: str) -> None:
    """Until pollers listen."""
