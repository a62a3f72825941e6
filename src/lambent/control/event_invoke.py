"""Event invoke configs: retries, age limit and destinations of asynchronous invokes.

Five operations; each config belongs to one qualifier (LAMBDA.md 55). What it does is in `events`:
`policy` counts, `destinations` sends.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from lambent.clock import Clock
from lambent.control.attachments import changed, has, place
from lambent.control.bundle import Bundle
from lambent.control.names import Scope, resolve
from lambent.control.paging import page
from lambent.control.registry import Registry
from lambent.control.requests import Request
from lambent.errors import InvalidParameterValue, ResourceNotFound
from lambent.store.records import EventInvoke

_TARGET: Final = re.compile(
    r"arn:aws[a-zA-Z0-9-]*:"
    r"(sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+(\.fifo)?"
    r"|sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+(\.fifo)?"
    r"|events:[a-z0-9-]+:\d{12}:event-bus/[A-Za-z0-9._/-]+"
    r"|lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]+(:(\$LATEST|[A-Za-z0-9_-]+))?"
    r"|s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])"
)

_SERVICES: Final = frozenset({"sqs", "sns", "events", "lambda", "s3"})
"""What may be a destination; a bucket of failures only."""


class Destination(Request, frozen=True, kw_only=True):
    destination: str | None = None


class DestinationConfig(Request, frozen=True, kw_only=True):
    on_success: Destination | None = None
    on_failure: Destination | None = None


class WriteEventInvoke(Request, frozen=True, kw_only=True):
    """PutFunctionEventInvokeConfig, UpdateFunctionEventInvokeConfig."""

    function_name: str
    qualifier: str | None = None
    maximum_retry_attempts: int | None = None
    maximum_event_age_in_seconds: int | None = None
    destination_config: DestinationConfig | None = None


class NamedEventInvoke(Request, frozen=True, kw_only=True):
    """GetFunctionEventInvokeConfig, DeleteFunctionEventInvokeConfig."""

    function_name: str
    qualifier: str | None = None


class ListEventInvokes(Request, frozen=True, kw_only=True):
    function_name: str
    marker: str | None = None
    max_items: int | None = None


class EventInvokes:
    """The configs of all functions."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock

    async def put(self, scope: Scope, request: WriteEventInvoke) -> dict[str, Any]:
        """Replaces: what is not named is gone."""
        return await self._write(
            scope, request, "PutFunctionEventInvokeConfig", lambda _: EventInvoke(modified_ms=0)
        )

    async def update(self, scope: Scope, request: WriteEventInvoke) -> dict[str, Any]:
        """Merges into what is there, which must be."""
        arn = _arn(scope, *resolve(
            scope, request.function_name, request.qualifier,
            operation="UpdateFunctionEventInvokeConfig",
        ))  # fmt: skip

        def base(old: EventInvoke | None) -> EventInvoke:
            if old is None:
                raise _none(arn)
            return old

        return await self._write(scope, request, "UpdateFunctionEventInvokeConfig", base)

    async def get(self, scope: Scope, request: NamedEventInvoke) -> dict[str, Any]:
        name, qualifier = resolve(
            scope, request.function_name, request.qualifier,
            operation="GetFunctionEventInvokeConfig",
        )  # fmt: skip
        bundle = self._registry.get(scope, name)
        kept = None if bundle is None else bundle.function.event_invokes.get(place(qualifier))
        if kept is None:
            raise _none(_arn(scope, name, qualifier))
        return _shown(_arn(scope, name, qualifier), kept)

    async def delete(self, scope: Scope, request: NamedEventInvoke) -> None:
        name, qualifier = resolve(
            scope, request.function_name, request.qualifier,
            operation="DeleteFunctionEventInvokeConfig",
        )  # fmt: skip

        def rule(old: Bundle | None) -> tuple[Bundle, None]:
            if old is None or place(qualifier) not in old.function.event_invokes:
                raise _none(_arn(scope, name, qualifier))
            kept = {k: v for k, v in old.function.event_invokes.items() if k != place(qualifier)}
            return changed(old, event_invokes=kept), None

        await self._registry.change(scope, name, rule)

    async def list(self, scope: Scope, request: ListEventInvokes) -> dict[str, Any]:
        name = resolve(
            scope, request.function_name, operation="ListFunctionEventInvokeConfigs"
        ).name
        bundle = self._registry.get(scope, name)
        if bundle is None:
            raise ResourceNotFound("The function doesn't exist.")
        shown, marker = page(
            bundle.function.event_invokes.items(), lambda i: [i[0]], request.marker,
            request.max_items,
        )  # fmt: skip
        answer: dict[str, Any] = {
            "FunctionEventInvokeConfigs": [_shown(scope.arn(name, q), kept) for q, kept in shown]
        }
        return answer if marker is msgspec.UNSET else {**answer, "NextMarker": marker}

    async def _write(
        self,
        scope: Scope,
        request: WriteEventInvoke,
        operation: str,
        base: Callable[[EventInvoke | None], EventInvoke],
    ) -> dict[str, Any]:
        _check_something(request)
        name, qualifier = resolve(
            scope, request.function_name, request.qualifier, operation=operation
        )
        given = _given(request)

        def rule(old: Bundle | None) -> tuple[Bundle, dict[str, Any]]:
            if old is None or not has(old, qualifier):
                raise ResourceNotFound("The function doesn't exist.")
            for member in ("on_success", "on_failure"):
                self._check_destination(old, request, member, given.get(member))
            kept = base(old.function.event_invokes.get(place(qualifier)))
            new = msgspec.structs.replace(kept, **given, modified_ms=self._clock.time_ms())
            configs = {**old.function.event_invokes, place(qualifier): new}
            bundle = changed(old, event_invokes=configs)
            return bundle, _shown(_arn(scope, name, qualifier), new)

        return await self._registry.change(scope, name, rule)

    def _check_destination(
        self, bundle: Bundle, request: WriteEventInvoke, member: str, arn: str | None
    ) -> None:
        """A kind that cannot be one is told with the whole config, a bad ARN of a kind by itself."""
        if not arn:
            return
        service = arn.split(":", 3)[2] if arn.count(":") >= 5 else ""
        if service not in _SERVICES or (service == "s3" and member == "on_success"):
            raise InvalidParameterValue(
                f"The provided destination config {_printed(request.destination_config)} is invalid."
            )
        if arn == bundle.arn or arn.startswith(f"{bundle.arn}:"):
            raise InvalidParameterValue(
                "You can't specify the function as a destination for itself."
            )
        if not _TARGET.fullmatch(arn) or not self._exists(bundle.scope, arn):
            raise InvalidParameterValue(f"The destination ARN {arn} is invalid.")

    def _exists(self, scope: Scope, arn: str) -> bool:
        """Only of this account's functions is it known; whatever else is there is somebody's."""
        own = scope.arn("")
        if not arn.startswith(own):
            return True
        name, _, qualifier = arn.removeprefix(own).partition(":")
        bundle = self._registry.get(scope, name)
        return bundle is not None and has(bundle, qualifier or None)


def _check_something(request: WriteEventInvoke) -> None:
    named = (
        request.maximum_retry_attempts,
        request.maximum_event_age_in_seconds,
        request.destination_config,
    )
    if all(each is None for each in named):
        raise InvalidParameterValue(
            "You must specify at least one of error handling or destination setting."
        )


def _given(request: WriteEventInvoke) -> dict[str, Any]:
    """What a request says, by our names; an empty destination takes one away."""
    given: dict[str, Any] = {}
    if request.maximum_retry_attempts is not None:
        given["maximum_retry_attempts"] = request.maximum_retry_attempts
    if request.maximum_event_age_in_seconds is not None:
        given["maximum_event_age_s"] = request.maximum_event_age_in_seconds
    if request.destination_config is not None:
        for member in ("on_success", "on_failure"):
            said: Destination | None = getattr(request.destination_config, member)
            if said is not None:
                given[member] = said.destination or None
    return given


def _printed(config: DestinationConfig | None) -> str:
    """As AWS's own classes print themselves."""
    success = None if config is None else config.on_success
    failure = None if config is None else config.on_failure
    shown = [
        "null" if said is None else f"{kind}(destination={said.destination or 'null'})"
        for kind, said in (("OnSuccess", success), ("OnFailure", failure))
    ]
    return f"DestinationConfig(onSuccess={shown[0]}, onFailure={shown[1]})"


def _arn(scope: Scope, name: str, qualifier: str | None) -> str:
    return scope.arn(name, place(qualifier))


def _none(arn: str) -> ResourceNotFound:
    return ResourceNotFound(f"The function {arn} doesn't have an EventInvokeConfig")


def _shown(arn: str, kept: EventInvoke) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "LastModified": datetime.fromtimestamp(kept.modified_ms / 1000, UTC),
        "FunctionArn": arn,
        "DestinationConfig": {
            "OnSuccess": {"Destination": kept.on_success} if kept.on_success else {},
            "OnFailure": {"Destination": kept.on_failure} if kept.on_failure else {},
        },
    }
    if kept.maximum_retry_attempts is not None:
        shown["MaximumRetryAttempts"] = kept.maximum_retry_attempts
    if kept.maximum_event_age_s is not None:
        shown["MaximumEventAgeInSeconds"] = kept.maximum_event_age_s
    return shown
