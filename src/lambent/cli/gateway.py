"""`lambent gateway`: REST APIs, HTTP APIs and load balancers in front of functions of this server."""

from __future__ import annotations

from typing import Any

import click

from lambent.cli import table
from lambent.cli.options import Family, Options, Verb
from lambent.cli.output import Output
from lambent.delivery import gateways
from lambent.delivery.problem import USAGE, Problem


@click.group("gateway", cls=Family)
def command() -> None:
    """Put functions behind API-Gateway-shaped addresses."""


@command.command("add", cls=Verb)
@click.argument("name")
@click.argument("route")
@click.argument("function")
@click.option(
    "--kind",
    type=click.Choice(["rest", "http", "alb"]),
    help="Of a new gateway: HTTP API (the default), REST API or load balancer.",
)
@click.option("--stage", help="A stage that it has; default: $default, of a REST API Prod.")
@click.option("--qualifier", help="A version or an alias of FUNCTION.")
@click.option(
    "--payload", "payload_format", type=click.Choice(["1.0", "2.0"]), help="Of an HTTP API (2.0)."
)
@click.option("--authorizer", metavar="FUNCTION|AWS_IAM", help="What decides who may call it.")
@click.option("--issuer", help="Of tokens (JWT) that callers of an HTTP API must have.")
@click.option("--audience", multiple=True, help="Whom a token of --issuer is for; one must match.")
@click.option("--scope", "scopes", multiple=True, help="What a token must allow; one must match.")
@click.option("--cors", "origins", multiple=True, metavar="ORIGIN", help="Pages that may call it.")
@click.pass_obj
def add(options: Options, /, name: str, route: str, function: str, **flags: Any) -> None:
    """Lead ROUTE of the gateway NAME, made when absent, to FUNCTION.

    ROUTE is a path with a method before it or without: 'GET /items/{id}', '/{proxy+}', '$default'.
    """
    aws = options.target()
    out = Output(options)
    existing = gateways.find(aws, name)
    kind = (flags["kind"] or "").upper()
    config = dict(existing["config"]) if existing else {"kind": kind or "HTTP", "routes": []}
    if kind and kind != config["kind"]:
        raise Problem(
            "USAGE",
            f"{name} is of the kind {config['kind'].lower()}",
            fix=f"lambent gateway rm {name}     or     another name",
            exit_code=USAGE,
        )
    made = _route(route, function, flags)
    same = (made["method"], made["path"])
    kept = [one for one in config["routes"] if (one.get("method", "ANY"), one["path"]) != same]
    config["routes"] = [*kept, made]
    if flags["stage"]:
        config["stages"] = {**config.get("stages", {}), flags["stage"]: {}}
    _add_authorizer(config, made, flags["authorizer"])
    _add_issuer(config, made, flags)
    if flags["origins"]:
        config["cors"] = {
            "allow_origins": list(flags["origins"]),
            "allow_methods": ["*"],
            "allow_headers": ["*"],
        }
    facts = gateways.put(aws, name, config)
    lines = [("route", f"{made['method']} {made['path']} → {function}")]
    out.result(facts, lines + [("url", url) for url in facts["urls"].values()])
    out.hints("lambent gateway ls", f"curl {next(iter(facts['urls'].values()))}")


@command.command("ls", cls=Verb)
@click.argument("name", required=False)
@click.pass_obj
def ls(options: Options, name: str | None) -> None:
    """List gateways (or NAME), their routes and addresses."""
    found = [one for one in gateways.listed(options.target()) if name in (None, one["name"])]
    out = Output(options)
    if out.as_json:
        out.result({"gateways": found}, [])
        return
    rows = [
        (one["name"], one["config"]["kind"].lower(), _shown(route), _target(route))
        for one in found
        for route in one["config"]["routes"]
    ]
    if not rows:
        out.note("there is no gateway")
        out.hints("lambent gateway add NAME 'GET /items/{id}' FUNCTION")
        return
    table.show(out, ("GATEWAY", "KIND", "ROUTE", "FUNCTION"), rows)
    for one in found:
        for stage, url in one["urls"].items():
            out.result({}, [("url", f"{one['name']} {stage}  {url}".replace("  ", " "))])


@command.command("rm", cls=Verb)
@click.argument("name")
@click.pass_obj
def rm(options: Options, name: str) -> None:
    """Delete the gateway NAME; its functions stay."""
    facts = gateways.delete(options.target(), name)
    Output(options).result(facts, [("deleted", name)])


def _route(route: str, function: str, flags: dict[str, Any]) -> dict[str, Any]:
    method, _, path = route.strip().rpartition(" ")
    found: dict[str, Any] = {
        "method": (method.strip() or "ANY").upper(),
        "path": path,
        "function": function,
    }
    for key in ("qualifier", "payload_format"):
        if flags[key]:
            found[key] = flags[key]
    return found


def _add_authorizer(config: dict[str, Any], route: dict[str, Any], authorizer: str | None) -> None:
    """A function of that name becomes the authorizer of that name."""
    if authorizer is None:
        return
    route["authorizer"] = authorizer
    if authorizer != "AWS_IAM":
        known = config.get("authorizers", {})
        made = {"function": authorizer, "identity": ["header:Authorization"]}
        config["authorizers"] = {authorizer: made, **known}


def _add_issuer(config: dict[str, Any], route: dict[str, Any], flags: dict[str, Any]) -> None:
    """An issuer becomes the authorizer of its host's name."""
    issuer = flags["issuer"]
    if issuer is None:
        return
    if flags["authorizer"] is not None or not flags["audience"]:
        raise Problem(
            "USAGE",
            "--issuer goes with --audience, and without --authorizer",
            fix="lambent gateway add NAME ROUTE FUNCTION --issuer https://… --audience WHO",
            exit_code=USAGE,
        )
    label = issuer.partition("://")[2].replace("/", "-").strip("-") or issuer
    route["authorizer"] = label
    route["scopes"] = list(flags["scopes"])
    made = {"issuer": issuer, "audience": list(flags["audience"])}
    config["jwt_authorizers"] = {**config.get("jwt_authorizers", {}), label: made}


def _shown(route: dict[str, Any]) -> str:
    path = str(route["path"])
    return path if path.startswith("$") else f"{route.get('method', 'ANY')} {path}"


def _target(route: dict[str, Any]) -> str:
    qualifier = route.get("qualifier")
    return f"{route['function']}:{qualifier}" if qualifier else str(route["function"])
