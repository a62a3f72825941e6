"""About the server itself: what it is, whether it is well, what it counted. Needs no model."""

from __future__ import annotations

import functools
import html
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from lambent_inference import __version__
from lambent_inference.routes.failures import as_json
from lambent_inference.service import Service

router = APIRouter()
last = APIRouter()

NAME = "Roboflow Inference Server"
"""What clients of the public API are told; `server` says who it really is."""
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<body style="font-family:system-ui;max-width:40rem;margin:4rem auto;line-height:1.5">
<h1>{title}</h1><p>{text}</p></body></html>"""


@router.get("/", include_in_schema=False)
async def landing() -> HTMLResponse:
    links = ", ".join(f'<a href="{path}">{path}</a>' for path in ("/docs", "/info", "/metrics"))
    return HTMLResponse(_page("lambent inference", f"Version {__version__}. See {links}."))


@router.get("/info", tags=["server"], summary="What this server is")
async def info(request: Request) -> Response:
    service: Service = request.app.state.service
    return as_json(
        {
            "name": NAME,
            "version": __version__,
            "uuid": service.server_id,
            "server": "lambent-inference",
            "device": device(service),
        }
    )


@router.get("/healthz", tags=["server"], summary="Whether the process works")
async def healthz() -> Response:
    return as_json({"status": "healthy"})


@router.get("/readiness", tags=["server"], summary="Whether the preloaded models are there")
async def readiness(request: Request) -> Response:
    service: Service = request.app.state.service
    if service.ready:
        return as_json({"status": "ready"})
    return as_json({"status": "not ready"}, status=503)


@router.get("/metrics", tags=["server"], summary="Counters in Prometheus' text format")
async def metrics(request: Request) -> Response:
    service: Service = request.app.state.service
    usage = service.models.usage() if service.made else ()
    return PlainTextResponse(service.metrics.text(usage), media_type="text/plain; version=0.0.4")


@last.get("/{rest:path}", include_in_schema=False)
async def unknown(rest: str) -> HTMLResponse:
    """Every other GET; other methods are answered 405 because this route takes none of them."""
    text = f"There is no page at /{html.escape(rest)}."
    return HTMLResponse(_page("Not found", text), 404)


def device(service: Service) -> str:
    """Where models run: by those that are loaded, and before that by what is here."""
    models = service.models.describe() if service.made else ()
    if not models:
        return expected_device()
    return "cuda" if any(one.provider == "cuda" for one in models) else "cpu"


@functools.cache
def expected_device() -> str:
    """Told without loading the runtime: `cuda` needs its device and its build."""
    if not Path("/dev/nvidiactl").exists():
        return "cpu"
    import importlib.metadata

    try:
        importlib.metadata.distribution("onnxruntime-gpu")
    except importlib.metadata.PackageNotFoundError:
        return "cpu"
    return "cuda"


def _page(title: str, text: str) -> str:
    return PAGE.format(title=title, text=text)
