"""A variant of the inference server as the recipe of an image, for `lambent image build --variant`.

The same requirements, sources, settings and handler as the Dockerfile has; packages of models that
lie in `models/` of the folder come along in a layer of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lambent.delivery import dockerfile, source
from lambent.delivery.images import recipe
from lambent.delivery.images.recipe import Copy, Step
from lambent.delivery.variants import HANDLER, Variant


@dataclass(frozen=True, slots=True)
class VariantImage:
    steps: tuple[Step, ...]
    environment: Mapping[str, str]
    command: tuple[str, ...] = (HANDLER,)


def of(variant: Variant, folder: Path, scratch: Path) -> VariantImage:
    """`scratch` holds what the steps name, so it must stay until the image is built."""
    dockerfile.write_context(variant, scratch)
    steps = recipe.from_folder(scratch)
    models = folder / dockerfile.MODELS
    if models.is_dir() and (files := source.files(models)):
        to = f"{recipe.TASK_ROOT}/{dockerfile.MODELS}"
        steps = (*steps, Copy(tuple(files), to, "models"))
    return VariantImage(steps, dockerfile.environment(variant))
