"""What a lambent server must know of a function's snapshots, as tags, which AWS keeps and ignores.

`snapshots` and `sample_event` stand under `Metadata: lambent` of the template; they are checked here,
where somebody reads the error.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from lambent import own_tags
from lambent.delivery.problem import Problem

_TAG_VALUE: Final = re.compile(r"[\w+\-=./@ ]{1,256}", re.ASCII)


def tags(
    snapshots: str | None, sample_event: str | None, folder: Path, logical_id: str
) -> dict[str, str]:
    """`folder` is the function's CodeUri. Raises `Problem` for an event that could not be run."""
    found = {}
    if snapshots is not None:
        found[own_tags.SNAPSHOTS] = snapshots
    if sample_event is not None:
        found[own_tags.SAMPLE_EVENT] = _event(sample_event, folder, logical_id)
    return found


def _event(given: str, folder: Path, logical_id: str) -> str:
    path = PurePosixPath(given)
    if not _TAG_VALUE.fullmatch(str(path)) or path.is_absolute() or ".." in path.parts:
        raise Problem(
            "TEMPLATE_INVALID",
            f"sample_event of {logical_id} is {given!r}",
            why="it travels as a tag: a path below CodeUri of ASCII letters, digits, . _ - / + = @",
            fix="sample_event: events/sample.json",
        )
    try:
        msgspec.json.decode((folder / path).read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(
            "TEMPLATE_INVALID",
            f"sample_event of {logical_id}: {folder / path} is not a JSON file",
            why=str(error),
            fix="put an event there, such as lambent invoke -d @FILE takes",
        ) from None
    return str(path)
