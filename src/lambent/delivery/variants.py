"""The three sizes in which the inference server is delivered, as data.

`slim` sees and embeds, `tabular` holds scikit-learn's estimators as they are, `standard` reads text
and has OpenCV besides. What each installs, which settings it carries and what it may weigh is said
here once; the zip, the image, the Dockerfile, the guide and the budget in the tests follow from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

from lambent.delivery.problem import USAGE, Problem

SERVER: Final = "lambent-inference"
HANDLER: Final = "lambent_inference.handler.handler"
UNUSED: Final = "huggingface-hub; sys_platform == 'never'\n"
"""Overrides for uv: tokenizers requires it to fetch from a site that a function never asks (20 MB)."""

GUARDED: Final[Mapping[str, str]] = {
    "LAMBDA": "True",
    "ALLOW_NUMPY_INPUT": "False",
    "ALLOW_NON_HTTPS_URL_INPUT": "False",
    "ALLOW_URL_INPUT_WITHOUT_FQDN": "False",
    "ALLOW_LOADING_IMAGES_FROM_LOCAL_FILESYSTEM": "False",
    "ALLOW_CUSTOM_PYTHON_EXECUTION_IN_WORKFLOWS": "False",
    "ALLOW_WORKFLOW_BLOCKS_ACCESSING_LOCAL_STORAGE": "False",
    "ALLOW_WORKFLOW_BLOCKS_ACCESSING_ENVIRONMENTAL_VARIABLES": "False",
    "USE_FILE_CACHE_FOR_WORKFLOWS_DEFINITIONS": "False",
    "WORKFLOWS_STEP_EXECUTION_MODE": "remote",
    "WORKFLOWS_REMOTE_API_TARGET": "hosted",
    "MODEL_VALIDATION_DISABLED": "True",
    "REDIS_SSL": "true",
    "DOCTR_MULTIPROCESSING_DISABLE": "TRUE",
    "DISABLE_VERSION_CHECK": "true",
    "INFERENCE_SERVER_ID": "HostedInferenceLambda",
    "API_LOGGING_ENABLED": "True",
}
"""The public server's settings in Lambda, in its own spelling."""
ABSENT: Final[Mapping[str, str]] = {
    "CORE_MODEL_SAM_ENABLED": "False",
    "CORE_MODEL_SAM2_ENABLED": "False",
    "CORE_MODEL_TROCR_ENABLED": "False",
    "DEPTH_ESTIMATION_ENABLED": "False",
}
"""What the public server's standard image switches off."""
CORE: Final[Mapping[str, str]] = {
    "CORE_MODELS_ENABLED": "False",
    "CORE_MODEL_CLIP_ENABLED": "False",
    "CORE_MODEL_PE_ENABLED": "False",
    "CORE_MODEL_GAZE_ENABLED": "False",
    "CORE_MODEL_DOCTR_ENABLED": "False",
    "CORE_MODEL_YOLO_WORLD_ENABLED": "False",
    **ABSENT,
}
"""What its slim image switches off."""


@dataclass(frozen=True, slots=True)
class Variant:
    name: str
    purpose: str
    extras: tuple[str, ...]
    """Of the server's package."""
    environment: Mapping[str, str]
    budget_mb: int
    """Unpacked, as a function's zip holds it without bytecode; a test says which package grew."""
    without: frozenset[str] = frozenset()
    """Requirements of the server that this variant has no use for."""
    zips: bool = True
    """Whether it fits a zip's 250 MB."""

    def requirements(self) -> list[str]:
        """What is installed beside the server's own sources."""
        return required(self.extras, self.without)


SLIM: Final = Variant(
    "slim",
    "detection, segmentation, key points, classification, embeddings, ONNX tables",
    ("text",),
    {**GUARDED, **CORE},
    budget_mb=170,
)
TABULAR: Final = Variant(
    "tabular",
    "scikit-learn estimators as they are (skops, joblib)",
    ("sklearn",),
    {**GUARDED, **CORE},
    budget_mb=215,
    without=frozenset({"onnxruntime"}),
)
STANDARD: Final = Variant(
    "standard",
    "slim, and OCR, CLIP, YOLO-World and OpenCV's blocks",
    ("text", "ocr"),
    {**GUARDED, **ABSENT},
    budget_mb=400,
    zips=False,
)
VARIANTS: Final[Mapping[str, Variant]] = {one.name: one for one in (SLIM, TABULAR, STANDARD)}


def named(name: str) -> Variant:
    """Raises Problem for a name that is none."""
    if name not in VARIANTS:
        raise Problem(
            "VARIANT_UNKNOWN",
            f"there is no variant {name}",
            fix="one of " + ", ".join(VARIANTS),
            exit_code=USAGE,
        )
    return VARIANTS[name]


def facts(variant: Variant) -> dict[str, Any]:
    """What there is to say of it, for machines."""
    return {
        "variant": variant.name,
        "purpose": variant.purpose,
        "requirements": variant.requirements(),
        "environment": dict(variant.environment),
        "handler": HANDLER,
        "zips": variant.zips,
    }


def required(extras: tuple[str, ...] = (), without: frozenset[str] = frozenset()) -> list[str]:
    """The server's requirements with some of its extras, as its own package states them."""
    try:
        stated = metadata.requires(SERVER) or ()
    except metadata.PackageNotFoundError:
        raise Problem(
            "INFERENCE_MISSING",
            "the inference server is not installed here",
            why="its package says what it requires",
            fix="pip install lambent-inference",
        ) from None
    found = []
    for one in stated:
        wanted, _, marker = one.partition(";")
        extra = re.search(r"""extra\s*==\s*['"]([\w-]+)""", marker)
        name = re.match(r"[\w.-]+", wanted)
        if name and name[0] not in without and (extra is None or extra[1] in extras):
            found.append(wanted.strip())
    return found
