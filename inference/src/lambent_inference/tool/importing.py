"""`import`: packages made of what other tools left, saying what could not be taken over.

Known: the original server's cache layout, an MLflow model folder, a BentoML model (folder or
`.bentomodel`), and SageMaker's `model.tar.gz`. Only data is taken: ONNX graphs, skops and (where the
server allows them) pickled estimators. Code that came with a model stays behind, and is named.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lambent_inference.models import archives, original, package
from lambent_inference.models.contract import Family
from lambent_inference.models.formats.sklearn import PICKLED
from lambent_inference.models.package import MANIFEST
from lambent_inference.tool.failure import Failure
from lambent_inference.tool.pushing import described

LOADABLE: Final = (".onnx", ".skops", ".joblib", ".pkl", ".pickle")
KINDS: Final = {
    "boolean": "boolean", "string": "string", "integer": "integer", "long": "integer",
    "float": "number", "double": "number",
}  # fmt: skip
"""MLflow's column types, as ours."""


@dataclass(slots=True)
class Taken:
    """What was understood of a source."""

    kind: str
    files: dict[str, Path] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    """What could not be taken over, in words."""


def take(
    source: Path, into: Path, model: str, version: str, said: dict[str, Any]
) -> dict[str, Any]:
    if into.exists() and any(into.iterdir()):
        raise Failure("MODEL_TARGET_NOT_EMPTY", f"{into} is not empty", "name a new folder")
    with tempfile.TemporaryDirectory() as scratch:
        folder = source
        if source.is_file():
            folder = Path(scratch)
            archives.unpack(source, folder)
        elif not source.is_dir():
            raise Failure("MODEL_NOT_FOUND", f"there is no {source}")
        taken = _read(folder, f"{model}/{version}")
        into.mkdir(parents=True, exist_ok=True)
        for name, path in taken.files.items():
            shutil.copyfile(path, into / package.checked_name(name))
    facts = {**taken.facts, **said, "id": model, "version": version}
    manifest = described(into, facts)
    (into / MANIFEST).write_bytes(package.encode(manifest))
    notes = list(taken.left)
    if any(Path(name).suffix in PICKLED for name in manifest.files):
        notes.append(
            "the model is a pickle: the server loads it only with ALLOW_PICKLED_MODELS=True"
        )
    return {
        "model": manifest.model_id, "kind": taken.kind, "folder": str(into),
        "task": str(manifest.task), "files": sorted(manifest.files), "not_taken": notes,
    }  # fmt: skip


def _read(folder: Path, model_id: str) -> Taken:
    if original.is_original(folder):
        return _original(folder, model_id)
    if (folder / "MLmodel").is_file():
        return _mlflow(folder)
    if (folder / "model.yaml").is_file():
        return _bentoml(folder)
    return _sagemaker(folder)


def _original(folder: Path, model_id: str) -> Taken:
    import msgspec

    manifest = original.read(folder, model_id)
    facts = msgspec.to_builtins(manifest)
    files = {name: folder / name for name in manifest.files}
    others = (path.name for path in folder.iterdir() if path.name not in files)
    return Taken("original", files, facts, [f"{name}: not part of the layout" for name in others])


def _mlflow(folder: Path) -> Taken:
    facts = _yaml(folder / "MLmodel")
    flavors: dict[str, Any] = facts.get("flavors") or {}
    taken = Taken("mlflow", facts={"task": str(Family.TABULAR)})
    if "onnx" in flavors:
        name = str(flavors["onnx"].get("data", "model.onnx"))
        taken.facts["family"] = "onnx"
    elif "sklearn" in flavors:
        name = str(flavors["sklearn"].get("pickled_model", "model.pkl"))
        taken.facts["family"] = "sklearn"
    else:
        raise Failure(
            "MODEL_FORMAT_UNKNOWN",
            f"the flavors {', '.join(flavors) or '(none)'} cannot be taken over",
            "log the model with mlflow.onnx or mlflow.sklearn",
        )
    path = package.inside(folder, name)
    if not path.is_file():
        raise Failure("MODEL_FORMAT_UNKNOWN", f"MLmodel names {name}, which is not there")
    taken.files[path.name] = path
    taken.facts["model"] = path.name
    _signature(facts, taken)
    dropped = {"python_function": "the pyfunc wrapper and what it does before and after the model"}
    taken.left += [f"{name}: {text}" for name, text in dropped.items() if _custom(flavors, name)]
    _rest(folder, taken, skip={"MLmodel"})
    return taken


def _custom(flavors: dict[str, Any], name: str) -> bool:
    loader = str((flavors.get(name) or {}).get("loader_module", ""))
    return bool(loader) and loader not in {"mlflow.sklearn", "mlflow.onnx"}


def _signature(facts: dict[str, Any], taken: Taken) -> None:
    import json

    text = (facts.get("signature") or {}).get("inputs")
    if not text:
        taken.left.append("signature: the model has none, so feature names are the graph's own")
        return
    columns = json.loads(text)
    if any(one.get("type") not in KINDS or "name" not in one for one in columns):
        taken.left.append("signature: it is not one of named columns")
        return
    taken.facts["features"] = [
        {"name": one["name"], "kind": KINDS[one["type"]], "required": one.get("required", True)}
        for one in columns
    ]


def _bentoml(folder: Path) -> Taken:
    facts = _yaml(folder / "model.yaml")
    module = str(facts.get("module", ""))
    taken = Taken("bentoml")
    if "onnx" not in module and "sklearn" not in module:
        raise Failure(
            "MODEL_FORMAT_UNKNOWN",
            f"{module or 'a model without module'} cannot be taken over",
            "save it with bentoml.onnx or bentoml.sklearn",
        )
    taken.facts |= {"task": str(Family.TABULAR), "family": module.rpartition(".")[2]}
    _one_model(folder, taken)
    if facts.get("options"):
        taken.left.append("options: providers and session options are the server's settings")
    if facts.get("signatures"):
        taken.left.append("signatures: batching follows MAX_BATCH_SIZE")
    _rest(folder, taken, skip={"model.yaml"})
    return taken


def _sagemaker(folder: Path) -> Taken:
    taken = Taken("sagemaker", facts={"task": str(Family.TABULAR), "family": "onnx"})
    _one_model(folder, taken)
    if not taken.facts["model"].endswith(".onnx"):
        taken.facts["family"] = "sklearn"
    _rest(folder, taken)
    return taken


def _one_model(folder: Path, taken: Taken) -> None:
    found = sorted(
        (path for path in folder.rglob("*") if path.suffix in LOADABLE and path.is_file()),
        key=lambda path: (LOADABLE.index(path.suffix), len(path.parts), path),
    )
    if not found:
        names = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
        raise Failure(
            "MODEL_FORMAT_UNKNOWN",
            f"none of {', '.join(LOADABLE)} is in it, but {names}",
            "export the model to ONNX first",
        )
    taken.files[found[0].name] = found[0]
    taken.facts["model"] = found[0].name


def _rest(folder: Path, taken: Taken, skip: Iterable[str] = ()) -> None:
    used = set(taken.files.values())
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path not in used and name not in skip:
            taken.left.append(f"{name}: {_why(path)}")


def _why(path: Path) -> str:
    if path.suffix == ".py":
        return "code is not run; what it does to inputs and outputs must be in the graph"
    if path.name in {"conda.yaml", "python_env.yaml", "requirements.txt", "registered_model_meta"}:
        return "the server has its own environment"
    return "not needed to answer"


def _yaml(path: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise Failure("YAML_MISSING", "PyYAML is not installed", "pip install pyyaml") from error
    try:
        found = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as error:
        raise Failure("MODEL_FORMAT_UNKNOWN", f"{path.name}: {error}") from error
    return found if isinstance(found, dict) else {}
