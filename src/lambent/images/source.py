"""Where an ImageUri leads: a layout folder, a docker archive, or a registry.

    oci:/srv/images/app:v1              an OCI layout folder, `:tag` where it holds several
    docker-archive:/srv/app.tar:app:v1  what `docker save` writes
    registry.example/team/app:v1        any registry, through skopeo
    123456789012.dkr.ecr.…/app:v1       the registry that the setting `image_registry` names

Paths of the server's own machine are for its own users: `locate` refuses them where the server
listens to others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from lambent.images import manifest, skopeo
from lambent.images.problem import ImageError

_ECR: Final = re.compile(
    r"(?P<host>\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?)/(?P<rest>.+)", re.ASCII
)
_DIGEST: Final = re.compile(r"@sha256:([0-9a-f]{64})$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Source:
    """One image where it is kept."""

    kind: Literal["layout", "archive", "registry"]
    place: str
    """A path, or host and repository."""
    tag: str = ""
    digest: str = ""
    """Of the reference itself: wins over the tag."""


def locate(uri: str, *, registry: str | None = None, local: bool = True) -> Source:
    """Where an image is; `registry` stands for ECR. Raises `ImageError`."""
    uri, digest = _split_digest(uri)
    kind, _, rest = uri.partition(":")
    if kind in {"oci", "docker-archive"} and rest.startswith("/"):
        if not local:
            raise ImageError("images by path are for servers on a loopback address only")
        place, _, tag = rest.partition(":")
        return Source("layout" if kind == "oci" else "archive", place, tag, digest)
    ecr = _ECR.fullmatch(uri)
    if ecr is not None:
        if not registry:
            raise ImageError(
                f"no registry stands for {ecr['host']}: set image_registry, for instance to "
                "localhost:5000",
                "ImageAccessDenied",
            )
        uri = f"{registry.rstrip('/')}/{ecr['rest']}"
    last = uri.rpartition("/")[2]
    place, _, tag = uri.rpartition(":") if ":" in last else (uri, "", "latest")
    return Source("registry", place, tag, digest)


def _split_digest(uri: str) -> tuple[str, str]:
    found = _DIGEST.search(uri)
    return (uri, "") if found is None else (uri[: found.start()], found[1])


def resolve(source: Source) -> str:
    """The digest that the reference has now. Blocking."""
    if source.digest:
        return source.digest
    if source.kind == "layout":
        return manifest.layout_digest(Path(source.place), source.tag)
    if source.kind == "archive":
        return manifest.archive_digest(Path(source.place), source.tag)
    return skopeo.digest(f"{source.place}:{source.tag}")


def fetch(
    source: Source, digest: str, architecture: str, scratch: Path, *, decompress: bool = True
) -> manifest.Image:
    """The image with this digest; what must be downloaded goes below `scratch`. Blocking.

    Without `decompress` the layers of a registry come as they are, to be passed on.
    """
    if source.kind == "layout":
        return manifest.read_layout(Path(source.place), digest, architecture)
    if source.kind == "archive":
        if manifest.archive_digest(Path(source.place), source.tag) != digest:
            raise ImageError(f"{source.place} holds another image by now", "ImageDeleted")
        return manifest.read_archive(Path(source.place), source.tag)
    folder = scratch / "download"
    skopeo.copy(
        f"{source.place}@sha256:{digest}",
        folder,
        manifest.go_architecture(architecture),
        decompress=decompress,
    )
    return manifest.read_dir(folder)
