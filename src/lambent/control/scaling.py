"""How many environments a version on a capacity provider has at least, and at most.

(AWS Lambda developer guide, "Scaling Lambda Managed Instances".) The engine hears of it with the
version's target: the least stand before anybody calls, and beyond the most calls are throttled.
"""

from __future__ import annotations

import msgspec

from lambent.control.answers import shown_state
from lambent.control.bundle import Bundle
from lambent.control.capacity_requests import (
    FunctionStateAnswer,
    GetScalingConfig,
    PutScalingConfig,
    ScalingConfig,
    ScalingConfigAnswer,
)
from lambent.control.names import Scope, not_found_text, resolve
from lambent.control.registry import Registry
from lambent.errors import InvalidParameterValue, ResourceNotFound
from lambent.store.records import Scaling


class FunctionScaling:
    """PutFunctionScalingConfig, GetFunctionScalingConfig."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def put(self, scope: Scope, request: PutScalingConfig) -> FunctionStateAnswer:
        """An empty configuration removes the bounds; both at 0 deactivate the version."""
        name, _ = resolve(
            scope, request.function_name, request.qualifier, operation="PutFunctionScalingConfig"
        )
        asked = request.function_scaling_config or ScalingConfig()
        least, most = asked.min_execution_environments, asked.max_execution_environments
        if least is not None and most is not None and least > most:
            raise InvalidParameterValue(
                "MinExecutionEnvironments cannot be greater than MaxExecutionEnvironments."
            )

        def rule(old: Bundle | None) -> tuple[Bundle, FunctionStateAnswer]:
            bundle = _on_provider(scope, name, request.qualifier, old)
            scaling = {
                **bundle.function.scaling,
                request.qualifier: Scaling(least=least, most=most),
            }
            function = msgspec.structs.replace(bundle.function, scaling=scaling)
            made = bundle.with_function(function)
            state = shown_state(function, made.find(request.qualifier))
            return made, FunctionStateAnswer(function_state=state)

        return await self._registry.change(scope, name, rule)

    async def get(self, scope: Scope, request: GetScalingConfig) -> ScalingConfigAnswer:
        """What was asked is in force at once here."""
        name, _ = resolve(
            scope, request.function_name, request.qualifier, operation="GetFunctionScalingConfig"
        )
        bundle = _on_provider(scope, name, request.qualifier, self._registry.get(scope, name))
        kept = bundle.function.scaling.get(request.qualifier, Scaling())
        shown = ScalingConfig(
            min_execution_environments=kept.least, max_execution_environments=kept.most
        )
        return ScalingConfigAnswer(
            function_arn=scope.arn(name, request.qualifier),
            applied_function_scaling_config=shown,
            requested_function_scaling_config=shown,
        )


def _on_provider(scope: Scope, name: str, qualifier: str, bundle: Bundle | None) -> Bundle:
    if bundle is None:
        raise ResourceNotFound(not_found_text(scope, name, qualifier))
    if bundle.find(qualifier).configuration.capacity is None:
        raise InvalidParameterValue(
            "Function scaling configurations are for functions with a capacity provider."
        )
    return bundle
