"""A function's image, ready to be named in CreateFunction: found by its ImageUri, or built.

A server on this machine takes a built image from its layout folder. AWS, and a server elsewhere,
fetch it from a registry, so it is sent there first, under a tag of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lambent.delivery.aws import Aws, is_loopback
from lambent.delivery.images import build, dockerfile, reference
from lambent.delivery.images.build import Built
from lambent.delivery.images.push import push
from lambent.delivery.problem import Problem
from lambent.delivery.sam_images import ImagePlan
from lambent.delivery.template import FunctionPlan
from lambent.images import source
from lambent.images.problem import ImageError

OUTPUT: Final = Path(".lambent") / "image"
_SHOWN_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class ImageCode:
    """What stands where a zip's bytes would."""

    uri: str
    sha256: str
    """As Lambda's CodeSha256; empty where only Lambda can tell."""
    built: Built | None = None
    notes: tuple[str, ...] = ()


def prepared(
    aws: Aws,
    plan: FunctionPlan,
    *,
    registry: str | None = None,
    send: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> ImageCode:
    """The image of a plan. Without `send` nothing leaves this machine, as for a comparison."""
    assert plan.image is not None
    registry = None if aws.is_aws else registry
    if plan.image.dockerfile is None:
        uri = reference.uri(plan.image.uri, plan.image.base)
        return ImageCode(uri, _resolved(uri, registry))
    built = _built(plan, plan.image, registry, progress)
    digest = built.digest.removeprefix("sha256:")
    if not aws.is_aws and is_loopback(aws.endpoint_url or ""):
        return ImageCode(built.uri, digest, built, built.notes)
    if not send:
        return ImageCode("", digest, built, built.notes)
    if not plan.image.repository:
        raise Problem(
            "IMAGE_REPOSITORY",
            f"the image of {plan.name} is built, and there is no registry to send it to",
            fix="--image-repository HOST/NAME     or     image_repository under Metadata: lambent",
        )
    progress(f"sending the image to {plan.image.repository}")
    target = f"{plan.image.repository}:{plan.name}-{digest[:_SHOWN_DIGITS]}-{plan.image.tag}"
    sent = push(built.uri, target, registry=registry)
    return ImageCode(target, sent.digest, built, built.notes)


def _built(
    plan: FunctionPlan, image: ImagePlan, registry: str | None, progress: Callable[[str], None]
) -> Built:
    assert image.dockerfile is not None
    recipe = dockerfile.read(image.dockerfile, plan.folder, image.build_arguments)
    recipe = replace(
        recipe,
        architecture=plan.architecture,
        registry=registry,
        bytecode=plan.extras.bytecode,
    )
    return build.build(recipe, plan.folder / OUTPUT, plan.name, progress)


def _resolved(uri: str, registry: str | None) -> str:
    """The digest that the name has now, where this machine can tell."""
    try:
        return source.resolve(source.locate(uri, registry=registry))
    except ImageError:
        return ""
