"""The examples as their readers run them: the function's Python, its pinned packages, no server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lambent.cli.init import newest_runtime
from lambent.delivery import training

EXAMPLES = Path(__file__).parents[2] / "examples"
DRIVER = """
import json, handler
print(json.dumps([handler.handler(event, None) for event in json.load(open("events.json"))]))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`trained("churn", "--seed", "7")`: a copy of the example with its model."""

    def make(name: str, *arguments: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        shutil.copytree(EXAMPLES / name, folder, dirs_exist_ok=True)
        training.run(folder, "train.py", newest_runtime(), arguments)
        return folder

    return make


@pytest.fixture(scope="module")
def answers() -> Callable[[Path, list[object]], list[object]]:
    """What the handler of a folder says to each event, in one process, as an environment would."""

    def ask(folder: Path, events: list[object]) -> list[object]:
        (folder / "driver.py").write_text(DRIVER)
        (folder / "events.json").write_text(json.dumps(events))
        out = training.run(folder, "driver.py", newest_runtime())
        found: list[object] = json.loads(out.strip().splitlines()[-1])
        return found

    return ask
