"""The HTTP API: one FastAPI app, whoever carries it (Mangum in a function, uvicorn in a container).

Routes are in `routes/`, one file per family; `edge.py` wraps them with what every answer has in
common. `uvicorn --factory lambent_inference.app:create_app` serves it; `handler.py` is for Lambda.
"""

# ruff: noqa: E402  two things must stand before these imports
from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

# Since 1.30 onnxruntime starts a thread and a database at import unless this stands before it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import pydantic

# FastAPI describes OpenAPI itself in forty pydantic models, whose validators nothing needs before
# /openapi.json: a third of its import. Built on first use they cost nothing here.
pydantic.BaseModel.model_config["defer_build"] = True
from fastapi import FastAPI

pydantic.BaseModel.model_config.pop("defer_build")

from starlette.middleware.cors import CORSMiddleware

from lambent_inference import __version__, logs
from lambent_inference.edge import Edge, Guard
from lambent_inference.routes import failures, install
from lambent_inference.service import Service
from lambent_inference.settings import load

EXPOSED = (
    "x-request-id", "X-Model-Id", "X-Model-Version", "X-Model-Cold-Start",
    "X-Model-Cold-Start-Count", "X-Model-Load-Time", "X-Model-Load-Details", "x-inference-engine",
)  # fmt: skip
"""Headers of answers that a page in a browser may read."""


def create_app(service: Service | None = None) -> FastAPI:
    """The app for a service, by default the one that the environment's settings describe."""
    service = service or Service(load())
    logs.configure(service.settings)
    app = FastAPI(title="lambent inference", version=__version__, lifespan=_lifespan)
    app.state.service = service
    failures.install(app)
    install(app, service.settings)
    app.add_middleware(Guard)
    if service.settings.allow_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.settings.allow_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED,
        )
    app.add_middleware(Edge, service=service)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Only a long-running server has one: there models are loaded while it answers /readiness."""
    import asyncio

    service: Service = app.state.service
    async with asyncio.TaskGroup() as tasks:
        preload = None if service.ready else tasks.create_task(service.preload())
        yield
        if preload is not None:
            preload.cancel()
