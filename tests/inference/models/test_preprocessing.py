"""From pixels to a tensor: the same, whichever way the decoder left the pixels."""

import numpy as np
import pytest

from lambent_inference.models.contract import Image, Preprocessing
from lambent_inference.models.package import Crop, Input
from lambent_inference.models.preprocessing import prepare

RESIZES = ("stretch", "fit-black", "fit-white", "fit-grey", "shortest-crop")
HOWS = (
    *({"resize": one} for one in RESIZES),
    {"static_crop": Crop(x_min=10, x_max=80, y_min=20, y_max=90)},
    {"grayscale": True},
    {"contrast": "adaptive", "resize": "fit-black"},
    {"channels": "bgr", "layout": "nhwc"},
    {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), "channels": "bgr"},
    {"scale": 1.0},
)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("size", [(90, 40), (32, 48), (64, 96)])
def test_padded_pixels_make_the_same_tensor(how, size):
    width, height = size
    padded = np.random.default_rng(3).integers(0, 256, (height, width, 4), np.uint8)
    padded.flags.writeable = False
    plain = Image(np.ascontiguousarray(padded[..., :3]))
    described, steps = Input(**how), Preprocessing()
    expected, frames = prepare([plain], described, 32, 48, steps)
    tensor, others = prepare([Image(padded[..., :3], padded)], described, 32, 48, steps)
    assert frames == others
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    assert (tensor == expected).all()


def test_every_pixel_is_divided_and_set_in_its_channel():
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    tensor, _ = prepare([Image(pixels)], Input(), 3, 2, Preprocessing())
    assert tensor[0] == pytest.approx(pixels.transpose(2, 0, 1) / 255)
