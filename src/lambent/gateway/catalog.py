"""Every function URL by its id; told by `control` with the function's targets.

A policy that cannot be read lets nobody in: it was accepted by a rule that could read it, so this
is a mistake of ours, which the log tells.
"""

from __future__ import annotations

from typing import Final

import structlog

from lambent.control.iam import document
from lambent.control.iam.document import Policy
from lambent.control.targets import LATEST, FunctionTargets
from lambent.gateway.cors import Cors
from lambent.gateway.urls import UrlTarget
from lambent.store.records import FunctionUrl

log = structlog.get_logger()

LOCAL: Final = "localhost"


class UrlCatalog:
    """A `TargetListener`."""

    def __init__(self, base_domain: str | None) -> None:
        self._base = base_domain or LOCAL
        self._urls: dict[str, UrlTarget] = {}
        self._of: dict[tuple[str, str, str], set[str]] = {}

    def find(self, url_id: str) -> UrlTarget | None:
        return self._urls.get(url_id)

    def __contains__(self, url_id: object) -> bool:
        return url_id in self._urls

    def domain(self, url_id: str, region: str) -> str:
        return f"{url_id}.lambda-url.{region}.{self._base}"

    def function_changed(self, targets: FunctionTargets) -> None:
        key = (targets.account, targets.region, targets.name)
        self._forget(key)
        for where, url in targets.urls.items():
            policy = targets.policies.get(where)
            self._urls[url.url_id] = self._target(targets, where, url, policy)
        if targets.urls:
            self._of[key] = {url.url_id for url in targets.urls.values()}

    def function_deleted(self, account: str, region: str, name: str) -> None:
        self._forget((account, region, name))

    def _forget(self, key: tuple[str, str, str]) -> None:
        for url_id in self._of.pop(key, ()):
            self._urls.pop(url_id, None)

    def _target(
        self, targets: FunctionTargets, where: str, url: FunctionUrl, policy: str | None
    ) -> UrlTarget:
        return UrlTarget(
            url_id=url.url_id,
            account=targets.account,
            region=targets.region,
            function_name=targets.name,
            qualifier=None if where == LATEST else where,
            auth_type=url.auth_type,
            invoke_mode=url.invoke_mode,
            cors=_cors(url),
            domain=self.domain(url.url_id, targets.region),
            policy=None if policy is None else _policy(f"the policy of {targets.name}", policy),
        )


def _policy(name: str, text: str) -> Policy | None:
    try:
        return document.read(name, text)
    except document.MalformedPolicy as error:
        log.error("url.policy_unreadable", why=str(error))
        return None


def _cors(url: FunctionUrl) -> Cors | None:
    given = url.cors
    if given is None:
        return None
    return Cors(
        allow_credentials=bool(given.get("AllowCredentials")),
        allow_headers=given.get("AllowHeaders") or (),
        allow_methods=given.get("AllowMethods") or (),
        allow_origins=given.get("AllowOrigins") or (),
        expose_headers=given.get("ExposeHeaders") or (),
        max_age_s=given.get("MaxAge"),
    )
