"""PutRuntimeManagementConfig and its reading: when a function gets a new patch of its runtime.

Patches here are whatever interpreter the machine's owner installs, so `Manual` only pins the ARN
that is shown. (AWS API reference, PutRuntimeManagementConfig.)
"""

from __future__ import annotations

from typing import Any

from lambent.control.attachments import changed, place, require
from lambent.control.bundle import Bundle
from lambent.control.names import Scope, not_found_text, resolve
from lambent.control.registry import Registry
from lambent.control.requests import Request
from lambent.errors import InvalidParameterValue, ResourceNotFound
from lambent.store.records import RuntimeManagement


class PutRuntimeManagement(Request, frozen=True, kw_only=True):
    function_name: str
    update_runtime_on: Any
    qualifier: str | None = None
    runtime_version_arn: str | None = None


class GetRuntimeManagement(Request, frozen=True, kw_only=True):
    function_name: str
    qualifier: str | None = None


class RuntimeManagements:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def put(self, scope: Scope, request: PutRuntimeManagement) -> dict[str, str]:
        name, qualifier = resolve(
            scope, request.function_name, request.qualifier, operation="PutRuntimeManagementConfig"
        )
        manual = request.update_runtime_on == "Manual"
        if manual and request.runtime_version_arn is None:
            raise InvalidParameterValue(
                "A RuntimeVersionArn is required when the runtime update mode is Manual."
            )
        if not manual and request.runtime_version_arn is not None:
            raise InvalidParameterValue(
                "A RuntimeVersionArn can only be given when the runtime update mode is Manual."
            )

        def rule(old: Bundle | None) -> tuple[Bundle, dict[str, str]]:
            if old is None:
                raise ResourceNotFound(not_found_text(scope, name, qualifier))
            require(old, qualifier)
            new = RuntimeManagement(
                update_on=request.update_runtime_on,
                runtime_version_arn=request.runtime_version_arn,
            )
            kept = {**old.function.runtime_managements, place(qualifier): new}
            return changed(old, runtime_managements=kept), _shown(old, qualifier, new)

        return await self._registry.change(scope, name, rule)

    async def get(self, scope: Scope, request: GetRuntimeManagement) -> dict[str, str]:
        name, qualifier = resolve(
            scope, request.function_name, request.qualifier, operation="GetRuntimeManagementConfig"
        )
        bundle = self._registry.get(scope, name)
        if bundle is None:
            raise ResourceNotFound(not_found_text(scope, name, qualifier))
        require(bundle, qualifier)
        kept = bundle.function.runtime_managements.get(place(qualifier), RuntimeManagement())
        return _shown(bundle, qualifier, kept)


def _shown(bundle: Bundle, qualifier: str | None, kept: RuntimeManagement) -> dict[str, str]:
    shown = {
        "UpdateRuntimeOn": kept.update_on,
        "FunctionArn": bundle.scope.arn(bundle.function.name, place(qualifier)),
    }
    if kept.runtime_version_arn:
        shown["RuntimeVersionArn"] = kept.runtime_version_arn
    return shown
