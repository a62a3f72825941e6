"""Requests as the HTTP server would hand them over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lambent.gateway.request import HttpRequest


@pytest.fixture
def request_of() -> Callable[..., HttpRequest]:
    def make(method: str = "GET", path: str = "/", **changed: Any) -> HttpRequest:
        values: dict[str, Any] = {
            "query": "",
            "fields": [("host", "abc.lambda-url.us-east-1.localhost:9000")],
            "body": b"",
            "source_ip": "127.0.0.1",
            "domain": "abc.lambda-url.us-east-1.localhost",
            "request_id": "8b1c4c7e-0000-4000-8000-000000000000",
            "time_ms": 1_583_348_638_390,
        }
        return HttpRequest(method=method, path=path, **{**values, **changed})

    return make
