"""Resources that are nothing but a place in the template."""

from __future__ import annotations

from typing import Final

from lambent.stacks.kinds.kind import Done, Kind, Properties, World


class Nothing:
    """Made by being named."""

    replaced_by: frozenset[str] = frozenset()

    def __init__(self, name: str) -> None:
        self.name = name

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:  # noqa: ARG002
        return Done(world.name(logical_id))

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        return Done(physical_id)

    def delete(self, world: World, physical_id: str, properties: Properties) -> None: ...


KINDS: Final[tuple[Kind, ...]] = (
    Nothing("AWS::CloudFormation::WaitConditionHandle"),
    Nothing("AWS::CDK::Metadata"),
)
