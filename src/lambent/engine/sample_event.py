"""A function's sample event: a JSON file in its package, named by its tag `lambent:sample-event`.

The package is the function's, so the path is checked: nothing outside the package is ever read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import structlog

from lambent.control.targets import VersionTarget

log = structlog.get_logger()

LIMIT: Final = 6 * 1024 * 1024
"""What a synchronous call may carry."""


def read(target: VersionTarget) -> bytes | None:
    """The event, or None: there is none, or what is named is no event, which the log says. Blocking."""
    if not target.sample_event:
        return None
    try:
        return _read(_package(target), target.sample_event)
    except (OSError, ValueError) as error:
        log.warning(
            "snapshot.no_sample_event", function=target.arn, path=target.sample_event,
            why=str(error), fix="name a JSON file of the package in the tag lambent:sample-event",
        )  # fmt: skip
        return None


def _package(target: VersionTarget) -> Path:
    return target.code_path / "rootfs/var/task" if target.image_uri else target.code_path


def _read(package: Path, name: str) -> bytes:
    """Raises OSError or ValueError."""
    path = (package / name).resolve(strict=True)
    if not path.is_relative_to(package.resolve()) or not path.is_file():
        raise ValueError("it is not a file of the package")
    if path.stat().st_size > LIMIT:
        raise ValueError(f"it is over {LIMIT} bytes")
    text = path.read_bytes()
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"it is not JSON: {error}") from None
    return text
