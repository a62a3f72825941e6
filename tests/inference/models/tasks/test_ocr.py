"""Text that was drawn is read; the engine brings its own weights."""

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from lambent_inference.errors import InvalidRequest
from lambent_inference.models.contract import Image, ReadText
from lambent_inference.models.formats.reader import Line
from lambent_inference.models.tasks.ocr import in_order


@pytest.mark.slow
def test_drawn_text_is_read_in_order(ask):
    picture = Pillow.new("RGB", (640, 200), "white")
    brush = ImageDraw.Draw(picture)
    font = ImageFont.load_default(48)
    brush.text((40, 20), "Invoice 2026", "black", font)
    brush.text((40, 110), "Total 417", "black", font)
    page = Image(np.array(picture))
    for name in ("doctr/default", "easy_ocr/english_g2"):
        (found,) = ask(name, ReadText(boxes=True), [page])
        assert found.text.replace(" ", "") == "Invoice2026Total417"
        first, second = found.lines
        assert abs(first.y - 48) < 15
        assert abs(second.y - 138) < 15
        assert first.confidence > 0.8
    with pytest.raises(InvalidRequest, match="klingon"):
        ask("doctr/default", ReadText(languages=("klingon",)), [page])


def test_reading_order():
    def line(text, x, y):
        return Line(text, 1.0, ((x, y), (x + 50, y), (x + 50, y + 20), (x, y + 20)))

    lines = [line("d", 10, 60), line("b", 100, 3), line("a", 10, 0), line("c", 200, -4)]
    assert [one.text for one in in_order(lines)] == ["a", "b", "c", "d"]
