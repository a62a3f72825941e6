"""Masks from prototypes: outlines and run lengths in the picture's pixels, by decode mode."""

import numpy as np
import pytest

from lambent_inference.errors import InvalidMaskMode
from lambent_inference.models.contract import Segment

# Two prototypes on a 16 × 16 grid for a 64 × 64 input: left half, and everywhere.
PROTOTYPES = np.zeros((2, 16, 16), np.float32)
PROTOTYPES[0, :, :8] = 20
PROTOTYPES[0, :, 8:] = -20
PROTOTYPES[1] = 20
OUTPUTS = {
    "output0": np.array(
        # x, y, w, h, two classes, two coefficients
        [[32, 32, 40, 20, 0.9, 0, 1, 0], [32, 10, 10, 10, 0, 0.8, 0, 1]], np.float32
    ).T,
    "output1": PROTOTYPES,
}  # fmt: skip
FACTS = {"task": "instance-segmentation", "family": "yolov8-seg", "classes": ["cat", "dog"]}


def test_the_mask_is_cut_to_its_box(answered):
    (found,) = answered(Segment(), OUTPUTS, **FACTS)
    half, whole = found.boxes
    xs, ys = zip(*half.points, strict=True)
    # The box is x 12…52, y 22…42; the prototype ends at 32.
    assert (min(xs), min(ys), max(ys)) == (12, 22, 41)
    assert 30 <= max(xs) <= 32
    assert whole.points == ((27, 5), (27, 14), (36, 14), (36, 5))


def test_a_pixel_belongs_to_a_box_that_begins_at_or_before_it_and_ends_after_it(answered):
    """The exporters' rule, written out: `x1 <= column < x2`, in pixels of the model's input."""
    box = [[32.3, 32.6, 39.5, 19.9, 0.9, 0, 0, 1]]  # x 12.55…52.05, y 22.65…42.55
    outputs = {**OUTPUTS, "output0": np.array(box, np.float32).T}
    (found,) = answered(Segment(), outputs, **FACTS)
    xs, ys = zip(*found.boxes[0].points, strict=True)
    columns = [x for x in range(64) if 12.55 <= x < 52.05]
    rows = [y for y in range(64) if 22.65 <= y < 42.55]
    assert (min(xs), max(xs)) == (columns[0], columns[-1])
    assert (min(ys), max(ys)) == (rows[0], rows[-1])


def test_run_lengths_are_over_the_whole_picture(answered, blank):
    (found,) = answered(Segment(mask_format="rle"), OUTPUTS, pictures=[blank(128, 64)], **FACTS)
    cat, dog = found.boxes
    assert cat.points is None
    assert isinstance(cat.rle, str)
    # The dog's box: x 54…74, y 5…15 of 128 × 64, column by column.
    from lambent_inference.models import masks

    mask = np.zeros((64, 128), bool)
    mask[5:15, 54:74] = True
    assert dog.rle == masks.rle(mask)


@pytest.mark.parametrize("mode", ["fast", "tradeoff", "accurate"])
def test_every_mode_finds_the_same_shape_about_as_well_as_its_grid(answered, mode):
    (found,) = answered(Segment(mask_decode_mode=mode, tradeoff_factor=0.5), OUTPUTS, **FACTS)
    xs, ys = zip(*found.boxes[0].points, strict=True)
    assert abs(min(xs) - 12) <= 4
    assert abs(max(xs) - 31) <= 4
    assert abs(min(ys) - 22) <= 4
    assert abs(max(ys) - 41) <= 4


def test_a_factor_outside_is_refused(answered):
    with pytest.raises(InvalidMaskMode):
        answered(Segment(mask_decode_mode="tradeoff", tradeoff_factor=2), OUTPUTS, **FACTS)


def test_edges_of_a_fitted_picture_are_taken_off(answered, blank):
    (found,) = answered(
        Segment(), OUTPUTS, pictures=[blank(64, 32)], input={"resize": "fit-black"}, **FACTS
    )
    xs, ys = zip(*found.boxes[0].points, strict=True)
    assert (min(xs), min(ys), max(ys)) == (12, 6, 25)
