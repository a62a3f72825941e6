"""Descriptions of images that somebody has made up: refused in words, never a mistake of ours."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from lambent.images import manifest
from lambent.images.problem import ImageError


@pytest.mark.parametrize(
    "index",
    [[], {"manifests": 5}, {"manifests": [5]}, {"manifests": [{}]}, {"manifests": [{"digest": 7}]},
     {"manifests": [{"digest": "sha256:../../../etc/passwd"}]}, {"manifests": [{"annotations": 3}]}],
)  # fmt: skip
def test_indexes(tmp_path: Path, index: object) -> None:
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(ImageError):
        manifest.layout_digest(tmp_path, "")


def put(folder: Path, document: object) -> str:
    content = json.dumps(document).encode()
    digest = hashlib.sha256(content).hexdigest()
    (folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    (folder / "blobs/sha256" / digest).write_bytes(content)
    return digest


@pytest.mark.parametrize(
    "config",
    [
        [],
        {"config": [1]},
        {"config": {"Env": 5}},
        {"config": {"Entrypoint": 5}},
        {"config": {"Cmd": "app.handler"}},
    ],
)
def test_configurations(tmp_path: Path, config: object) -> None:
    named = put(tmp_path, config)
    digest = put(tmp_path, {"config": {"digest": f"sha256:{named}"}, "layers": []})
    with pytest.raises(ImageError):
        manifest.read_layout(tmp_path, digest, "x86_64")


@pytest.mark.parametrize(
    "document",
    [{}, {"layers": 5, "config": {}}, {"layers": [5], "config": 5}, {"manifests": 5},
     {"manifests": [5]}, {"layers": [{"digest": "sha256:../x"}], "config": {"digest": "x"}}],
)  # fmt: skip
def test_manifests(tmp_path: Path, document: object) -> None:
    digest = put(tmp_path, document)
    with pytest.raises(ImageError):
        manifest.read_layout(tmp_path, digest, "x86_64")


def test_a_blob_that_is_not_what_its_name_says(tmp_path: Path) -> None:
    digest = put(tmp_path, {})
    (tmp_path / "blobs/sha256" / digest).write_text('{"layers": []}')
    with pytest.raises(ImageError, match="does not have the content"):
        manifest.read_layout(tmp_path, digest, "x86_64")


def test_more_layers_than_lambda_takes(tmp_path: Path) -> None:
    named = put(tmp_path, {"config": {}})
    layers = [{"digest": f"sha256:{'0' * 64}"}] * 128
    digest = put(tmp_path, {"config": {"digest": f"sha256:{named}"}, "layers": layers})
    with pytest.raises(ImageError, match="128 layers; 127 are allowed"):
        manifest.read_layout(tmp_path, digest, "x86_64")


def test_a_pipe_in_a_files_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "index.json")
    with pytest.raises(ImageError, match="is no file"):
        manifest.layout_digest(tmp_path, "")
    with pytest.raises(ImageError, match="is no file"):
        manifest.archive_digest(tmp_path / "index.json")
