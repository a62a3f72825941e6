"""A variant as a build context for those with Docker: multi-stage, on AWS's own base image.

The first stage installs for the Python of the base and leaves out what a function cannot use; the
second has neither pip's cache nor a compiler. What it installs, sets and starts is the variant's, as
in the zip and in the image that lambent builds itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lambent.delivery import model_function, variant_sizes
from lambent.delivery.dependencies import OVERRIDES
from lambent.delivery.variants import HANDLER, Variant

BASE: Final = "public.ecr.aws/lambda/python"
TASK_ROOT: Final = "/var/task"
MODELS: Final = "models"
FILE: Final = """\
# The variant `{name}`: {purpose}.
# Written by `lambent model variant {name} --docker`; write it again rather than changing it.
#   docker build --platform linux/amd64 --provenance=false -t inference:{name} .

FROM {base}:{python} AS build
RUN pip install --no-cache-dir uv
COPY requirements.txt {overrides} ./
RUN uv pip install --no-cache --python python{python} --target /packages --only-binary :all: \\
        --override {overrides} -r requirements.txt \\
    && find /packages -path '*/tests/*' -name 'test_*.py' -delete \\
    && find /packages \\( -name '*.pyx' -o -name '*.pxd' -o -name '*.a' \\) -delete
COPY lambent_inference /packages/lambent_inference
# Unchecked: nothing changes in an image, so no start has to look at the sources' times. Some
# packages carry files for other Pythons, which do not compile.
RUN python -m compileall -q --invalidation-mode unchecked-hash /packages || true

FROM {base}:{python}
COPY --from=build /packages ${{LAMBDA_TASK_ROOT}}
# Packages of models, as `lambent model compile` makes them; MODEL_REGISTRY may name others.
COPY {models} ${{LAMBDA_TASK_ROOT}}/{models}
{environment}
CMD ["{handler}"]
"""


def write(variant: Variant, python: str, folder: Path) -> list[str]:
    """The context in `folder`, which may hold `models/` already; the names of what was written."""
    write_context(variant, folder)
    (folder / MODELS).mkdir(exist_ok=True)
    (folder / MODELS / ".keep").touch()
    (folder / "Dockerfile").write_text(text(variant, python))
    return ["Dockerfile", "requirements.txt", OVERRIDES, f"{model_function.SERVER}/", f"{MODELS}/"]


def write_context(variant: Variant, folder: Path) -> None:
    """What every form of the variant is made of: its requirements and the server's sources."""
    folder.mkdir(parents=True, exist_ok=True)
    variant_sizes.write(variant, folder)
    model_function.copy_server(folder)


def environment(variant: Variant) -> dict[str, str]:
    """The variant's settings, and where an image has its models."""
    return {**variant.environment, "MODEL_REGISTRY": f"file://{TASK_ROOT}/{MODELS}"}


def text(variant: Variant, python: str) -> str:
    return FILE.format(
        name=variant.name,
        purpose=variant.purpose,
        base=BASE,
        python=python,
        overrides=OVERRIDES,
        models=MODELS,
        environment="\n".join(
            f"ENV {name}={value}" for name, value in environment(variant).items()
        ),
        handler=HANDLER,
    )
