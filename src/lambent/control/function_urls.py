"""Function URL configs: the five operations.

A URL's `url_id` is random, as on AWS; an `Address` makes the `FunctionUrl` of it. Serving the URLs
is the gateway's work, which is told of them with the function's targets. (LAMBDA.md 60–61.)
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from typing import Any, Final

import msgspec

from lambent.clock import Clock, iso8601
from lambent.control.attachments import changed, place
from lambent.control.bundle import Bundle
from lambent.control.names import LATEST, FunctionRef, Scope, resolve
from lambent.control.paging import page
from lambent.control.registry import Registry
from lambent.control.requests import Request
from lambent.errors import ResourceConflict, ResourceNotFound
from lambent.store.records import FunctionUrl

_ALPHABET: Final = string.ascii_lowercase + string.digits
ABSENT: Final = "The resource you requested does not exist."


class Cors(Request, frozen=True, kw_only=True):
    allow_credentials: bool | None = None
    allow_headers: tuple[str, ...] | None = None
    allow_methods: tuple[str, ...] | None = None
    allow_origins: tuple[str, ...] | None = None
    expose_headers: tuple[str, ...] | None = None
    max_age: int | None = None


class CreateUrl(Request, frozen=True, kw_only=True):
    function_name: str
    auth_type: Any
    qualifier: str | None = None
    cors: Cors | None = None
    invoke_mode: Any = None


class UpdateUrl(Request, frozen=True, kw_only=True):
    function_name: str
    qualifier: str | None = None
    auth_type: Any = None
    cors: Cors | None = None
    invoke_mode: Any = None


class NamedUrl(Request, frozen=True, kw_only=True):
    """GetFunctionUrlConfig, DeleteFunctionUrlConfig."""

    function_name: str
    qualifier: str | None = None


class ListUrls(Request, frozen=True, kw_only=True):
    function_name: str
    marker: str | None = None
    max_items: int | None = None


Address = Callable[[str, str], str]
"""(url id, region) → the `FunctionUrl`: the gateway knows where it can be reached."""


def aws_address(url_id: str, region: str) -> str:
    """AWS's own form, where nobody serves URLs."""
    return f"https://{url_id}.lambda-url.{region}.on.aws/"


class FunctionUrls:
    """The URLs of all functions."""

    def __init__(self, registry: Registry, clock: Clock, address: Address = aws_address) -> None:
        self._registry = registry
        self._clock = clock
        self._address = address

    async def create(self, scope: Scope, request: CreateUrl) -> dict[str, Any]:
        name, qualifier = _named(scope, request, "CreateFunctionUrlConfig")

        def rule(old: Bundle | None) -> tuple[Bundle, dict[str, Any]]:
            if old is None or (qualifier is not None and qualifier not in old.aliases):
                raise ResourceNotFound("Function does not exist")
            old.refuse_tenants("Function URLs are")
            arn = scope.arn(name, qualifier)
            if place(qualifier) in old.function.urls:
                raise ResourceConflict(
                    f"Failed to create function url config for [functionArn = {arn}]. Error "
                    "message:  FunctionUrlConfig exists for this Lambda function"
                )
            now_ms = self._clock.time_ms()
            new = FunctionUrl(
                url_id="".join(secrets.choice(_ALPHABET) for _ in range(32)),
                auth_type=request.auth_type,
                created_ms=now_ms,
                modified_ms=now_ms,
                invoke_mode=request.invoke_mode or "BUFFERED",
                cors=_cors(request.cors),
            )
            shown = self._shown(scope, name, qualifier, new)
            del shown["LastModifiedTime"]
            if request.invoke_mode is None:
                del shown["InvokeMode"]
            return _with_url(old, qualifier, new), shown

        return await self._registry.change(scope, name, rule)

    async def update(self, scope: Scope, request: UpdateUrl) -> dict[str, Any]:
        name, qualifier = _named(scope, request, "UpdateFunctionUrlConfig")

        def rule(old: Bundle | None) -> tuple[Bundle, dict[str, Any]]:
            kept = None if old is None else old.function.urls.get(place(qualifier))
            if old is None or kept is None:
                raise ResourceNotFound(
                    "Function does not exist"
                    if old is None or (qualifier is not None and qualifier not in old.aliases)
                    else ABSENT
                )
            values: dict[str, Any] = {"modified_ms": self._clock.time_ms()}
            for member in ("auth_type", "invoke_mode"):
                if (value := getattr(request, member)) is not None:
                    values[member] = value
            if request.cors is not None:
                values["cors"] = _cors(request.cors)
            new = msgspec.structs.replace(kept, **values)
            return _with_url(old, qualifier, new), self._shown(scope, name, qualifier, new)

        return await self._registry.change(scope, name, rule)

    async def get(self, scope: Scope, request: NamedUrl) -> dict[str, Any]:
        name, qualifier = _named(scope, request, "GetFunctionUrlConfig")
        bundle = self._registry.get(scope, name)
        kept = None if bundle is None else bundle.function.urls.get(place(qualifier))
        if kept is None:
            raise ResourceNotFound(ABSENT)
        return self._shown(scope, name, qualifier, kept)

    async def delete(self, scope: Scope, request: NamedUrl) -> None:
        name, qualifier = _named(scope, request, "DeleteFunctionUrlConfig")

        def rule(old: Bundle | None) -> tuple[Bundle, None]:
            if old is None or place(qualifier) not in old.function.urls:
                raise ResourceNotFound(ABSENT)
            return _with_url(old, qualifier, None), None

        await self._registry.change(scope, name, rule)

    async def list(self, scope: Scope, request: ListUrls) -> dict[str, Any]:
        name = resolve(scope, request.function_name, operation="ListFunctionUrlConfigs").name
        bundle = self._registry.get(scope, name)
        if bundle is None:
            raise ResourceNotFound("Function does not exist")
        shown, marker = page(
            bundle.function.urls.items(), lambda i: [i[0]], request.marker, request.max_items
        )
        answer: dict[str, Any] = {
            "FunctionUrlConfigs": [
                self._shown(scope, name, None if place_ == LATEST else place_, url)
                for place_, url in shown
            ]
        }
        return answer if marker is msgspec.UNSET else {**answer, "NextMarker": marker}

    def _shown(
        self, scope: Scope, name: str, qualifier: str | None, url: FunctionUrl
    ) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "FunctionUrl": self._address(url.url_id, scope.region),
            "FunctionArn": scope.arn(name, qualifier),
            "AuthType": url.auth_type,
            "CreationTime": iso8601(url.created_ms, offset="Z"),
            "LastModifiedTime": iso8601(url.modified_ms, offset="Z"),
            "InvokeMode": url.invoke_mode,
        }
        if url.cors is not None:
            shown["Cors"] = url.cors
        return shown


def _named(scope: Scope, request: CreateUrl | UpdateUrl | NamedUrl, operation: str) -> FunctionRef:
    return resolve(scope, request.function_name, request.qualifier, operation=operation)


def _with_url(bundle: Bundle, qualifier: str | None, url: FunctionUrl | None) -> Bundle:
    urls = {k: v for k, v in bundle.function.urls.items() if k != place(qualifier)}
    if url is not None:
        urls[place(qualifier)] = url
    return changed(bundle, urls=urls)


def _cors(cors: Cors | None) -> dict[str, Any] | None:
    if cors is None:
        return None
    values = msgspec.to_builtins(cors)
    return {k: v for k, v in values.items() if v is not None}
