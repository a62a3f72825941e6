"""An API's definition, as SAM's translator and API Gateway's importers write it, as a gateway's document.

Paths and methods whose integration is a function (`aws_proxy`) are routes; security schemes are
authorizers; the OPTIONS methods that SAM adds are CORS. What a gateway here cannot do is refused by
name, so that nothing is served without its authorizer.
(Amazon API Gateway developer guide, "OpenAPI extensions for API Gateway".)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from lambent.stacks.errors import ResourceError

Document = dict[str, Any]

_ANY: Final = "x-amazon-apigateway-any-method"
_INTEGRATION: Final = "x-amazon-apigateway-integration"
_AUTHORIZER: Final = "x-amazon-apigateway-authorizer"
_METHODS: Final = frozenset({"get", "head", "post", "put", "patch", "delete", "options", _ANY})
_FUNCTION: Final = re.compile(r"/functions/([^/]+)/invocations$")
_ORIGIN: Final = "method.response.header.Access-Control-"
IAM: Final = "AWS_IAM"
OPEN: Final = "NONE"


def document(kind: str, body: Mapping[str, Any]) -> Document:
    """For a gateway of `kind` REST or HTTP, without stages; raises `ResourceError`."""
    schemes = (
        body.get("securityDefinitions") or (body.get("components") or {}).get("securitySchemes")
    ) or {}
    found: Document = {"kind": kind, "routes": []}
    used: set[str] = set()
    for path, item in (body.get("paths") or {}).items():
        for method, operation in item.items():
            if method.lower() not in _METHODS:
                continue
            if (cors := _mock_cors(operation)) is not None:
                found["cors"] = cors
                continue
            route = _route(kind, str(path), method.lower(), operation, body, schemes)
            used.add(route.get("authorizer", OPEN))
            found["routes"].append(route)
    for name in sorted(used - {OPEN, IAM}):
        where, authorizer = _authorizer(kind, name, schemes.get(name) or {})
        found.setdefault(where, {})[name] = authorizer
    if cors := body.get("x-amazon-apigateway-cors"):
        found["cors"] = http_cors(cors)
    if types := body.get("x-amazon-apigateway-binary-media-types"):
        found["binary_media_types"] = [str(one) for one in types]
    return found


def _route(
    kind: str,
    path: str,
    method: str,
    operation: Mapping[str, Any],
    body: Mapping[str, Any],
    schemes: Mapping[str, Any],
) -> Document:
    where = f"{method.upper()} {path}"
    integration = operation.get(_INTEGRATION) or {}
    if str(integration.get("type", "")).lower() != "aws_proxy":
        raise ResourceError(
            f"{where}: an integration of the type {integration.get('type', 'none')} is not served "
            "here; aws_proxy with a function is"
        )
    found: Document = {
        "path": path,
        "method": "ANY" if method == _ANY else method.upper(),
        **_target(str(integration.get("uri", "")), where),
    }
    if kind == "HTTP":
        found["payload_format"] = str(integration.get("payloadFormatVersion", "2.0"))
    security = operation.get("security", body.get("security")) or []
    names = [(name, scopes) for one in security for name, scopes in one.items() if name != OPEN]
    if len(names) > 1:
        raise ResourceError(f"{where}: one authorizer at a time is served here")
    for name, scopes in names:
        scheme = schemes.get(name) or {}
        signed = scheme.get("x-amazon-apigateway-authtype") == "awsSigv4" or name == IAM
        found["authorizer"] = IAM if signed else name
        if scopes and not signed:
            found["scopes"] = [str(one) for one in scopes]
    return found


def _target(uri: str, where: str) -> dict[str, str]:
    """Function and qualifier of `arn:aws:apigateway:…:lambda:path/…/functions/<arn>/invocations`."""
    match = _FUNCTION.search(uri)
    parts = match[1].split(":") if match else []
    if len(parts) < 7 or parts[2] != "lambda":
        raise ResourceError(f"{where}: its integration leads to no function: {uri[:200]}")
    return {"function": parts[6], **({"qualifier": parts[7]} if len(parts) > 7 else {})}


def _authorizer(kind: str, name: str, scheme: Mapping[str, Any]) -> tuple[str, Document]:
    """Where it stands in the document, and what it says there."""
    given = scheme.get(_AUTHORIZER)
    if not isinstance(given, Mapping):
        raise ResourceError(f"the authorizer {name} is none that is served here")
    sort = str(given.get("type", "")).lower()
    identity = _identity(given.get("identitySource"))
    if sort == "jwt":
        jwt = given.get("jwtConfiguration") or {}
        return "jwt_authorizers", {
            "issuer": str(jwt.get("issuer", "")),
            "audience": [str(one) for one in jwt.get("audience") or ()],
            "identity": identity or ["header:Authorization"],
        }
    if sort not in ("token", "request"):
        raise ResourceError(f"the authorizer {name} is of the type {sort}, not served here")
    found: Document = {
        **_target(str(given.get("authorizerUri", "")), f"the authorizer {name}"),
        "identity": identity,
    }
    ttl = given.get("authorizerResultTtlInSeconds")
    if kind == "REST":
        found["type"] = sort.upper()
        found["ttl_s"] = int(ttl if ttl is not None else 300)
        found["pattern"] = str(given.get("identityValidationExpression", ""))
        if sort == "token":
            found["identity"] = [f"header:{scheme.get('name', 'Authorization')}"]
    else:
        found["ttl_s"] = int(ttl or 0)
        found["simple"] = given.get("enableSimpleResponses") is True
        found["payload_format"] = str(given.get("authorizerPayloadFormatVersion", "2.0"))
    return "authorizers", found


_SOURCES: Final = {
    "method.request.header": "header", "method.request.querystring": "query",
    "$request.header": "header", "$request.querystring": "query", "stageVariables": "stage",
    "$stageVariables": "stage", "context": "context", "$context": "context",
}  # fmt: skip


def _identity(source: Any) -> list[str]:
    texts = source if isinstance(source, list) else str(source or "").split(",")
    found = []
    for text in texts:
        for prefix, short in _SOURCES.items():
            if str(text).strip().startswith(f"{prefix}."):
                found.append(f"{short}:{str(text).strip().removeprefix(f'{prefix}.')}")
                break
    return found


def _mock_cors(operation: Mapping[str, Any]) -> Document | None:
    """Of the OPTIONS method that SAM writes for `Cors`; None for anything else."""
    integration = operation.get(_INTEGRATION) or {}
    if str(integration.get("type", "")).lower() != "mock":
        return None
    default = (integration.get("responses") or {}).get("default") or {}
    headers = default.get("responseParameters") or {}
    if f"{_ORIGIN}Allow-Origin" not in headers:
        return None

    def words(name: str) -> list[str]:
        text = str(headers.get(_ORIGIN + name, "")).strip("'")
        return [one.strip() for one in text.split(",") if one.strip()]

    found: Document = {"allow_origins": words("Allow-Origin")}
    for name, member in (("Allow-Methods", "allow_methods"), ("Allow-Headers", "allow_headers")):
        if listed := words(name):
            found[member] = listed
    if words("Allow-Credentials") == ["true"]:
        found["allow_credentials"] = True
    if age := words("Max-Age"):
        found["max_age_s"] = int(age[0])
    return found


def http_cors(cors: Mapping[str, Any]) -> Document:
    """`allowOrigins` and its kin."""
    members = {
        "allowOrigins": "allow_origins", "allowMethods": "allow_methods",
        "allowHeaders": "allow_headers", "exposeHeaders": "expose_headers",
        "allowCredentials": "allow_credentials", "maxAge": "max_age_s",
    }  # fmt: skip
    return {ours: cors[theirs] for theirs, ours in members.items() if theirs in cors}
