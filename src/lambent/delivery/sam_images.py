"""Functions of `PackageType: Image` in a SAM template: an ImageUri, or a Dockerfile in Metadata.

    PackageType: Image                         Metadata:
    ImageUri: host/team/app:v1        or         DockerContext: ./app
    ImageConfig: {Command: [app.handler]}        Dockerfile: Dockerfile      DockerTag: v1

`images.code` builds or finds what is named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambent.delivery.problem import Problem

_ZIP_ONLY = ("Handler", "Runtime", "Layers")


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """Where a function's image comes from, and what ImageConfig says of how it is run."""

    uri: str = ""
    base: Path = Path()
    """The folder that a relative path in `uri` starts at: the template's."""
    dockerfile: Path | None = None
    tag: str = "latest"
    build_arguments: Mapping[str, str] = field(default_factory=dict)
    repository: str = ""
    """Where a built image is sent, if anywhere."""
    config: Mapping[str, Any] = field(default_factory=dict)


def read(
    logical_id: str,
    wanted: Mapping[str, Any],
    metadata: Mapping[str, Any],
    base: Path,
    repository: str | None,
) -> tuple[ImagePlan, Path]:
    """The plan, and the folder that the image is made of; raises `Problem`."""
    extra = [key for key in _ZIP_ONLY if wanted.get(key)]
    if extra:
        raise _invalid(
            f"{logical_id} is an image, and has {' and '.join(extra)}",
            "the image names what is run: leave them out, or ImageConfig with Command",
        )
    code = wanted.get("Code")
    uri = wanted.get("ImageUri") or (code.get("ImageUri") if isinstance(code, dict) else None)
    config = wanted.get("ImageConfig") or {}
    if not isinstance(config, dict):
        raise _invalid(f"{logical_id}.ImageConfig is not a map", "ImageConfig: {Command: […]}")
    if metadata.get("DockerBuildTarget"):
        raise _invalid(
            f"{logical_id}: DockerBuildTarget needs Docker, which is not used here",
            "a Dockerfile with one FROM, or ImageUri",
        )
    context = metadata.get("DockerContext") or ("." if metadata.get("Dockerfile") else None)
    if context is None:
        if not isinstance(uri, str) or not uri:
            raise _invalid(
                f"{logical_id} is an image, and names none",
                "ImageUri, or DockerContext and Dockerfile under Metadata",
            )
        return ImagePlan(uri=uri, base=base, config=config), base.resolve()
    folder = (base / str(context)).resolve()
    plan = ImagePlan(
        base=base,
        dockerfile=folder / str(metadata.get("Dockerfile") or "Dockerfile"),
        tag=str(metadata.get("DockerTag") or "latest"),
        build_arguments={
            str(key): str(value) for key, value in (metadata.get("DockerBuildArgs") or {}).items()
        },
        repository=repository or "",
        config=config,
    )
    return plan, folder


def _invalid(message: str, fix: str) -> Problem:
    return Problem("TEMPLATE_INVALID", message, fix=fix)
