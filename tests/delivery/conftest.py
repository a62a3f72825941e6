"""Hand-made wheels and projects, so that packaging is tested without a package index."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MakeWheel = Callable[..., Path]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test installs and builds stays in the test: uv remembers wheels by their path."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.mktemp("uv")))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    for name in list(os.environ):
        if name.startswith(("AWS_ENDPOINT", "LAMBENT_")) or name == "AWS_PROFILE":
            monkeypatch.delenv(name)


@pytest.fixture
def make_wheel(tmp_path: Path) -> MakeWheel:
    """Writes a wheel into tmp_path/wheels: `make_wheel(name, {file: text}, tag)`."""

    def make(name: str, files: dict[str, str | bytes], tag: str = "py3-none-any") -> Path:
        folder = tmp_path / "wheels"
        folder.mkdir(exist_ok=True)
        info = f"{name}-1.0.dist-info"
        all_files = {
            **files,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        }
        rows = []
        path = folder / f"{name}-1.0-{tag}.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            for file, content in all_files.items():
                raw = content if isinstance(content, bytes) else content.encode()
                wheel.writestr(file, raw)
                digest = (
                    base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
                )
                rows.append(f"{file},sha256={digest},{len(raw)}")
            rows.append(f"{info}/RECORD,,")
            wheel.writestr(f"{info}/RECORD", "\n".join(rows) + "\n")
        return path

    return make


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small function; `requirements.txt` looks into tmp_path/wheels only."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "handler.py").write_text("def handler(event, context):\n    return event\n")
    return folder


@pytest.fixture
def require(project: Path, tmp_path: Path) -> Callable[..., None]:
    """Sets the project's requirements, to be found among the hand-made wheels."""

    def write(*names: str) -> None:
        lines = ["--no-index", f"--find-links {tmp_path / 'wheels'}", *names]
        (project / "requirements.txt").write_text("\n".join(lines) + "\n")

    return write


@pytest.fixture(scope="module")
def live_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of our own, in a temporary folder."""
    folder = tmp_path_factory.mktemp("server")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "LAMBENT_"))}
    environment |= {
        "LAMBENT_DATA_DIR": str(folder),
        "LAMBENT_PORT": "0",
        "LAMBENT_NETWORK": "none",
        "LAMBENT_STATE_DELAY_S": "0.05",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lambent.server"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        yield str(json.loads(line)["url"])
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
