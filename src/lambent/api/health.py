"""`/healthz` and `/readyz`: whether the process lives, and whether it can serve.

`/healthz` answers as long as the event loop turns. `/readyz` tries each part for real (a change is
made durable, the spawner is there or comes back) and names those that are not ready, with 503. Both
are open to whoever reaches the server, so one look at the parts serves everybody for a moment, and
only this machine is told why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
import structlog

from lambent.api.browsers import LOOPBACK_PEERS
from lambent.clock import Clock
from lambent.errors import LambentError
from lambent.http.exchange import Exchange

log = structlog.get_logger()

LIMIT_S: Final = 5.0
"""For each part; SQLite alone waits that long for another program's lock."""
FRESH_S: Final = 1.0
"""How long an answer is given again without looking."""
JSON: Final = (b"Content-Type", b"application/json")
NO_STORE: Final = (b"Cache-Control", b"no-store")

Check = Callable[[], Awaitable[None]]
"""Returns when the part is ready; raises what says why it is not."""


class Health:
    """Serves both paths. `checks` are the parts by name."""

    def __init__(
        self, checks: Mapping[str, Check], draining: Callable[[], bool], clock: Clock
    ) -> None:
        self._checks = checks
        self._draining = draining
        self._clock = clock
        self._looking = asyncio.Lock()
        self._found: dict[str, str] = {}
        self._found_at = float("-inf")

    def alive(self, exchange: Exchange) -> None:
        exchange.respond(200, [(b"Content-Type", b"text/plain"), NO_STORE], b"ok\n")

    def ready(self, exchange: Exchange) -> None:
        exchange.spawn(self._ready(exchange))

    async def _ready(self, exchange: Exchange) -> None:
        found = await self.unready()
        reasons = exchange.peer in LOOPBACK_PEERS
        parts = {
            name: "ready" if name not in found else found[name] if reasons else "not ready"
            for name in (*self._checks, *(name for name in found if name not in self._checks))
        }
        body = msgspec.json.encode({"ready": not found, "not_ready": [*found], "parts": parts})
        exchange.respond(503 if found else 200, [JSON, NO_STORE], body + b"\n")

    async def unready(self) -> dict[str, str]:
        """Part → why; empty when all is well."""
        if self._draining():
            return {"draining": "the server was asked to stop"}
        async with self._looking:
            if self._clock.monotonic() - self._found_at >= FRESH_S:
                whys = await asyncio.gather(*(_why(check) for check in self._checks.values()))
                found = {name: why for name, why in zip(self._checks, whys, strict=True) if why}
                if found and found != self._found:
                    log.warning("server.not_ready", parts=found)
                elif self._found and not found:
                    log.info("server.ready_again")
                self._found, self._found_at = found, self._clock.monotonic()
        return self._found


async def _why(check: Check) -> str:
    """What keeps a part from being ready, or nothing."""
    try:
        async with asyncio.timeout(LIMIT_S):
            await check()
    except TimeoutError:
        return f"did not answer within {LIMIT_S:.0f} s"
    except LambentError as error:
        return str(error) or type(error).__name__
    except Exception as error:  # noqa: BLE001  whatever it is, this part is not ready
        return f"{type(error).__name__}: {error}"
    return ""
