"""Registry metadata shared between environments through Redis; without it everything works, slower.

A Redis that is away, slow or refuses is not asked again for a while, and never fails a request.
"""

from __future__ import annotations

import hashlib
import logging
import time
from typing import Any, Final

from lambent_inference.settings import Settings

log = logging.getLogger("lambent_inference")
PREFIX: Final = "lambent:registry:"
SECONDS: Final = 0.25
"""What one question may take: asking the registry itself takes little longer."""
AWAY_S: Final = 30.0


class Shared:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = None
        self._not_before = 0.0

    def get(self, key: str) -> bytes | None:
        found = self._do("get", _name(key))
        return found if isinstance(found, bytes) else None

    def put(self, key: str, data: bytes, seconds: float) -> None:
        self._do("set", _name(key), data, ex=int(seconds))

    def _do(self, call: str, *args: Any, **options: Any) -> Any:
        if self._settings.redis_host is None or time.monotonic() < self._not_before:
            return None
        try:
            if self._client is None:
                self._client = self._connected()
            return getattr(self._client, call)(*args, **options)
        # Whatever a cache has against us is no reason to fail: redis, sockets and TLS raise trees of
        # their own.
        except Exception as error:  # noqa: BLE001
            log.warning("Redis is left alone for %.0f s: %s", AWAY_S, type(error).__name__)
            self._not_before = time.monotonic() + AWAY_S
            return None

    def _connected(self) -> Any:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        s = self._settings
        return redis.Redis(
            host=s.redis_host or "",
            port=s.redis_port,
            password=s.redis_password,
            ssl=s.redis_ssl,
            socket_timeout=SECONDS,
            socket_connect_timeout=SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )


def _name(key: str) -> str:
    return PREFIX + hashlib.sha256(key.encode()).hexdigest()
