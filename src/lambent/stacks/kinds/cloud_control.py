"""Any other resource type, made by the Cloud Control API of the configured endpoint.

Where the settings name an endpoint that has it (AWS itself, most often), a template may hold types
that this server does not know: they are made, changed and deleted there by their own properties.
Attributes are what the resource says of itself afterwards. (AWS Cloud Control API user guide.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lambent.stacks.errors import ResourceError
from lambent.stacks.kinds.calling import call, missing
from lambent.stacks.kinds.kind import Done, Properties, World

SERVICE = "cloudcontrol"


class Delegated:
    """One such type."""

    replaced_by: frozenset[str] = frozenset()
    """Not known here: what cannot be changed in place is refused there, and the update taken back."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:  # noqa: ARG002
        client = world.client(SERVICE)
        state = msgspec.json.encode(dict(properties)).decode()
        made = call(client, "create_resource", TypeName=self.name, DesiredState=state)
        return self._done(client, _settled(client, made["ProgressEvent"]))

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:
        client = world.client(SERVICE)
        if patch := _patch(old, new):
            changed = call(
                client, "update_resource", TypeName=self.name, Identifier=physical_id,
                PatchDocument=msgspec.json.encode(patch).decode(),
            )  # fmt: skip
            _settled(client, changed["ProgressEvent"])
        return self._done(client, physical_id)

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        client = world.client(SERVICE)
        try:
            gone = call(client, "delete_resource", TypeName=self.name, Identifier=physical_id)
            _settled(client, gone["ProgressEvent"])
        except ResourceError as error:
            if not missing(error) and "NotFound" not in str(error):
                raise

    def _done(self, client: Any, identifier: str) -> Done:
        found = call(client, "get_resource", TypeName=self.name, Identifier=identifier)
        said = msgspec.json.decode(found["ResourceDescription"]["Properties"])
        return Done(identifier, dict(_flat(said)))


def _settled(client: Any, progress: Mapping[str, Any]) -> str:
    """The resource's identifier, once the request is over; raises `ResourceError`."""
    from botocore.exceptions import WaiterError

    if progress["OperationStatus"] not in ("SUCCESS", "FAILED", "CANCEL_COMPLETE"):
        try:
            client.get_waiter("resource_request_success").wait(
                RequestToken=progress["RequestToken"],
                WaiterConfig={"Delay": 2, "MaxAttempts": 900},
            )
        except WaiterError as error:
            last: Any = error.last_response
            progress = last.get("ProgressEvent", progress)
        else:
            answer = call(
                client, "get_resource_request_status", RequestToken=progress["RequestToken"]
            )
            progress = answer["ProgressEvent"]
    if progress["OperationStatus"] != "SUCCESS":
        raise ResourceError(
            f"{progress.get('StatusMessage', progress['OperationStatus'])} "
            f"(HandlerErrorCode: {progress.get('ErrorCode', 'Unknown')})"
        )
    return str(progress["Identifier"])


def _patch(old: Properties, new: Properties) -> list[dict[str, Any]]:
    """JSON Patch from one to the other, a property at a time."""
    patch: list[dict[str, Any]] = []
    for name in sorted(old.keys() | new.keys()):
        path = f"/{name}"
        if name not in new:
            patch.append({"op": "remove", "path": path})
        elif name not in old:
            patch.append({"op": "add", "path": path, "value": new[name]})
        elif old[name] != new[name]:
            patch.append({"op": "replace", "path": path, "value": new[name]})
    return patch


def _flat(said: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Attributes as GetAtt names them, parts of structures with a dot."""
    found: list[tuple[str, Any]] = []
    for key, value in said.items():
        found.append((prefix + key, value))
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{key}.")
    return found
