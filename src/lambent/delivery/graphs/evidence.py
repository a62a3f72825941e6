"""What a graph is tried on: rows of a CSV file, or the pictures of a folder.

Pictures in folders of their own carry the folder's name as label; of a table, `--target` names the
column that does. Of more than the limit evenly spread ones are taken.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lambent.delivery.problem import USAGE, Problem

PICTURES_MAX: Final = 400
ROWS_MAX: Final = 2000
PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """`rows` of a table or `images`, and a label for each where there are any."""

    rows: tuple[dict[str, Any], ...] = ()
    images: tuple[Any, ...] = ()
    labels: tuple[str, ...] = ()
    numbers: bool = False
    """Whether the labels are numbers to come near to, not names to hit."""
    columns: tuple[dict[str, Any], ...] = ()
    """Features of the table, as model.json has them."""
    first: bytes = b""
    """The first picture as it lies in the file."""

    def __len__(self) -> int:
        return len(self.rows) or len(self.images)


def table(path: Path, target: str | None, width: int | None, names: tuple[str, ...]) -> Evidence:
    """Rows by feature. Columns are those that inputs are called by, else the first `width`."""
    import pandas as pd

    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise _invalid(path, str(error)) from error
    if target is not None and target not in frame.columns:
        raise _invalid(path, f"it has no column {target} (--target)")
    labels = frame[target] if target is not None else None
    wanted = [name for name in frame.columns if name != target]
    if set(names) <= set(frame.columns) and len(names) > 1:
        wanted = list(names)
    elif width is not None:
        if len(wanted) < width:
            raise _invalid(
                path, f"it has {len(wanted)} columns beside --target; the graph takes {width}"
            )
        wanted = wanted[:width]
    if frame.empty:
        raise _invalid(path, "it has no rows")
    step = -(-len(frame) // ROWS_MAX)
    frame = frame.iloc[::step]
    rows = tuple(_row(row) for row in frame[wanted].to_dict("records"))
    return Evidence(
        rows=rows,
        labels=() if labels is None else tuple(map(str, labels.iloc[::step])),
        numbers=labels is not None and labels.dtype.kind == "f",
        columns=tuple(_column(frame[name], str(name)) for name in wanted),
    )


def _row(row: dict[Any, Any]) -> dict[str, Any]:
    """JSON's values; what is missing is left out."""
    from lambent.delivery.compiling.gate import plain

    found = {str(name): plain(value) for name, value in row.items()}
    return {name: value for name, value in found.items() if value is not None}


def _column(values: Any, name: str) -> dict[str, Any]:
    kind = {"b": "boolean", "i": "number", "u": "number", "f": "number"}.get(
        values.dtype.kind, "string"
    )
    return {"name": name, "kind": kind, "required": not bool(values.isna().any())}


def pictures(path: Path) -> Evidence:
    """Decoded as the server decodes them."""
    from lambent_inference import images
    from lambent_inference.errors import InferenceError
    from lambent_inference.settings import Settings

    settings = Settings()
    found = list(_spread(path))
    if not found:
        raise _invalid(path, "there is no picture in it")
    decoded, labels = [], []
    for file in found:
        try:
            decoded.append(images.decode(file.read_bytes(), settings))
        except InferenceError as error:
            raise _invalid(path, f"{file.name}: {error}") from None
        if path.is_dir() and file.parent != path:
            labels.append(file.parent.name)
    if labels and len(labels) != len(decoded):
        raise _invalid(
            path, "some pictures lie in folders with a label's name and some beside them"
        )
    return Evidence(images=tuple(decoded), labels=tuple(labels), first=found[0].read_bytes())


def _spread(path: Path) -> Iterator[Path]:
    files = [path] if path.is_file() else sorted(path.glob("*")) + sorted(path.glob("*/*"))
    files = [one for one in files if one.suffix.lower() in PICTURES]
    return iter(files[:: max(1, -(-len(files) // PICTURES_MAX))])


def as_request(evidence: Evidence, model_id: str, task: str) -> dict[str, Any]:
    """The first row or picture as the event of a direct invoke."""
    if evidence.rows:
        return {"features": evidence.rows[0]}
    path = {
        "object-detection": "object_detection", "instance-segmentation": "instance_segmentation",
        "keypoint-detection": "keypoints_detection", "classification": "classification",
        "semantic-segmentation": "semantic_segmentation", "embedding": "embeddings",
    }[task]  # fmt: skip
    image = {"type": "base64", "value": base64.b64encode(evidence.first).decode()}
    body = {"model_id": model_id, "image": image}
    return {"httpMethod": "POST", "path": f"/infer/{path}", "body": body}


def _invalid(path: Path, why: str) -> Problem:
    return Problem(
        "SAMPLE_INVALID",
        f"{path} cannot be used as the sample",
        why=why,
        fix="--sample rows.csv, or a folder of pictures (in folders by label, where they have one)",
        exit_code=USAGE,
    )
