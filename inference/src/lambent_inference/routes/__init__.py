"""The HTTP API by families, in the order in which paths are matched: the legacy route is last.

`schema.py` is what requests look like, `shapes.py` what answers look like, `call.py` what each
prediction goes through, `families.py` what the owner can switch off.
"""

from __future__ import annotations

from fastapi import FastAPI

from lambent_inference.routes import families, meta, registry
from lambent_inference.settings import Settings


def install(app: FastAPI, settings: Settings) -> None:
    app.include_router(meta.router)
    families.install(app, settings)
    app.include_router(registry.router)
    app.include_router(meta.last)
