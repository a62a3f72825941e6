"""What a request may reach. Every rule about it is here; the attack table is its test."""

from __future__ import annotations

import re
from typing import Final

from lambent_inference.errors import InvalidModelId

MODEL_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*(/[A-Za-z0-9_][A-Za-z0-9_.\-]*){0,3}")


def checked_model_id(model_id: str) -> str:
    """`project/version`, or a name; never a path that leads elsewhere."""
    if len(model_id) > 256 or not MODEL_ID.fullmatch(model_id):
        raise InvalidModelId
    return model_id
