"""Images made from the machine's own Python, for no registry can be reached; and a registry."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import platform
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from scripts import fetch_interpreters

ROLE = "arn:aws:iam::123456789012:role/test"
RIC = ("awslambdaric", "simplejson", "snapshot_restore_py", "runtime_client")


class Layout:
    """An OCI layout folder that images are written into."""

    def __init__(self, folder: Path, base: bytes) -> None:
        self.folder = folder
        self._base = base
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self._tags: dict[str, dict[str, Any]] = {}

    def blob(self, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / "blobs" / "sha256" / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    def image(self, tag: str, files: Mapping[str, str], **config: Any) -> str:
        """Base, then `files`; returns its URI."""
        tars = [self._base, tar(files)]
        document = {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()],
            "os": "linux",
            "config": config,
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in tars],
            },
        }
        kind = "application/vnd.oci.image"
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{kind}.manifest.v1+json",
            "config": {
                "mediaType": f"{kind}.config.v1+json",
                **self.blob(json.dumps(document).encode()),
            },
            "layers": [{"mediaType": f"{kind}.layer.v1.tar", **self.blob(one)} for one in tars],
        }
        self._tags[tag] = {
            "mediaType": f"{kind}.manifest.v1+json",
            **self.blob(json.dumps(manifest).encode()),
            "annotations": {"org.opencontainers.image.ref.name": tag},
        }
        index = {"schemaVersion": 2, "manifests": list(self._tags.values())}
        (self.folder / "index.json").write_text(json.dumps(index))
        return f"oci:{self.folder}:{tag}"


def tar(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            info.mode = 0o755 if content.startswith("#!") else 0o644
            archive.addfile(info, io.BytesIO(content.encode()))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def base_layer() -> bytes:
    """The interpreter that runs the tests, its libraries, and awslambdaric."""
    home = Path(sys.base_prefix)
    python = f"python3.{sys.version_info.minor}"
    modules = home / "lib" / python
    program = Path(sys._base_executable).resolve()
    client = [Path(spec.origin) for name in RIC if (spec := importlib.util.find_spec(name))]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        archive.add(program, f"usr/local/bin/{python}")
        for entry in modules.iterdir():
            if entry.name not in {"site-packages", "test", "idlelib", "ensurepip", "__pycache__"}:
                archive.add(
                    entry,
                    f"usr/local/lib/{python}/{entry.name}",
                    filter=lambda info: (
                        None if "__pycache__" in info.name or "config-3" in info.name else info
                    ),
                )
        for library in sorted(_libraries([program, *modules.glob("lib-dynload/*.so"), *client])):
            archive.add(library, library.lstrip("/"))
        for name in RIC:
            found = importlib.util.find_spec(name)
            if found is None or found.origin is None:
                continue
            origin = Path(found.origin)
            whole = origin.parent if origin.name == "__init__.py" else origin
            archive.add(whole, f"usr/local/lib/{python}/site-packages/{whole.name}")
    return buffer.getvalue()


def _libraries(programs: list[Path]) -> set[str]:
    found: set[str] = set()
    for program in programs:
        said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        found |= {word for word in said.split() if word.startswith("/")}
    return found


@pytest.fixture
def layout(tmp_path: Path, base_layer: bytes) -> Layout:
    return Layout(tmp_path / "layout", base_layer)


@pytest.fixture
def create() -> Callable[..., None]:
    def create(server: Any, name: str, uri: str, **members: Any) -> None:
        members = {"Timeout": 30, "MemorySize": 256, **members}
        server.client.create_function(
            FunctionName=name, Role=ROLE, PackageType="Image", Code={"ImageUri": uri}, **members
        )

    return create


@pytest.fixture
def served() -> dict[str, Any]:
    """An image's configuration with the runtime client that is in it."""
    return {
        "Entrypoint": [f"/usr/local/bin/python3.{sys.version_info.minor}", "-m", "awslambdaric"],
        "Cmd": ["app.handler"],
        "WorkingDir": "/srv",
        "Env": ["OWN=yes", "PYTHONDONTWRITEBYTECODE=1"],
    }


@pytest.fixture
def bare_layout(tmp_path: Path) -> Layout:
    """Images with nothing in them but what a test puts there."""
    return Layout(tmp_path / "bare", tar({}))


@pytest.fixture
def node_layout(tmp_path: Path) -> Layout:
    """Images with Node.js and what it loads, and nothing else."""
    try:
        program = fetch_interpreters.node(fetch_interpreters.NODE_MAJORS[0]) / "node"
    except fetch_interpreters.Unavailable as reason:
        pytest.skip(str(reason))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        archive.add(program, "usr/local/bin/node")
        for library in sorted(_libraries([program])):
            archive.add(library, library.lstrip("/"))
    return Layout(tmp_path / "node", buffer.getvalue())


@pytest.fixture(scope="session")
def debian() -> Callable[[str], str]:
    """The path of a program, installed where it is missing; skips where that fails."""

    def find(program: str) -> str:
        try:
            return fetch_interpreters.debian(program)
        except fetch_interpreters.Unavailable as reason:
            pytest.skip(str(reason))

    return find
