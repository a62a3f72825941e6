"""`/model/…`: what is loaded, load this, unload that.

Advisory on Lambda, where the next request may meet another environment: every route that needs a
model loads it, whether it was added or not.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from lambent_inference.errors import SwitchedOff
from lambent_inference.models.contract import Description
from lambent_inference.routes.bodies import body as read_body
from lambent_inference.routes.bodies import takes
from lambent_inference.routes.call import Call
from lambent_inference.routes.failures import as_json
from lambent_inference.routes.schema import AddModelRequest, ClearModelRequest

router = APIRouter(prefix="/model", tags=["models"])


@router.get("/registry", summary="Models that are loaded")
async def registry(request: Request) -> Response:
    caller = Call(request)
    if not caller.service.settings.get_model_registry_enabled:
        raise SwitchedOff("The model registry", "GET_MODEL_REGISTRY_ENABLED")
    return listing(caller)


@router.post("/add", summary="Load a model", openapi_extra=takes(AddModelRequest))
async def add(request: Request) -> Response:
    caller, body = Call(request), await read_body(request, AddModelRequest)
    await caller.add(body.model_id, caller.key(body.api_key), model_type=body.model_type)
    return listing(caller)


@router.post("/remove", summary="Unload a model", openapi_extra=takes(ClearModelRequest))
async def remove(request: Request) -> Response:
    caller, body = Call(request), await read_body(request, ClearModelRequest)
    await caller.service.models.remove(body.model_id)
    caller.service.paths.pop(body.model_id, None)
    return listing(caller)


@router.post("/clear", summary="Unload every model")
async def clear(request: Request) -> Response:
    caller = Call(request)
    if caller.service.made:
        await caller.service.models.clear()
        caller.service.paths.clear()
    return listing(caller)


def listing(caller: Call) -> Response:
    """What is loaded; nothing is, as long as no model was asked for."""
    models = caller.service.models.describe() if caller.service.made else ()
    return as_json(
        {
            "models": [entry(model, caller.service.paths[model.model_id]) for model in models],
            "total_vram_bytes": None,
            "gpu_memory_used": None,
            "gpu_memory_total": None,
            "torch_cuda_allocated": None,
            "torch_cuda_reserved": None,
            "torch_cuda_allocator_cache": None,
            "non_torch_gpu_memory": None,
        }
    )


def entry(model: Description, paths: set[str]) -> dict[str, object]:
    return {
        "model_id": model.model_id,
        "task_type": model.family.value,
        "batch_size": model.batch_size,
        "input_height": model.input_height,
        "input_width": model.input_width,
        "vram_bytes": None,
        "request_aliases": list(model.aliases),
        "request_paths": sorted(paths),
    }
