import os
import sys
from pathlib import Path

import pytest

from lambent.delivery import interpreters

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(autouse=True)
def forget() -> None:
    interpreters.find.cache_clear()


def test_our_own_version_is_found() -> None:
    found = interpreters.find(HERE)
    assert found is not None
    assert os.access(found, os.X_OK)


def test_a_version_that_does_not_exist() -> None:
    assert interpreters.find("3.99") is None


def test_a_shim_that_fails_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "bad": "exit 127",
        "lying": "echo cpython 3.1",
        "good": "echo cpython 3.98",
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "python3.98").write_text(f"#!/bin/sh\n{text}\n")
        (folder / "python3.98").chmod(0o755)
    order = [str(tmp_path / name) for name in ("bad", "lying", "good")]
    monkeypatch.setenv("PATH", os.pathsep.join([*order, os.environ["PATH"]]))
    assert interpreters.find("3.98") == tmp_path / "good" / "python3.98"
