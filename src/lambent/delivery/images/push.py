"""An image to a registry: skopeo sends it, and what the registry then has is told by its digest."""

from __future__ import annotations

from dataclasses import dataclass

from lambent.delivery.images import reference
from lambent.delivery.problem import USAGE, Problem
from lambent.images import skopeo, source


@dataclass(frozen=True, slots=True)
class Pushed:
    uri: str
    """As it was asked for: what a function names."""
    sent_to: str
    """Where it lies, which is elsewhere where a registry stands for ECR."""
    digest: str

    @property
    def pinned(self) -> str:
        """The same by its digest."""
        last = self.uri.rpartition("/")[2]
        place = self.uri.rpartition(":")[0] if ":" in last else self.uri
        return f"{place}@sha256:{self.digest}"


def push(image: str, target: str, *, registry: str | None = None) -> Pushed:
    """Send `image` (a layout folder or an archive) to `target`; `registry` stands for ECR."""
    uri = reference.uri(image)
    with reference.problems(image):
        here = source.locate(uri)
        source.resolve(here)  # a wrong tag is said here, in our words
    if here.kind == "registry":
        raise Problem(
            "USAGE",
            f"{image} is in a registry already",
            fix="lambent image push LAYOUT HOST/NAME:TAG",
            exit_code=USAGE,
        )
    with reference.problems(target):
        there = source.locate(target, registry=registry)
        if there.kind != "registry" or there.digest:
            raise Problem(
                "USAGE",
                f"{target} is no place in a registry",
                fix="HOST/NAME:TAG, for instance localhost:5000/team/app:v1",
                exit_code=USAGE,
            )
        sent_to = f"{there.place}:{there.tag}"
        skopeo.push(uri, sent_to)
        return Pushed(target, sent_to, source.resolve(there))
