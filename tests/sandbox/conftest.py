"""What the tests of the sandboxes share: a way to run the attack programs as any user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "src"


def attack_names() -> list[str]:
    return sorted(path.stem for path in (HERE / "programs").glob("*.py"))


def pytest_generate_tests(metafunc):
    if "attack_name" in metafunc.fixturenames:
        metafunc.parametrize("attack_name", attack_names())


def run_attacks(folder: Path, python: str, user: list[str]) -> dict[str, dict[str, object]]:
    ended = subprocess.run(
        [*user, python, "-B", str(HERE / "driver" / "run_attacks.py"), str(folder), *attack_names()],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert not ended.stderr, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def attacks(tmp_path_factory):
    """Every attack, run as whoever runs the tests."""
    return run_attacks(tmp_path_factory.mktemp("attacks"), sys.executable, [])


@pytest.fixture(scope="session")
def attack_runner():
    return run_attacks
