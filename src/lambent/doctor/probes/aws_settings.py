"""Where the AWS CLI and SDKs in this shell would go, and as whom. Nothing is asked of AWS.

Credentials are not loaded: a profile may run a program or ask a metadata service for them. What the
files and variables say is enough to tell whether a call could reach a real account by mistake.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from lambent.doctor.finding import Finding, Machine, Probe

VARIABLES = ("LAMBENT_ENDPOINT_URL", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL")
OURS = "lambent"
"""The access key that `lambent env` exports; no account has it."""


def look(machine: Machine) -> Finding:
    environ = machine.environ
    profiles = _profiles()
    profile = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE")
    if profile and profile not in profiles:
        return Finding(
            "missing",
            f"AWS_PROFILE names {profile}, which ~/.aws does not have",
            why="boto3 and the AWS CLI refuse to work",
            fix="unset AWS_PROFILE     or     aws configure --profile " + profile,
        )
    name, url = next(((n, environ[n]) for n in VARIABLES if environ.get(n)), ("", ""))
    identity = _identity(environ, profiles, profile or "default")
    if url:
        return _with_endpoint(name, url, identity)
    if identity:
        return Finding(
            "warn",
            f"aws and boto3 go to AWS itself, with {identity}",
            why="no AWS_ENDPOINT_URL_LAMBDA is set here; only `lambent` goes to the local server",
            fix='eval "$(lambent env)"  (this shell only)',
        )
    return Finding("ok", "no endpoint and no credentials: `lambent` uses the local server")


def _with_endpoint(name: str, url: str, identity: str) -> Finding:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return Finding(
            "missing", f"{name} is not a URL: {url}", fix=f"export {name}=http://127.0.0.1:9000"
        )
    shown = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    if parts.scheme == "http" and not _loopback(parts.hostname):
        return Finding(
            "warn",
            f"{name} = {shown}, in clear text over the network",
            why="events, answers and environment variables can be read on the way",
            fix="serve it with tls_cert and tls_key, and use https",
        )
    if name == "AWS_ENDPOINT_URL":
        return Finding(
            "warn",
            f"{name} = {shown} for every AWS service",
            why="SQS, KMS and all others go there too, and this server does not have them",
            fix='unset AWS_ENDPOINT_URL; eval "$(lambent env)"',
        )
    return Finding("ok", f"{name} = {shown}" + (f", with {identity}" if identity else ""))


def _identity(environ: Mapping[str, str], profiles: Mapping[str, Any], profile: str) -> str:
    """Which credentials boto3 would take, in words; empty for none that an account knows."""
    key = environ.get("AWS_ACCESS_KEY_ID", "")
    if key:
        return "" if key == OURS else f"AWS_ACCESS_KEY_ID {key[:4]}…"
    known = profiles.get(profile, {})
    sources = ("aws_access_key_id", "credential_process", "sso_session", "sso_start_url",
               "role_arn", "web_identity_token_file")  # fmt: skip
    if any(known.get(source) for source in sources):
        return f"profile {profile}"
    if environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") or any(
        name.startswith("AWS_CONTAINER_CREDENTIALS_") for name in environ
    ):
        return "the credentials of this container"
    return ""


def _profiles() -> Mapping[str, Any]:
    import botocore.session

    profiles: Mapping[str, Any] = botocore.session.Session().full_config.get("profiles", {})
    return profiles


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


PROBE = Probe("AWS settings", look)
