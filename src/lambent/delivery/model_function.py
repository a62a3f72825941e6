"""`lambent deploy --model`: a function of the inference server and one model package.

The folder that is packaged holds the server's own sources, what it requires as requirements.txt, and
the package below `model/`. A native scikit-learn model also brings scikit-learn in the version that is
installed here, because its file loads only there. `deploy` does the rest; then comes the URL.
"""

from __future__ import annotations

import json
import re
import shutil
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

from lambent import own_tags
from lambent.delivery import variants
from lambent.delivery.aws import Aws
from lambent.delivery.dependencies import OVERRIDES
from lambent.delivery.model_source import Source
from lambent.delivery.problem import Problem
from lambent.delivery.template import FunctionPlan

SERVER: Final = "lambent_inference"
EVENT: Final = "warm_up.json"
REPORT: Final = "compile.json"
MEMORY_MB: Final = 1769  # AWS gives a whole core from here on
TIMEOUT_S: Final = 60
NATIVE: Final = ("scikit-learn", "skops", "joblib", "pandas")
OPEN: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("url", "lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
    ("url-invoke", "lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
)
"""An open URL needs both since October 2025."""
BOOSTERS: Final = {"xgboost": "xgboost-cpu", "lightgbm": "lightgbm"}


def plan(source: Source, folder: Path, runtime: str) -> FunctionPlan:
    """Fill `folder` and say how it is deployed; the name is the model's id."""
    package = source.folder
    facts = _manifest(package)
    copy_server(folder)
    if source.registry is None:
        shutil.copytree(package, folder / "model", ignore=shutil.ignore_patterns(".*"))
    elif (package / EVENT).is_file():
        (folder / "model").mkdir()
        shutil.copyfile(package / EVENT, folder / "model" / EVENT)
    native = not str(facts.get("model", "")).endswith(".onnx") and facts["task"] == "tabular"
    # scikit-learn and onnxruntime together pass 250 MB, and a model needs one of them.
    wanted = variants.required(without=variants.TABULAR.without) if native else variants.required()
    wanted += _native(package) if native else []
    if facts.get("tokenizer"):
        wanted.append("tokenizers")
        (folder / OVERRIDES).write_text(variants.UNUSED)
    (folder / "requirements.txt").write_text("\n".join(wanted) + "\n")
    environment = {
        "MODEL_REGISTRY": source.registry or "file:///var/task/model",
        "PINNED_MODELS": f"{facts['id']}/{facts['version']}",
    }
    if re.search(r"\.(joblib|pkl|pickle)$", str(facts.get("model", ""))):
        # Whoever deploys the package consents: `lambent model compile` asked for --allow-joblib.
        environment["ALLOW_PICKLED_MODELS"] = "True"
    return FunctionPlan(
        name=re.sub(r"[^A-Za-z0-9-_]", "-", facts["id"])[:64],
        folder=folder,
        handler=variants.HANDLER,
        runtime=runtime,
        memory_mb=MEMORY_MB,
        timeout_s=TIMEOUT_S,
        description=f"{facts['id']}/{facts['version']}, {facts['task']}",
        environment=environment,
        policies=source.policies,
        tags={own_tags.SAMPLE_EVENT: f"model/{EVENT}"} if (package / EVENT).is_file() else {},
        snap_start=True,
    )


def copy_server(folder: Path) -> None:
    """The server's own sources, without the tool for packages."""
    left_out = shutil.ignore_patterns("__pycache__", "tool")
    shutil.copytree(_server(), folder / SERVER, ignore=left_out, dirs_exist_ok=True)


class _Named(msgspec.Struct):
    """What must be in model.json for a function to be made of it."""

    id: str
    version: str
    task: str


def _manifest(package: Path) -> dict[str, Any]:
    path = package / "model.json"
    try:
        facts = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        msgspec.convert(facts, _Named)
    except (OSError, msgspec.MsgspecError) as error:
        raise Problem(
            "MODEL_PACKAGE_INVALID",
            f"{path} does not describe a model package",
            why=str(error),
            fix="lambent model compile MODEL --sample rows.csv makes one",
        ) from None
    return facts


def _server() -> Path:
    spec = find_spec(SERVER)
    if spec is None or spec.origin is None:
        raise Problem(
            "INFERENCE_MISSING",
            "the inference server is not installed here",
            why="it is what serves the model",
            fix="pip install lambent-inference",
        )
    return Path(spec.origin).parent


def _native(package: Path) -> list[str]:
    """The model's own libraries in the versions that it was packaged with."""
    names = list(NATIVE)
    report: dict[str, Any] = {}
    if (package / REPORT).is_file():
        report = json.loads((package / REPORT).read_text())
    used = report.get("libraries", ())
    names += [name for module, name in BOOSTERS.items() if module in used]
    known = report.get("versions", {})
    found = [(name, known.get(name) or _installed(name)) for name in names]
    return [f"{name}=={version}" for name, version in found if version]


def _installed(name: str) -> str | None:
    """The version here; the small package of XGBoost is the same code as the large one."""
    for one in (name, name.removesuffix("-cpu")):
        try:
            return metadata.version(one)
        except metadata.PackageNotFoundError:
            continue
    return None


def ensure_url(aws: Aws, plan: FunctionPlan) -> str:
    """The alias's URL, made when absent: signed on AWS, open on a server of one's own."""
    client = aws.functions
    at = {"FunctionName": plan.name, "Qualifier": plan.alias}
    try:
        return str(client.get_function_url_config(**at)["FunctionUrl"])
    except client.exceptions.ResourceNotFoundException:
        pass
    if aws.is_aws:
        return str(client.create_function_url_config(**at, AuthType="AWS_IAM")["FunctionUrl"])
    made = client.create_function_url_config(**at, AuthType="NONE")
    for statement, action, condition in OPEN:
        client.add_permission(
            **at, StatementId=statement, Action=action, Principal="*", **condition
        )
    return str(made["FunctionUrl"])
