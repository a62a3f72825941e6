"""What the routes share: settings, the models, what was counted. One per app, none per request.

Models are made on first use, so that `/info` needs neither numpy nor onnxruntime. Preloading runs
here too: in Init on Lambda (`handler.py`), at startup under uvicorn (`app.py`).
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from typing import cast

from lambent_inference.errors import InferenceError
from lambent_inference.images import Loader
from lambent_inference.metrics import Metrics
from lambent_inference.models.contract import Manager
from lambent_inference.observe import Capture
from lambent_inference.settings import Settings

log = logging.getLogger("lambent_inference")


def make_manager(settings: Settings) -> Manager:
    # Looked up late: the models' half imports numpy, and a function that only answers /info must not.
    module = importlib.import_module("lambent_inference.models.manager")
    return cast(Manager, module.make(settings))


class Service:
    """`make` brings another holder of models; tests of shapes bring one with known answers."""

    def __init__(
        self, settings: Settings, make: Callable[[Settings], Manager] = make_manager
    ) -> None:
        self.settings = settings
        self.server_id = settings.inference_server_id or uuid.uuid4().hex[:12]
        self.metrics = Metrics()
        self.images = Loader(settings)
        self.capture = Capture(settings)
        self.paths: defaultdict[str, set[str]] = defaultdict(set)
        """By loaded model: the paths under which it was asked."""
        self.ready = not (settings.preload_models or settings.pinned_models)
        self.counting = True
        """Whether requests are counted and logged; Init's own is not."""
        self._make = make
        self._models: Manager | None = None

    @property
    def models(self) -> Manager:
        if self._models is None:
            self._models = self._make(self.settings)
        return self._models

    @property
    def made(self) -> bool:
        """Whether any model was asked for yet."""
        return self._models is not None

    async def preload(self, budget_s: float | None = None) -> None:
        """Load what the owner named; past the budget the rest is loaded when asked for."""
        end = None if budget_s is None else time.monotonic() + budget_s
        for model_id in dict.fromkeys(
            (*self.settings.pinned_models, *self.settings.preload_models)
        ):
            try:
                async with asyncio.timeout(None if end is None else end - time.monotonic()):
                    await self.models.add(model_id, api_key=self.settings.roboflow_api_key)
            except TimeoutError:
                log.warning("preloading stopped at %s: its time is used up", model_id)
                break
            except InferenceError as error:
                log.warning("%s cannot be preloaded: %s", model_id, error)
            except Exception:
                # One model's fault must not keep the others, and every route without one, away.
                log.exception("%s cannot be preloaded", model_id)
        self.ready = True
