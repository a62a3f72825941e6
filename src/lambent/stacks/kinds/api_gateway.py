"""REST and HTTP APIs with a definition, as gateways of this server; SAM makes them of `Api` events.

An API is a gateway, its stages are added one by one. The definition's routes must lead to functions
(`open_api`); the parts of an API that are resources of their own (Method, Route, Integration) are
not made here. (AWS CloudFormation template reference, AWS::ApiGateway and AWS::ApiGatewayV2.)
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from lambent.stacks import open_api
from lambent.stacks.errors import ResourceError
from lambent.stacks.kinds.kind import Done, Kind, Properties, World, required

PATH: Final = "/_lambent/gateways/"
_UNSTAGED: Final = "unstaged"
"""A gateway has a stage at least; an API has this one until it has any of its own."""


class Api:
    """AWS::ApiGateway::RestApi and AWS::ApiGatewayV2::Api."""

    replaced_by: frozenset[str] = frozenset()

    def __init__(self, name: str, sort: str) -> None:
        self.name = name
        self._sort = sort

    def generated(self, world: World, logical_id: str) -> str:
        return world.name(logical_id)

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        name = self.generated(world, logical_id)
        config = self._config(properties) | {"stages": {_UNSTAGED: {}}}
        return self._done(world, world.page("PUT", PATH + quote(name), config))

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        now = _find(world, physical_id)
        config = self._config(new) | {"stages": now["config"]["stages"]}
        return self._done(world, world.page("PUT", PATH + quote(now["name"]), config))

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        try:
            name = _find(world, physical_id)["name"]
        except ResourceError:
            return  # gone already
        world.page("DELETE", PATH + quote(name), None)

    def _config(self, properties: Properties) -> dict[str, Any]:
        required(properties, "Body")
        found = open_api.document(self._sort, properties["Body"])
        if cors := properties.get("CorsConfiguration"):
            lowered = {key[0].lower() + key[1:]: value for key, value in cors.items()}
            found |= {"cors": open_api.http_cors(lowered)}
        if types := properties.get("BinaryMediaTypes"):
            found["binary_media_types"] = [str(one) for one in types]
        return found

    @staticmethod
    def _done(world: World, facts: dict[str, Any]) -> Done:
        url = next(iter(facts["urls"].values()))
        stage = next(iter(facts["urls"]))
        root = url.removesuffix("/").removesuffix(f"/{stage}")
        name = facts["id"]
        return Done(
            name,
            {
                "RootResourceId": "root",
                "RestApiId": name,
                "ApiId": name,
                "ApiEndpoint": root,
                # What AWS would be asked for; outputs say where the gateway really is.
                REAL_ADDRESS: f"https://{name}.execute-api.{world.region}.amazonaws.com {root}",
            },
        )


REAL_ADDRESS: Final = "lambent:address"


class Stage:
    """AWS::ApiGateway::Stage and AWS::ApiGatewayV2::Stage."""

    def __init__(self, name: str, api: str, variables: str) -> None:
        self.name = name
        self.replaced_by = frozenset({api, "StageName"})
        self._api = api
        self._variables = variables

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:  # noqa: ARG002
        required(properties, self._api, "StageName")
        return self._put(world, properties)

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        return self._put(world, new)

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:
        try:
            now = _find(world, str(properties[self._api]))
        except ResourceError:
            return
        stages = {key: one for key, one in now["config"]["stages"].items() if key != physical_id}
        config = now["config"] | {"stages": stages or {_UNSTAGED: {}}}
        world.page("PUT", PATH + quote(now["name"]), config)

    def _put(self, world: World, properties: Properties) -> Done:
        now = _find(world, str(properties[self._api]))
        name = str(properties["StageName"])
        variables = properties.get(self._variables) or {}
        stages = {key: one for key, one in now["config"]["stages"].items() if key != _UNSTAGED}
        stages[name] = {str(key): str(value) for key, value in variables.items()}
        world.page("PUT", PATH + quote(now["name"]), now["config"] | {"stages": stages})
        return Done(name, {"Id": name})


class Deployment:
    """What is deployed is what is defined: it has a name and nothing more."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.replaced_by = frozenset({"RestApiId", "ApiId"})

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:  # noqa: ARG002
        name = world.name(logical_id, longest=40)[-10:].lower()
        return Done(name, {"DeploymentId": name})

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        return Done(physical_id, {"DeploymentId": physical_id})

    def delete(self, world: World, physical_id: str, properties: Properties) -> None: ...


def _find(world: World, gateway_id: str) -> dict[str, Any]:
    """By id; by name where a kill has left nothing else."""
    for one in world.page("GET", PATH, None)["gateways"]:
        if gateway_id in (one["id"], one["name"]):
            found: dict[str, Any] = one
            return found
    raise ResourceError(f"Invalid API identifier specified {gateway_id}")


KINDS: Final[tuple[Kind, ...]] = (
    Api("AWS::ApiGateway::RestApi", "REST"),
    Api("AWS::ApiGatewayV2::Api", "HTTP"),
    Stage("AWS::ApiGateway::Stage", "RestApiId", "Variables"),
    Stage("AWS::ApiGatewayV2::Stage", "ApiId", "StageVariables"),
    Deployment("AWS::ApiGateway::Deployment"),
    Deployment("AWS::ApiGatewayV2::Deployment"),
)
