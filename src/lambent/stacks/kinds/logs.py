"""AWS::Logs::LogGroup, at this server."""

from __future__ import annotations

from typing import Final

from lambent.stacks.kinds.calling import call, delete
from lambent.stacks.kinds.kind import Done, Kind, Properties, World, tags_of


class LogGroup:
    name = "AWS::Logs::LogGroup"
    replaced_by = frozenset({"LogGroupName"})

    def generated(self, world: World, logical_id: str) -> str:
        return world.name(logical_id, longest=512)

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        name = str(properties.get("LogGroupName") or self.generated(world, logical_id))
        client = world.client("logs")
        tags = tags_of(world, properties)
        call(client, "create_log_group", logGroupName=name, **({"tags": tags} if tags else {}))
        self._retain(world, name, {}, properties)
        return self._done(world, name)

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:
        self._retain(world, physical_id, old, new)
        return self._done(world, physical_id)

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        delete(world.client("logs"), "delete_log_group", logGroupName=physical_id)

    @staticmethod
    def _retain(world: World, name: str, old: Properties, new: Properties) -> None:
        days = new.get("RetentionInDays")
        if days == old.get("RetentionInDays"):
            return
        client = world.client("logs")
        if days is None:
            delete(client, "delete_retention_policy", logGroupName=name)
        else:
            call(client, "put_retention_policy", logGroupName=name, retentionInDays=days)

    @staticmethod
    def _done(world: World, name: str) -> Done:
        arn = f"arn:aws:logs:{world.region}:{world.account}:log-group:{name}:*"
        return Done(name, {"Arn": arn})


KINDS: Final[tuple[Kind, ...]] = (LogGroup(),)
