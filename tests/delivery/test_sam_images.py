"""Functions of PackageType Image in a template: an ImageUri, or a Dockerfile in Metadata."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambent.delivery import template
from lambent.delivery.aws import Aws
from lambent.delivery.images import code
from lambent.delivery.problem import Problem

FUNCTION = """
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: {{PackageType: Image, {properties}}}
    Metadata: {{{metadata}}}
"""


def read(
    folder: Path, properties: str = "MemorySize: 256", metadata: str = ""
) -> template.FunctionPlan:
    path = folder / "template.yaml"
    path.write_text(FUNCTION.format(properties=properties, metadata=metadata))
    return template.read(path).functions[0]


def test_an_image_uri(tmp_path: Path) -> None:
    plan = read(tmp_path, "ImageUri: host/app:v1, ImageConfig: {Command: [a.b]}")
    assert plan.image is not None
    assert (plan.image.uri, plan.image.dockerfile) == ("host/app:v1", None)
    assert plan.image.config == {"Command": ["a.b"]}
    assert (plan.handler, plan.runtime) == ("", "")


def test_cloudformations_own_type(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(
        "Resources: {F: {Type: AWS::Lambda::Function, Properties: "
        "{PackageType: Image, Code: {ImageUri: 'host/app@sha256:0'}}}}"
    )
    image = template.read(path).functions[0].image
    assert image is not None
    assert image.uri == "host/app@sha256:0"


def test_a_dockerfile(tmp_path: Path) -> None:
    plan = read(
        tmp_path,
        metadata="DockerContext: ./app, Dockerfile: Dockerfile.prod, DockerTag: v2, "
        "DockerBuildArgs: {A: 1}, lambent: {image_repository: host/app}",
    )
    assert plan.image is not None
    assert plan.folder == tmp_path / "app"
    assert plan.image.dockerfile == tmp_path / "app/Dockerfile.prod"
    assert (plan.image.tag, plan.image.build_arguments) == ("v2", {"A": "1"})
    assert plan.image.repository == "host/app"


@pytest.mark.parametrize(
    ("properties", "metadata", "said"),
    [
        ("MemorySize: 256", "", "names none"),
        ("ImageUri: x/y, Handler: a.b", "", "has Handler"),
        ("ImageUri: x/y, Runtime: python3.12", "", "has Runtime"),
        ("MemorySize: 1", "DockerContext: ., DockerBuildTarget: x", "DockerBuildTarget"),
        ("ImageUri: x/y, ImageConfig: 5", "", "ImageConfig is not a map"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, properties: str, metadata: str, said: str) -> None:
    with pytest.raises(Problem, match=said):
        read(tmp_path, properties, metadata)


def dockerfile(tmp_path: Path) -> template.FunctionPlan:
    (tmp_path / "app.py").write_text("")
    (tmp_path / "Dockerfile").write_text('FROM scratch\nCOPY app.py .\nCMD ["app.handler"]\n')
    return read(tmp_path, metadata="DockerContext: .")


def test_a_server_here_takes_the_layout(tmp_path: Path) -> None:
    plan = dockerfile(tmp_path)
    made = code.prepared(Aws("http://127.0.0.1:9", region="us-east-1"), plan)
    assert made.uri == f"oci:{tmp_path}/.lambent/image:F"
    assert made.built is not None
    assert made.built.digest == f"sha256:{made.sha256}"
    again = code.prepared(Aws("http://127.0.0.1:9", region="us-east-1"), plan)
    assert again.sha256 == made.sha256


def test_a_server_elsewhere_needs_a_registry(tmp_path: Path) -> None:
    aws = Aws("http://192.0.2.1:9000", region="us-east-1")
    plan = dockerfile(tmp_path)
    compared = code.prepared(aws, plan, send=False)
    assert len(compared.sha256) == 64
    with pytest.raises(Problem, match="no registry to send it to") as caught:
        code.prepared(aws, plan)
    assert "--image-repository" in caught.value.fix


def test_a_path_starts_at_the_template(tmp_path: Path) -> None:
    built = code.prepared(Aws("http://127.0.0.1:9", region="us-east-1"), dockerfile(tmp_path))
    plan = read(tmp_path, "ImageUri: './.lambent/image:F'")
    found = code.prepared(Aws("http://127.0.0.1:9", region="us-east-1"), plan)
    assert (found.uri, found.sha256) == (built.uri, built.sha256)
