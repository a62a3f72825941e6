"""The HTTP events of a SAM template: what of it becomes gateways of a lambent server.

`Api` and `HttpApi` events are routes; AWS::Serverless::Api and AWS::Serverless::HttpApi say what the
API itself is (stage, CORS, authorizers), and SAM's implicit ones are there without being written.
What cannot be served is named, never served without its authorizer. `template` calls `read`.
(AWS SAM developer guide, "Api" and "HttpApi" of AWS::Serverless::Function.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lambent.delivery.intrinsics import NO_VALUE, Resolver
from lambent.delivery.problem import Problem

API_TYPES: Final = {"AWS::Serverless::Api": "REST", "AWS::Serverless::HttpApi": "HTTP"}
_EVENTS: Final = {
    "Api": ("REST", "RestApiId", "ServerlessRestApi"),
    "HttpApi": ("HTTP", "ApiId", "ServerlessHttpApi"),
}
_REST_TTL_S: Final = 300
_OPEN: Final = "NONE"


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """One gateway as it shall be: the document that `delivery.gateways.put` takes."""

    name: str
    document: Mapping[str, Any]

    @property
    def functions(self) -> frozenset[str]:
        return frozenset(route["function"] for route in self.document["routes"])


@dataclass(frozen=True, slots=True)
class Called:
    """A function that events are of."""

    name: str
    alias: str
    events: Mapping[str, Any]


@dataclass(slots=True)
class _Api:
    """An API while its routes are gathered."""

    kind: str
    properties: Mapping[str, Any]
    routes: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Reader:
    resolver: Resolver
    functions: Mapping[str, Called]
    """By logical id."""

    def value(self, value: Any, where: str) -> Any:
        found = self.resolver.resolve(value, where)
        return None if found is NO_VALUE else found

    def target(self, value: Any, where: str) -> dict[str, str] | None:
        """The function of an ARN, written as `!GetAtt F.Arn` or out; None when it is not ours."""
        if isinstance(value, dict) and "Fn::GetAtt" in value:
            called = self.functions.get(value["Fn::GetAtt"][0])
            return None if called is None else {"function": called.name, "qualifier": called.alias}
        text = str(self.value(value, where))
        parts = text.split(":")
        if len(parts) < 7 or parts[2] != "lambda":
            return None
        return {"function": parts[6], **({"qualifier": parts[7]} if len(parts) > 7 else {})}


def read(
    document: Mapping[str, Any],
    resolver: Resolver,
    functions: Mapping[str, Called],
    project: str,
) -> tuple[list[GatewayPlan], list[str]]:
    """The gateways, and `Function.Events.Name (why)` of what is none."""
    reader = _Reader(resolver, functions)
    apis = _declared(document)
    left: list[str] = []
    for logical_id, called in functions.items():
        for name, event in called.events.items():
            where = f"{logical_id}.Events.{name}"
            if why := _add(reader, apis, called, event or {}, where):
                left.append(f"{where} ({why})")
    plans = [
        GatewayPlan(f"{project}-{logical_id}", _document(reader, api, logical_id))
        for logical_id, api in apis.items()
        if api.routes
    ]
    return plans, left


def _declared(document: Mapping[str, Any]) -> dict[str, _Api]:
    shared = document.get("Globals") or {}
    implicit = {name: _Api(kind, {}) for kind, _, name in _EVENTS.values()}
    found = dict(implicit)
    for logical_id, resource in document["Resources"].items():
        kind = API_TYPES.get(str(resource.get("Type"))) if isinstance(resource, dict) else None
        if kind is not None:
            found[logical_id] = _Api(kind, resource.get("Properties") or {})
    for api in found.values():
        own = shared.get("Api" if api.kind == "REST" else "HttpApi") or {}
        api.properties = {**own, **api.properties}
    return found


def _add(
    reader: _Reader, apis: Mapping[str, _Api], called: Called, event: Mapping[str, Any], where: str
) -> str:
    """Take the event up as a route; otherwise why it is none."""
    kind = event.get("Type")
    if kind not in _EVENTS:
        return str(kind)
    wanted, member, implicit = _EVENTS[kind]
    properties = event.get("Properties") or {}
    reference = properties.get(member, {"Ref": implicit})
    api_id = reference.get("Ref") if isinstance(reference, dict) else str(reference)
    api = apis.get(str(api_id))
    if api is None or api.kind != wanted:
        return f"{kind} of {api_id}"
    authorizer = _authorizer_of(reader, api, properties.get("Auth") or {}, where)
    if authorizer is None:
        return "its authorizer is none that lambent has: a Lambda function, a JWT issuer or AWS_IAM"
    route = _route(reader, api, called, properties, where)
    if authorizer != _OPEN:
        route["authorizer"] = authorizer
        if scopes := _scopes(reader, api, authorizer, properties.get("Auth") or {}, where):
            route["scopes"] = scopes
    api.routes.append(route)
    return ""


def _route(
    reader: _Reader, api: _Api, called: Called, properties: Mapping[str, Any], where: str
) -> dict[str, Any]:
    path = reader.value(properties.get("Path"), f"{where}.Path")
    method = str(reader.value(properties.get("Method"), f"{where}.Method") or "ANY").upper()
    if path is None and api.kind == "REST":
        raise Problem("TEMPLATE_INVALID", f"{where} has no Path", fix="Path: /{proxy+}")
    route = {
        "path": str(path or "$default"),
        "method": "ANY" if method == "X-AMAZON-APIGATEWAY-ANY-METHOD" else method,
        "function": called.name,
        "qualifier": called.alias,
    }
    if api.kind == "HTTP":
        route["payload_format"] = str(properties.get("PayloadFormatVersion", "2.0"))
    return route


def _authorizer_of(reader: _Reader, api: _Api, own: Mapping[str, Any], where: str) -> str | None:
    """A name, `AWS_IAM` or `NONE`; None for one that cannot be had here."""
    auth = api.properties.get("Auth") or {}
    name = reader.value(own.get("Authorizer", auth.get("DefaultAuthorizer", _OPEN)), where)
    if own.get("ApiKeyRequired", auth.get("ApiKeyRequired")) or own.get("ResourcePolicy"):
        return None
    if auth.get("ResourcePolicy"):
        return None
    if name in (_OPEN, "AWS_IAM"):
        return str(name)
    declared = (auth.get("Authorizers") or {}).get(name)
    if api.kind == "HTTP" and _is_jwt(declared):
        return str(name)
    if not isinstance(declared, dict) or "FunctionArn" not in declared:
        return None
    ours = reader.target(declared["FunctionArn"], f"{where}.Auth") is not None
    return str(name) if ours else None


def _is_jwt(declared: Any) -> bool:
    return isinstance(declared, dict) and isinstance(declared.get("JwtConfiguration"), dict)


def _scopes(
    reader: _Reader, api: _Api, authorizer: str, own: Mapping[str, Any], where: str
) -> list[str]:
    """The event's, else its authorizer's: only JWT authorizers have any."""
    declared = ((api.properties.get("Auth") or {}).get("Authorizers") or {}).get(authorizer) or {}
    if not _is_jwt(declared):
        return []
    given = own.get("AuthorizationScopes", declared.get("AuthorizationScopes")) or []
    return [str(one) for one in reader.value(given, f"{where}.AuthorizationScopes") or []]


def _jwt(reader: _Reader, one: Mapping[str, Any], where: str) -> dict[str, Any]:
    members = reader.value(one["JwtConfiguration"], f"{where}.JwtConfiguration")
    given = {str(key).lower(): value for key, value in members.items()}
    source = str(reader.value(one.get("IdentitySource"), where) or "$request.header.Authorization")
    kinds = {"$request.header.": "header:", "$request.querystring.": "query:"}
    identity = [
        short + part.strip().removeprefix(prefix)
        for part in source.split(",")
        for prefix, short in kinds.items()
        if part.strip().startswith(prefix)
    ]
    audience = given.get("audience") or []
    return {
        "issuer": str(given.get("issuer", "")),
        "audience": [str(a) for a in (audience if isinstance(audience, list) else [audience])],
        "identity": identity,
    }


def _document(reader: _Reader, api: _Api, logical_id: str) -> dict[str, Any]:
    properties = api.properties
    stage = reader.value(properties.get("StageName"), f"{logical_id}.StageName")
    stage = stage or ("Prod" if api.kind == "REST" else "$default")
    member = "Variables" if api.kind == "REST" else "StageVariables"
    variables = reader.value(properties.get(member) or {}, f"{logical_id}.{member}")
    found: dict[str, Any] = {
        "kind": api.kind,
        "routes": api.routes,
        "stages": {str(stage): {str(k): str(v) for k, v in variables.items()}},
    }
    used = {route.get("authorizer") for route in api.routes}
    declared = (properties.get("Auth") or {}).get("Authorizers") or {}
    authorizers = {
        name: _authorizer(reader, api.kind, one, f"{logical_id}.Auth.{name}")
        for name, one in declared.items()
        if name in used and not _is_jwt(one)
    }
    if authorizers:
        found["authorizers"] = authorizers
    issuers = {
        name: _jwt(reader, one, f"{logical_id}.Auth.{name}")
        for name, one in declared.items()
        if name in used and _is_jwt(one)
    }
    if issuers:
        found["jwt_authorizers"] = issuers
    cors = properties.get("Cors" if api.kind == "REST" else "CorsConfiguration")
    if cors := reader.value(cors, f"{logical_id}.Cors"):
        found["cors"] = _rest_cors(cors) if api.kind == "REST" else _http_cors(cors)
    if types := properties.get("BinaryMediaTypes"):
        found["binary_media_types"] = [str(one).replace("~1", "/") for one in types]
    return found


def _authorizer(reader: _Reader, kind: str, one: Mapping[str, Any], where: str) -> dict[str, Any]:
    target = reader.target(one["FunctionArn"], where)
    assert target is not None
    identity = reader.value(one.get("Identity") or {}, f"{where}.Identity")
    found: dict[str, Any] = {**target, "identity": _identity(kind, one, identity)}
    if kind == "REST":
        found["type"] = one.get("FunctionPayloadType", "TOKEN")
        found["ttl_s"] = int(identity.get("ReauthorizeEvery", _REST_TTL_S))
        found["pattern"] = str(identity.get("ValidationExpression", ""))
    else:
        found["simple"] = one.get("EnableSimpleResponses") is True
        found["payload_format"] = "1.0" if one.get("AuthorizerPayloadFormatVersion") in (
            1, 1.0, "1.0",
        ) else "2.0"  # fmt: skip
        found["ttl_s"] = int(identity.get("ReauthorizeEvery", 0))
    return found


def _identity(kind: str, one: Mapping[str, Any], identity: Mapping[str, Any]) -> list[str]:
    if kind == "REST" and one.get("FunctionPayloadType", "TOKEN") == "TOKEN":
        return [f"header:{identity.get('Header', 'Authorization')}"]
    members = (
        ("Headers", "header"), ("QueryStrings", "query"), ("StageVariables", "stage"),
        ("Context", "context"),
    )  # fmt: skip
    return [f"{short}:{name}" for member, short in members for name in identity.get(member) or ()]


def _rest_cors(cors: Any) -> dict[str, Any]:
    """SAM writes the values of headers, in quotes: `"'GET,POST'"`."""
    if not isinstance(cors, dict):
        return {"allow_origins": [_unquoted(cors)]}
    found: dict[str, Any] = {"allow_origins": [_unquoted(cors.get("AllowOrigin", "*"))]}
    for member, key in (("AllowMethods", "allow_methods"), ("AllowHeaders", "allow_headers")):
        if member in cors:
            found[key] = [part.strip() for part in _unquoted(cors[member]).split(",")]
    if cors.get("AllowCredentials") is True:
        found["allow_credentials"] = True
    if "MaxAge" in cors:
        found["max_age_s"] = int(_unquoted(cors["MaxAge"]))
    return found


def _unquoted(value: Any) -> str:
    return str(value).strip("'")


def _http_cors(cors: Any) -> dict[str, Any]:
    if cors is True:
        return {"allow_origins": ["*"], "allow_methods": ["*"], "allow_headers": ["*"]}
    members = (
        ("AllowOrigins", "allow_origins"), ("AllowMethods", "allow_methods"),
        ("AllowHeaders", "allow_headers"), ("ExposeHeaders", "expose_headers"),
        ("AllowCredentials", "allow_credentials"), ("MaxAge", "max_age_s"),
    )  # fmt: skip
    return {key: cors[member] for member, key in members if member in cors}
