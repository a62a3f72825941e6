"""The example's detector truly finds what is drawn, through the server's own manager."""

import asyncio
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from lambent_inference.models.contract import Detect, Image
from lambent_inference.models.manager import make
from lambent_inference.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SCRIPT = Path(__file__).parents[2] / "examples" / "detector" / "train.py"


@pytest.fixture(scope="module")
def train():
    spec = importlib.util.spec_from_file_location("detector_train", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_finds_drawn_shapes(train, tmp_path) -> None:
    train.write(tmp_path, train.export(*train.train(400, 7)))
    models = make(Settings(model_registry=(f"file://{tmp_path}",), model_cache_dir=tmp_path / "c"))
    random = np.random.default_rng(99)
    drawn = found = wrong = 0

    async def look(side: int) -> None:
        nonlocal drawn, found, wrong
        picture, shapes = train.draw(random, side)
        image = Image(np.ascontiguousarray(np.asarray(picture)))
        outcome = await models.infer("shapes", Detect(), [image])
        left = list(shapes)
        drawn += len(shapes)
        for box in outcome.answers[0].boxes:
            hits = [
                one
                for one in left
                if train.CLASSES[one[0]] == box.class_name
                and max(abs(one[1] - box.x), abs(one[2] - box.y)) < one[3] * 0.3
                and 0.6 < box.width / one[3] < 1.6
            ]
            if hits:
                left.remove(hits[0])
                found += 1
            else:
                wrong += 1

    async def look_at_all() -> None:
        for side in (320, 640, 480) * 10:
            await look(side)

    asyncio.run(look_at_all())
    assert drawn > 60
    assert found / drawn > 0.95
    assert wrong / drawn < 0.05
