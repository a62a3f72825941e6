"""The inference server's sizes: what each installs, sets and weighs, in every form the same."""

import json
import re
import shlex
from pathlib import Path

import pytest

from lambent.delivery import dockerfile, platforms, variant_sizes, variants
from lambent.delivery.problem import Problem
from lambent_inference import settings

RECORD = Path(__file__).parents[2] / "benchmarks/variant_sizes.json"
SECTION = {
    "LAMBDA": "True",
    "ALLOW_NUMPY_INPUT": "False",
    "ALLOW_NON_HTTPS_URL_INPUT": "False",
    "ALLOW_URL_INPUT_WITHOUT_FQDN": "False",
    "ALLOW_LOADING_IMAGES_FROM_LOCAL_FILESYSTEM": "False",
    "ALLOW_CUSTOM_PYTHON_EXECUTION_IN_WORKFLOWS": "False",
    "ALLOW_WORKFLOW_BLOCKS_ACCESSING_LOCAL_STORAGE": "False",
    "ALLOW_WORKFLOW_BLOCKS_ACCESSING_ENVIRONMENTAL_VARIABLES": "False",
    "USE_FILE_CACHE_FOR_WORKFLOWS_DEFINITIONS": "False",
    "WORKFLOWS_STEP_EXECUTION_MODE": "remote",
    "WORKFLOWS_REMOTE_API_TARGET": "hosted",
    "MODEL_VALIDATION_DISABLED": "True",
    "REDIS_SSL": "true",
    "DOCTR_MULTIPROCESSING_DISABLE": "TRUE",
    "DISABLE_VERSION_CHECK": "true",
    "INFERENCE_SERVER_ID": "HostedInferenceLambda",
    "API_LOGGING_ENABLED": "True",
}


@pytest.mark.parametrize("name", variants.VARIANTS)
def test_every_variant_is_as_guarded_as_the_public_server_in_lambda(name):
    environment = variants.VARIANTS[name].environment
    assert SECTION.items() <= environment.items()
    off = {key for key in environment if key not in SECTION}
    assert off >= {"CORE_MODEL_SAM_ENABLED", "CORE_MODEL_SAM2_ENABLED", "CORE_MODEL_TROCR_ENABLED"}
    assert {environment[key] for key in off} == {"False"}
    found = settings.load(environment)  # everything is known, and read as it is meant
    known = {settings.variable(one) for one in settings.Settings.__struct_fields__}
    assert set(environment) <= known
    assert not found.allow_numpy_input
    assert found.core_models_enabled == (name == "standard")


def test_what_each_installs():
    wanted = {
        name: {re.match(r"[\w-]+", one)[0] for one in found.requirements()}
        for name, found in variants.VARIANTS.items()
    }
    base = {"fastapi", "mangum", "msgspec", "numpy", "pillow", "python-multipart"}
    assert wanted["slim"] == base | {"onnxruntime", "tokenizers"}
    assert wanted["tabular"] == base | {"scikit-learn", "skops"}
    assert wanted["standard"] == wanted["slim"] | {"rapidocr"}
    with pytest.raises(Problem) as caught:
        variants.named("huge")
    assert caught.value.code == "VARIANT_UNKNOWN"


@pytest.mark.parametrize("name", variants.VARIANTS)
def test_the_dockerfile_says_what_the_variant_says(name, tmp_path):
    found = variants.VARIANTS[name]
    written = dockerfile.write(found, "3.13", tmp_path)
    text = (tmp_path / "Dockerfile").read_text()
    lines = [line for line in text.replace("\\\n", "").splitlines() if not line.startswith("#")]
    said = dict(
        line.removeprefix("ENV ").split("=", 1) for line in lines if line.startswith("ENV ")
    )
    assert said.pop("MODEL_REGISTRY") == "file:///var/task/models"
    assert said == found.environment
    assert [line for line in lines if line.startswith("FROM ")] == [
        "FROM public.ecr.aws/lambda/python:3.13 AS build",
        "FROM public.ecr.aws/lambda/python:3.13",
    ]
    assert json.loads(lines[-1].removeprefix("CMD ")) == [variants.HANDLER]
    assert (tmp_path / "requirements.txt").read_text().split("\n")[:-1] == found.requirements()
    for line in lines:  # what is copied is there
        if line.startswith("COPY ") and "--from" not in line:
            for source in shlex.split(line)[1:-1]:
                assert (tmp_path / source).exists(), source
    assert "lambent_inference/" in written
    assert not list(tmp_path.rglob("*.pyc"))


@pytest.mark.slow  # installs each, from uv's cache where that has the wheels
@pytest.mark.parametrize("name", variants.VARIANTS)
def test_no_variant_grows_past_its_budget(name):
    """When this fails: which package grew is in the message, and `scripts/variant_sizes.py` writes
    the sizes down again once that is accepted."""
    found = variants.VARIANTS[name]
    weight = variant_sizes.measure(found, platforms.of("python3.13", "x86_64"))
    more = variant_sizes.grown(json.loads(RECORD.read_text())[name], weight.megabytes())
    assert weight.total <= found.budget_mb * 1e6, "\n".join(["grew:", *more])
    if found.zips:
        assert weight.total < 250e6


def test_what_grew_is_named():
    before = {"numpy": 40.0, "scipy": 94.0}
    now = {"scipy": 94.0, "numpy": 46.5, "torch": 800.0}
    assert variant_sizes.grown(before, now) == ["torch 0.0 → 800.0 MB", "numpy 40.0 → 46.5 MB"]
