"""How people name an image on the command line, and what that leads to.

app.oci  ./layouts/app:v1     a layout folder, as a path
app.tar                       a docker archive, as a path
oci:PATH[:TAG]  docker-archive:PATH[:NAME:TAG]
host/team/app:v1              a registry's; ECR's names go where `image_registry` says
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lambent.delivery.problem import Problem
from lambent.images import source
from lambent.images.manifest import Image
from lambent.images.problem import ImageError

_KINDS: Final = "an OCI layout folder, a docker archive (.tar), or a registry's HOST/NAME:TAG"


def uri(text: str, folder: Path | None = None) -> str:
    """An ImageUri whose paths are absolute; relative ones start at `folder`."""
    kind, colon, rest = text.partition(":")
    if colon and kind in {"oci", "docker-archive"}:
        return f"{kind}:{_absolute(rest, folder)}"
    for path, tag in ((text, ""), text.rpartition(":")[::2]):
        if not path:
            continue
        place = _absolute(path, folder)
        end = f":{tag}" if tag else ""
        if (Path(place) / "oci-layout").is_file():
            return f"oci:{place}{end}"
        if path.endswith(".tar") and Path(place).is_file():
            return f"docker-archive:{place}{end}"
    if text.startswith((".", "/")) or text.endswith((".tar", ".oci")):
        raise Problem(
            "IMAGE_NOT_FOUND",
            f"there is no image at {text}",
            fix=_KINDS,
        )
    return text


def _absolute(path: str, folder: Path | None) -> str:
    return os.path.abspath(folder / path if folder else path)  # noqa: PTH100  it keeps the tag behind the path


@contextmanager
def problems(text: str) -> Iterator[None]:
    """What is wrong with an image, as a problem with a fix."""
    try:
        yield
    except ImageError as error:
        fix = _KINDS
        if error.code == "ImageAccessDenied":
            fix = (
                f"{_KINDS} that answers (skopeo login HOST where it asks who you are; "
                "lambent doctor --fix installs skopeo)"
            )
        raise Problem("IMAGE_INVALID", f"{text}: {error}", fix=fix) from None


def opened(
    text: str, architecture: str, scratch: Path, *, registry: str | None = None
) -> tuple[Image, str]:
    """The image and its digest; what must be downloaded goes below `scratch`."""
    with problems(text):
        found = source.locate(uri(text), registry=registry)
        digest = source.resolve(found)
        return source.fetch(found, digest, architecture, scratch, decompress=False), digest
