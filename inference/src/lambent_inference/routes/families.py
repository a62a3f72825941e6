"""What the owner can switch off, and what clients of the original may ask for in vain.

A path of a family that is off, or that this server does not have, answers 404 and names the switch.
It never falls through to the legacy route, which would take `/ocr/trocr` for a model.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from msgspec import Struct
from starlette.routing import BaseRoute, Match

from lambent_inference.errors import NotFound, SwitchedOff
from lambent_inference.routes.failures import as_json
from lambent_inference.settings import Settings, variable

METHODS: Final = ["GET", "POST", "PUT", "DELETE", "PATCH"]


class Family(Struct, frozen=True):
    """Routes that are there or not as one; `router` is None where we have no such models."""

    title: str
    switch: str
    """Field of the settings."""
    paths: tuple[str, ...]
    router: APIRouter | None = None
    core: bool = False
    """Whether `CORE_MODELS_ENABLED` switches it off as well."""


ABSENT: Final = (
    Family("TrOCR", "core_model_trocr_enabled", ("/ocr/{rest:path}",), core=True),
    Family("Perception Encoder", "core_model_pe_enabled", ("/perception_encoder/{rest:path}",), core=True),
    Family("SAM", "core_model_sam_enabled", ("/sam/{rest:path}",), core=True),
    Family("SAM 2", "core_model_sam2_enabled", ("/sam2/{rest:path}", "/sam3/{rest:path}"), core=True),
    Family("Gaze detection", "core_model_gaze_enabled", ("/gaze/{rest:path}",), core=True),
    Family("Depth estimation", "depth_estimation_enabled", ("/infer/depth-estimation", "/infer/depth-estimation/{rest:path}")),
    Family("Language models", "lmm_enabled", ("/infer/lmm", "/infer/lmm/{rest:path}")),
)  # fmt: skip
WORKFLOWS: Final = (
    "/workflows/{rest:path}",
    "/infer/workflows",
    "/infer/workflows/{rest:path}",
    "/{workspace}/workflows/{rest:path}",
)
WITHOUT: Final = (
    "/owlv2/{rest:path}",
    "/inference_pipelines/{rest:path}",
    "/infer/action_recognition",
)
OURS: Final = ("/infer/{rest}", "/model/{rest}", "/static/{rest:path}", "/_next/{rest:path}")
"""First segments that name no dataset; what is longer is not taken for a model anyway."""


def install(app: FastAPI, settings: Settings, present: tuple[Family, ...]) -> None:
    """In the order of matching: the last of those present is the legacy route, which takes anything."""
    *others, legacy = present
    for family in (*others, *ABSENT):
        _install(app, family, settings)
    _answer(app, WITHOUT, NotFound("This server has no such models."))
    if settings.disable_workflow_endpoints:
        _answer(app, WORKFLOWS, SwitchedOff("Workflows", "DISABLE_WORKFLOW_ENDPOINTS", "True"))
    else:
        _answer(app, WORKFLOWS, NotFound("Workflows are not in this version of the server."))
    _answer(app, OURS, NotFound("There is no such route."))
    _install(app, legacy, settings)


def _install(app: FastAPI, family: Family, settings: Settings) -> None:
    if (switch := off_by(family, settings)) is not None:
        _answer(app, family.paths, SwitchedOff(family.title, variable(switch)))
    elif family.router is None:
        _answer(app, family.paths, NotFound(f"{family.title}: this server has no such models."))
    else:
        app.include_router(family.router)
        deeper = tuple(path for path in family.paths if path.endswith("{rest:path}"))
        _answer(app, deeper, NotFound(f"{family.title}: there is no such route."))


def off_by(family: Family, settings: Settings) -> str | None:
    """The switch because of which a family is off; None if it is on."""
    if family.core and not settings.core_models_enabled:
        return "core_models_enabled"
    return None if getattr(settings, family.switch) else family.switch


def _answer(app: FastAPI, paths: tuple[str, ...], error: NotFound) -> None:
    before = tuple(app.routes)

    async def refuse(request: Request) -> Response:
        if known := _methods(before, request):
            wrong = {"detail": "Method Not Allowed"}
            return as_json(wrong, status=405, headers={"Allow": ", ".join(known)})
        return as_json(error.body(), status=error.status)

    for path in paths:
        app.add_route(path, refuse, METHODS, include_in_schema=False)


def _methods(routes: tuple[BaseRoute, ...], request: Request) -> list[str]:
    """What may be done with a path that is there; nothing for one that is not."""
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    return [
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]
