"""The HTTP API by families, in the order in which paths are matched: the legacy route is last.

`schema.py` is what requests look like, `shapes.py` what answers look like, `call.py` what each
prediction goes through, `families.py` what the owner can switch off.
"""

from __future__ import annotations

from fastapi import FastAPI

from lambent_inference.routes import (
    bodies,
    clip,
    families,
    grounded,
    invocations,
    kserve,
    legacy,
    meta,
    reading,
    registry,
    tabular,
    tasks,
)
from lambent_inference.routes.families import Family
from lambent_inference.settings import Settings

PRESENT = (
    Family("CLIP", "core_model_clip_enabled", ("/clip/{rest:path}",), clip.router, core=True),
    Family("docTR", "core_model_doctr_enabled", ("/doctr/{rest:path}",), reading.doctr, core=True),
    Family("EasyOCR", "core_model_easyocr_enabled", ("/easy_ocr/{rest:path}",), reading.easy_ocr, core=True),
    Family("YOLO-World", "core_model_yolo_world_enabled", ("/yolo_world/{rest:path}",), grounded.yolo_world, core=True),
    Family("Grounding DINO", "core_model_groundingdino_enabled", ("/grounding_dino/{rest:path}",), grounded.grounding_dino, core=True),
    Family("Tabular models", "tabular_enabled", ("/infer/tabular", "/infer/tabular/{rest:path}"), tabular.router),
    Family("Embeddings", "embeddings_enabled", ("/infer/embeddings", "/infer/embeddings/{rest:path}"), clip.by_any),
    Family("Invocations", "invocations_enabled", ("/invocations", "/ping"), invocations.router),
    Family("KServe's protocol", "kserve_enabled", ("/v2", "/v2/{rest:path}"), kserve.router),
    Family("Models by their path", "legacy_route_enabled", ("/{dataset_id}/{version_id}",), legacy.router),
)  # fmt: skip


def install(app: FastAPI, settings: Settings) -> None:
    app.include_router(meta.router)
    app.include_router(registry.router)
    app.include_router(tasks.router)
    families.install(app, settings, PRESENT)
    app.include_router(meta.last)
    bodies.describe(app)
