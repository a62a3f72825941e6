"""Where the package behind `lambent deploy --model` lies: a folder, an archive, or a registry.

A folder or an archive goes into the function's zip. A model of a registry that the function can reach
itself (s3://, https://) is fetched once here, to see that it is whole, and then by the function; one
of a folder (file://), or any with `--pack`, goes into the zip, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from lambent.delivery import models
from lambent.delivery.problem import USAGE, Problem

ARCHIVES: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
REACHED: Final = frozenset({"s3", "https"})


@dataclass(frozen=True, slots=True)
class Source:
    folder: Path
    """The package, unpacked on this machine."""
    registry: str | None = None
    """What the function reads it from; None where the package lies in its zip."""

    @property
    def policies(self) -> tuple[dict[str, Any], ...]:
        """What the function's role must be allowed on AWS."""
        parts = urlsplit(self.registry or "")
        if parts.scheme != "s3":
            return ()
        bucket, prefix = f"arn:aws:s3:::{parts.netloc}", parts.path.strip("/")
        read = {
            "Effect": "Allow",
            "Action": ["s3:GetObject"],
            "Resource": [f"{bucket}/{prefix}/*" if prefix else f"{bucket}/*"],
        }
        # Without it S3 answers 403, not 404, for what is not there.
        listed = {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [bucket]}
        return ({"Statement": [read, listed]},)


def resolve(
    model: str, registry: str | None, scratch: Path, *, pack: bool, endpoint_url: str | None
) -> Source:
    """The package of `--model`; what has to be fetched or unpacked goes below `scratch`."""
    path = Path(model)
    if registry is None and path.is_dir():
        return Source(path)
    is_archive = urlsplit(model).path.lower().endswith(ARCHIVES)
    if registry is None and not is_archive:
        raise Problem(
            "MODEL_NOT_FOUND",
            f"{model} is no folder, and no registry is named that could have it",
            fix="--model FOLDER, --model FILE.tar.gz     or     --model ID/VERSION --registry URI",
            exit_code=USAGE,
        )
    into = scratch / "package"
    if registry is None:
        source = model if "://" in model else str(path)
        models.run(("fetch", source, str(into)), endpoint_url=endpoint_url)
        return Source(into)
    models.run(("fetch", registry, str(into), "--model", model), endpoint_url=endpoint_url)
    reached = urlsplit(registry).scheme in REACHED and not pack
    return Source(into, registry if reached else None)
