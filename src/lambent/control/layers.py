"""Which layers a function may name (LAMBDA.md 42).

No layer can be published yet, so every reference that is well formed ends at "does not exist".
"""

from __future__ import annotations

from lambent.control.names import Scope
from lambent.errors import InvalidParameterValue

MAX_LAYERS = 5


def check_layers(scope: Scope, arns: tuple[str, ...]) -> None:
    if len(arns) > MAX_LAYERS:
        raise InvalidParameterValue(f"Cannot reference more than {MAX_LAYERS} layers.")
    seen: dict[str, str] = {}
    for arn in arns:
        if arn.split(":")[3] != scope.region:
            raise InvalidParameterValue(
                "Layers are not in the same region as the function. "
                f"Layers are expected to be in region {scope.region}."
            )
        layer = arn.rpartition(":")[0]
        if layer in seen:
            raise InvalidParameterValue(
                "Two different versions of the same layer are not allowed to be referenced in the "
                f"same function. {seen[layer]} and {arn} are versions of the same layer."
            )
        seen[layer] = arn
    if arns:
        raise InvalidParameterValue(f"Layer version {arns[0]} does not exist.")
