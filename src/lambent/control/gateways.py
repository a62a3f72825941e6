"""Gateways: REST APIs, HTTP APIs and load balancers whose routes lead to functions.

AWS keeps these with other services (API Gateway, Elastic Load Balancing); here they are documents of
our own, put by name as a whole by `lambent deploy` and `lambent gateway add`. The rules on them are
here, and what is kept; `gateway/api_gateway.py` serves them.
"""

from __future__ import annotations

import hashlib
import re
import string
from typing import Final, Literal

import msgspec

from lambent.control.names import Scope
from lambent.control.shelf import Shelf
from lambent.errors import InvalidParameterValue, ResourceNotFound
from lambent.store.database import Database

Kind = Literal["REST", "HTTP", "ALB"]
IAM: Final = "AWS_IAM"
"""In place of an authorizer's name: callers sign."""
DEFAULT: Final = "$default"
METHODS: Final = frozenset({"ANY", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ALPHABET: Final = string.digits + string.ascii_lowercase
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_STAGE: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SEGMENT: Final = re.compile(r"\{[A-Za-z0-9._:-]+\+?\}|[^{}/]+")
_ROUTES_MAX: Final = 300


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is run."""

    function: str
    qualifier: str | None = None


class Authorizer(Target, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A function that decides who may."""

    type: Literal["TOKEN", "REQUEST"] = "REQUEST"
    identity: tuple[str, ...] = ()
    """Where the caller says who it is: `header:NAME`, `query:NAME`, `stage:NAME`, `context:NAME`."""
    pattern: str = ""
    """TOKEN: what a token must match before the function is asked."""
    ttl_s: int = 300
    """How long an answer holds for the same identity; 0 asks each time."""
    simple: bool = False
    """HTTP: the function answers `isAuthorized`."""
    payload_format: Literal["1.0", "2.0"] = "2.0"
    """HTTP; REST has a format of its own."""


class JwtAuthorizer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """HTTP: an issuer whose tokens say who may, without a function."""

    issuer: str
    """As in the tokens' `iss`; its keys are found from here, or by the setting `jwt_keys`."""
    audience: tuple[str, ...]
    """One of them must be among a token's `aud`, or its `client_id`."""
    identity: tuple[str, ...] = ("header:Authorization",)
    """Where the token stands: the first of them that the request has."""


class Route(Target, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A method and a path, and what serves it."""

    path: str
    """`/items/{id}`, `/{proxy+}`, `$default`; for a load balancer `/img/*`."""
    method: str = "ANY"
    payload_format: Literal["1.0", "2.0"] = "2.0"
    """HTTP."""
    authorizer: str | None = None
    scopes: tuple[str, ...] = ()
    """HTTP, with an authorizer of `jwt_authorizers`: a token must have one of them."""


class CorsRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`CorsConfiguration`."""

    allow_credentials: bool = False
    allow_headers: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age_s: int | None = None


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One gateway as it is put."""

    kind: Kind
    routes: tuple[Route, ...]
    stages: dict[str, dict[str, str]] = {}
    """Name → stage variables."""
    base_paths: dict[str, str] = {}
    """First segment of a path → the stage that it stands for, as custom domains map them."""
    authorizers: dict[str, Authorizer] = {}
    jwt_authorizers: dict[str, JwtAuthorizer] = {}
    """HTTP."""
    cors: CorsRules | None = None
    binary_media_types: tuple[str, ...] = ()
    """REST: which bodies travel as base64."""
    multi_value: bool = False
    """ALB: headers and parameters as lists."""


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway as it is kept."""

    gateway_id: str
    account: str
    region: str
    name: str
    config: GatewayConfig


def gateway_id(scope: Scope, name: str) -> str:
    """Ten letters and digits, as on AWS, but the same for the same name."""
    digest = hashlib.sha256("/".join((*scope, name)).encode()).digest()
    return "".join(_ALPHABET[byte % 36] for byte in digest[:10])


class Gateways:
    """All of a server's gateways, kept and by id."""

    def __init__(self, database: Database) -> None:
        self._shelf = Shelf(database, "gateway", Gateway)
        self._by_id: dict[str, Gateway] = {}

    async def open(self) -> None:
        await self._shelf.open()
        self._by_id = {one.gateway_id: one for _, one in self._shelf.everything()}

    async def close(self) -> None:
        await self._shelf.close()

    def find(self, gateway_id: str) -> Gateway | None:
        return self._by_id.get(gateway_id)

    def __contains__(self, gateway_id: object) -> bool:
        return gateway_id in self._by_id

    def all(self, scope: Scope) -> list[Gateway]:
        return sorted(self._shelf.all(scope), key=lambda one: one.name)

    def get(self, scope: Scope, name: str) -> Gateway:
        found = self._shelf.get(scope, name)
        if found is None:
            raise _not_found(name)
        return found

    async def put(self, scope: Scope, name: str, config: GatewayConfig) -> Gateway:
        """Make it, or replace it whole."""
        gateway = Gateway(
            gateway_id=gateway_id(scope, name),
            account=scope.account,
            region=scope.region,
            name=name,
            config=checked(name, config),
        )
        await self._shelf.change(scope, name, lambda _: (gateway, None))
        self._by_id[gateway.gateway_id] = gateway
        return gateway

    async def delete(self, scope: Scope, name: str) -> Gateway:
        def rule(old: Gateway | None) -> tuple[None, Gateway]:
            if old is None:
                raise _not_found(name)
            return None, old

        gone = await self._shelf.change(scope, name, rule)
        self._by_id.pop(gone.gateway_id, None)
        return gone


def checked(name: str, config: GatewayConfig) -> GatewayConfig:
    """With the stage that its kind has by default; raises `InvalidParameterValue`."""
    if not _NAME.fullmatch(name):
        raise InvalidParameterValue(f"'{name[:100]}' cannot be the name of a gateway")
    if not 1 <= len(config.routes) <= _ROUTES_MAX:
        raise InvalidParameterValue(f"a gateway has 1 to {_ROUTES_MAX} routes")
    if not config.stages and config.kind != "ALB":
        stage = "Prod" if config.kind == "REST" else DEFAULT
        config = msgspec.structs.replace(config, stages={stage: {}})
    _check_stages(config)
    seen = set()
    for route in config.routes:
        _check_route(config, route)
        key = (route.method, re.sub(r"\{[^}+]+(\+?)\}", r"{\1}", route.path))
        if key in seen:
            raise InvalidParameterValue(f"there are two routes {route.method} {route.path}")
        seen.add(key)
    for label, authorizer in config.authorizers.items():
        _check_authorizer(config, label, authorizer)
    for label, issuer in config.jwt_authorizers.items():
        _check_jwt(config, label, issuer)
    return config


def _check_stages(config: GatewayConfig) -> None:
    for stage in config.stages:
        if stage == DEFAULT and config.kind == "HTTP":
            continue
        if config.kind == "ALB" or not _STAGE.fullmatch(stage):
            raise InvalidParameterValue(f"'{stage}' cannot be a stage of this gateway")
    for base, stage in config.base_paths.items():
        if stage not in config.stages or not _STAGE.fullmatch(base):
            raise InvalidParameterValue(f"base path '{base}' stands for no stage of this gateway")


def _check_route(config: GatewayConfig, route: Route) -> None:
    if route.method not in METHODS:
        raise InvalidParameterValue(f"'{route.method}' is not a method; ANY stands for all")
    known = {None, IAM, *config.authorizers, *config.jwt_authorizers}
    if route.authorizer not in known or (config.kind == "ALB" and route.authorizer):
        raise InvalidParameterValue(f"the gateway has no authorizer '{route.authorizer}'")
    if route.scopes and route.authorizer not in config.jwt_authorizers:
        raise InvalidParameterValue(
            f"the route {route.path} has scopes, and no authorizer of jwt_authorizers"
        )
    if route.path == DEFAULT:
        if config.kind == "REST":
            raise InvalidParameterValue(
                "a REST API has no $default route; /{proxy+} takes the rest"
            )
        return
    if not route.path.startswith("/"):
        raise InvalidParameterValue(f"the path '{route.path}' does not begin with /")
    if config.kind != "ALB":
        _check_template(route.path)


def _check_template(path: str) -> None:
    segments = path[1:].split("/")
    for at, segment in enumerate(segments):
        last = at == len(segments) - 1
        if not segment and last:
            continue
        if not _SEGMENT.fullmatch(segment):
            raise InvalidParameterValue(f"'{segment}' in '{path}' is neither a name nor {{name}}")
        if segment.endswith("+}") and not last:
            raise InvalidParameterValue(f"{segment} takes the rest of a path: it stands at its end")


def _check_authorizer(config: GatewayConfig, label: str, authorizer: Authorizer) -> None:
    if config.kind == "HTTP" and authorizer.type != "REQUEST":
        raise InvalidParameterValue(f"authorizer {label}: HTTP APIs have the type REQUEST only")
    if config.kind == "REST" and authorizer.simple:
        raise InvalidParameterValue(f"authorizer {label}: REST APIs take IAM policies only")
    if not 0 <= authorizer.ttl_s <= 3600:
        raise InvalidParameterValue(f"authorizer {label}: ttl_s is from 0 to 3600")
    _check_identity(label, authorizer.identity)
    try:
        re.compile(authorizer.pattern)
    except re.error as error:
        raise InvalidParameterValue(f"authorizer {label}: pattern: {error}") from None


def _check_identity(label: str, sources: tuple[str, ...]) -> None:
    for source in sources:
        kind, _, member = source.partition(":")
        if kind not in {"header", "query", "stage", "context"} or not member:
            raise InvalidParameterValue(
                f"authorizer {label}: '{source}' is not header:NAME, query:NAME, stage:NAME or "
                "context:NAME"
            )


def _check_jwt(config: GatewayConfig, label: str, authorizer: JwtAuthorizer) -> None:
    if config.kind != "HTTP":
        raise InvalidParameterValue(f"authorizer {label}: only HTTP APIs take tokens of an issuer")
    if label in config.authorizers or label == IAM:
        raise InvalidParameterValue(f"two authorizers have the name {label}")
    if not authorizer.issuer.startswith(("https://", "http://")):
        raise InvalidParameterValue(f"authorizer {label}: the issuer is no address")
    if not authorizer.audience:
        raise InvalidParameterValue(f"authorizer {label}: audience names nobody")
    if not authorizer.identity:
        raise InvalidParameterValue(f"authorizer {label}: identity says nowhere to look")
    _check_identity(label, authorizer.identity)


def _not_found(name: str) -> ResourceNotFound:
    return ResourceNotFound(f"Gateway not found: {name}")
