"""`GET /_lambent/snapshots`: the snapshots that stand, and their memory, for `lambent snapshot show`.

Ours, beside AWS's API; it asks for the same credentials as that does.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from lambent.api import callers
from lambent.api.access import Access
from lambent.api.auth import Authenticator
from lambent.api.errors import respond_error
from lambent.clock import new_uuid
from lambent.engine.dispatcher import Dispatcher
from lambent.engine.snapshot_memory import Held, held, together
from lambent.engine.snapshot_template import Template
from lambent.errors import LambentError
from lambent.http.exchange import Exchange

PATH: Final = "/_lambent/snapshots"
JSON: Final = [(b"Content-Type", b"application/json")]


class SnapshotsPage:
    """Serves the path above."""

    def __init__(
        self, dispatcher: Dispatcher, authenticator: Authenticator, access: Access | None = None
    ) -> None:
        self._dispatcher = dispatcher
        self._access = access
        self._authenticator = authenticator

    def handle(self, exchange: Exchange) -> None:
        exchange.spawn(self._serve(exchange))

    async def _serve(self, exchange: Exchange) -> None:
        try:
            account, region = callers.scope(
                self._authenticator, exchange, self._access, "lambda:ListFunctions"
            )
        except LambentError as error:
            respond_error(exchange, new_uuid(), error)
            return
        body = await self._body(account, region)
        exchange.respond(200, JSON, msgspec.json.encode(body))

    async def _body(self, account: str, region: str) -> dict[str, Any]:
        snapshots = self._dispatcher.snapshots
        shown = []
        for template in snapshots.standing().values():
            target = template.target
            if (target.account, target.region) == (account, region):
                forks = [
                    each.pid
                    for each in self._dispatcher.environments()
                    if each.template is template and each.pid
                ]
                # Walking the page tables of a large process takes milliseconds.
                of_template, of_forks = await asyncio.to_thread(_measure, template.pid, forks)
                shown.append(_facts(template, len(forks), of_template, of_forks))
        standby = [
            {"function": arn.split(":")[6], "version": arn.split(":")[7], "why": why}
            for arn, why in snapshots.standing_by().items()
            if arn.split(":")[3:5] == [region, account]
        ]
        return {"snapshots": shown, "standby": standby}


def _measure(template: int, forks: list[int]) -> tuple[Held, Held]:
    return held(template), together(forks)


def _facts(template: Template, forks: int, of_template: Held, of_forks: Held) -> dict[str, Any]:
    whole = of_template.plus(of_forks)
    return {
        "function": template.target.function_name,
        "version": template.target.version,
        "environments": forks,
        "template_kb": of_template.pss_kb,
        "private_kb": of_forks.private_kb,
        "shared_kb": of_template.private_kb + of_template.shared_kb,
        "total_kb": whole.pss_kb,
        "counted_mb": template.shared_mb,
        "connections": template.report.connections,
    }
