"""The folder: model.json, the graph or the native file, a row to warm up with, and the report.

docs/models.md is the reference of model.json. A native package prefers skops, whose types are checked
at load; joblib runs code, so it is written only where the user consents.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lambent.delivery.compiling import gate
from lambent.delivery.compiling.convert import has_probabilities
from lambent.delivery.compiling.sample import Sample
from lambent.delivery.problem import Problem

REPORT: Final = "compile.json"
WARM_UP: Final = "warm_up.json"


def write_native(model: Any, folder: Path, reason: str, *, allow_joblib: bool) -> str:
    """Write the model as it is; the file's name. `reason` is why it was not converted."""
    from skops import io

    try:
        io.dump(model, folder / "model.skops")
        untrusted = io.get_untrusted_types(file=folder / "model.skops")
    # skops raises what the attributes of foreign estimators raise when they are looked at.
    except Exception as error:  # noqa: BLE001
        untrusted = [f"{type(error).__name__}: {error}"]
    if not untrusted:
        return "model.skops"
    (folder / "model.skops").unlink(missing_ok=True)
    if not allow_joblib:
        raise Problem(
            "MODEL_NEEDS_JOBLIB",
            f"the model is not converted ({reason}), and skops does not hold it safely",
            why="not trusted: " + ", ".join(untrusted[:5]),
            fix="--allow-joblib packages the pickle, which runs code when it is loaded; "
            "the function then needs ALLOW_PICKLED_MODELS=True",
        )
    import joblib

    joblib.dump(model, folder / "model.joblib", compress=3)
    return "model.joblib"


def write_warm_up(folder: Path, sample: Sample) -> dict[str, Any]:
    """One row as a request carries it: `{"features": {…}}`."""
    row = sample.frame.iloc[0]
    features = {
        column.name: gate.plain(value) for column, value in zip(sample.columns, row, strict=True)
    }
    features = {name: value for name, value in features.items() if value is not None}
    event = {"features": features}
    (folder / WARM_UP).write_text(json.dumps(event, indent=2, ensure_ascii=False) + "\n")
    return event


def write_manifest(
    folder: Path,
    file: str,
    facts: Mapping[str, Any],
    features: list[dict[str, Any]],
    classes: list[str],
) -> dict[str, Any]:
    """`model.json` over every file that is in the folder; `facts` has id, version and the like."""
    manifest = {
        "format": 1,
        "task": "tabular",
        "family": "onnx" if file.endswith(".onnx") else "sklearn",
        **facts,
        "features": features,
        "classes": classes,
        "model": file,
        "files": described(folder),
    }
    (folder / "model.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    return manifest


def described(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and checksum of every file of the package."""
    return {path.name: _described(path) for path in sorted(folder.iterdir()) if _ours(path)}


def _ours(path: Path) -> bool:
    return path.is_file() and path.name != "model.json" and not path.name.startswith(".")


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "size": path.stat().st_size}


def refuse_existing(into: Path) -> None:
    """A package is never written over another's files."""
    if into.exists() and any(into.iterdir()):
        raise Problem(
            "FILES_EXIST", f"{into} is already there", fix="--out OTHER_FOLDER", exit_code=3
        )


def features_of(sample: Sample) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "kind": one.kind, "required": one.required} for one in sample.columns
    ]


def classes_of(model: Any) -> list[str]:
    return [str(one) for one in model.classes_] if has_probabilities(model) else []
