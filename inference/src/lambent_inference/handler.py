"""Lambda's entry point, `lambent_inference.handler.handler`: any event → what answers it.

Requests go through Mangum into the app, and so does a bare `{"features": …}`; storage and queue records to `events/records.py`; warm-up
pings end here. Importing this module is Init: settings are read, the app is built, and models that
the owner named are loaded for as long as Init allows.
"""

# ruff: noqa: E402  the collector is off before anything is imported
from __future__ import annotations

import gc

# Init makes a hundred thousand objects and no garbage: collecting among them takes 30 ms of 380.
gc.disable()

import asyncio
import importlib
import json
import logging
import os
from typing import Any, Final

from mangum import Mangum

from lambent_inference.app import create_app
from lambent_inference.events import direct, http, records
from lambent_inference.renewal import on_renewal
from lambent_inference.routes import bodies
from lambent_inference.service import Service
from lambent_inference.settings import load

log = logging.getLogger("lambent_inference")

PREPARED_S: Final = 120.0
"""For preloading before a snapshot or with provisioned concurrency; AWS allows 130 s at least."""
WARM: Final = {"statusCode": 200, "body": "warm"}


class Handler:
    """Answers events on one event loop, which a copied process replaces."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._loop = asyncio.new_event_loop()
        self._old: list[asyncio.AbstractEventLoop] = []
        asyncio.set_event_loop(self._loop)
        on_renewal(self.renew)
        self.app = create_app(self.service)
        self.asgi = Mangum(self.app, lifespan="off")
        if not self.service.ready:
            self._loop.run_until_complete(self.service.preload(self._preload_s()))
        self._prime()

    def _preload_s(self) -> float:
        """Init may take 10 s on demand, minutes where nobody waits for it."""
        kind = os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE")
        if kind in {"snap-start", "provisioned-concurrency"}:
            return PREPARED_S
        return self.service.settings.preload_budget_s

    def _prime(self) -> None:
        """Have in Init what the first request would have to build.

        Before a snapshot that is everything, since all who are restored from it share it; otherwise
        somebody waits for Init, too, and only what every request needs is built.
        """
        self.service.counting = False
        self({"httpMethod": "GET", "path": "/info"})
        self.service.counting = True
        if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
            bodies.build()
            for module in ("numpy", "PIL.Image", "lambent_inference.transport"):
                importlib.import_module(module)

    def renew(self) -> None:
        """A new event loop. The old one is kept: closing it would disturb those who share it."""
        self._old.append(self._loop)
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)

    def close(self) -> None:
        for loop in (self._loop, *self._old):
            loop.close()

    def __call__(self, event: Any, context: Any = None) -> Any:
        if not isinstance(event, dict):
            raise TypeError(f"an event is a JSON object, not {type(event).__name__}")
        if is_ping(event):
            return WARM
        if http.is_request(event):
            return self._answer(event, context)
        if direct.is_direct(event):
            return direct.unwrapped(event, self._answer(direct.request(event), context))
        asyncio.set_event_loop(self._loop)
        if records.is_records(event):
            return self._loop.run_until_complete(records.answer(self.service, self.app, event))
        raise ValueError(
            "This event is none that the inference server knows. Send a request "
            '({"httpMethod": "GET", "path": "/info"}), or S3, SQS or EventBridge records.'
        )

    def _answer(self, event: dict[str, Any], context: Any) -> Any:
        try:
            event = http.normal(event, self.service.settings.api_gateway_base_path)
        except ValueError as error:
            body = json.dumps({"message": str(error)})
            return {
                "statusCode": 400,
                "headers": {"content-type": "application/json"},
                "body": body,
            }
        asyncio.set_event_loop(self._loop)
        return self.asgi(event, context)


def is_ping(event: dict[str, Any]) -> bool:
    """A warm-up: our own, or a schedule's event, which carries nothing to work on."""
    return "_warmup" in event or (
        event.get("source") == "aws.events" and event.get("detail-type") == "Scheduled Event"
    )


handler = Handler(Service(load()))
gc.freeze()  # what Init made stays; later collections, and forks, leave it alone
gc.enable()
