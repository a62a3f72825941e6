"""Pictures to the tensor that a package asks for, and back to the picture's pixels.

In the original's order: static crop, contrast, grey, resize, then scale and layout. A `Frame`
remembers what was done to each picture, so that decoders can go back from the model's pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lambent_inference.models.contract import Image, Preprocessing
from lambent_inference.models.package import Crop, Input, Resize
from lambent_inference.models.resizing import resize

Pixels = NDArray[np.uint8]
Tensor = NDArray[np.float32]

PADDED: Final = 4
"""Bytes of a pixel as the decoder left it (`padded.py`)."""
WORD: Final = np.dtype("<i4")
STRIP: Final = 128
"""Rows at once, so that what is in between stays in the processor's cache."""
EDGES: Final[dict[Resize, int]] = {"fit-black": 0, "fit-white": 255, "fit-grey": 114}


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture's way to the model: model = (picture - crop) * scale + pad."""

    width: int
    height: int
    crop_x: int = 0
    crop_y: int = 0
    scale_x: float = 1.0
    scale_y: float = 1.0
    pad_x: float = 0
    pad_y: float = 0

    def back(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Points or corners (…x, y, x, y…) in the picture's pixels, not yet clipped."""
        out = boxes.astype(np.float64)
        out[..., 0::2] = (out[..., 0::2] - self.pad_x) / self.scale_x + self.crop_x
        out[..., 1::2] = (out[..., 1::2] - self.pad_y) / self.scale_y + self.crop_y
        return out

    def clip(self, corners: NDArray[np.float64]) -> NDArray[np.float64]:
        corners[..., 0::2] = corners[..., 0::2].clip(0, self.width)
        corners[..., 1::2] = corners[..., 1::2].clip(0, self.height)
        return corners


def prepare(
    images: list[Image], how: Input, width: int, height: int, steps: Preprocessing
) -> tuple[Tensor, list[Frame]]:
    """Images × channels × height × width (or the package's layout), and how they got there."""
    made = [_prepare(image, how, width, height, steps) for image in images]
    batch = np.empty((len(made), 3, *made[0][0].shape[:2]), np.float32)
    for place, (pixels, _) in zip(batch, made, strict=True):
        normalise(pixels, how, place)
    if how.layout == "nhwc":
        batch = np.ascontiguousarray(batch.transpose(0, 2, 3, 1))
    return batch, [frame for _, frame in made]


def normalise(pixels: Pixels, how: Input, out: Tensor) -> None:
    """Pixels into `out`, channel by channel: quicker than a transpose."""
    order = (2, 1, 0) if how.channels == "bgr" else (0, 1, 2)
    mean, std = how.mean or (0.0, 0.0, 0.0), how.std or (1.0, 1.0, 1.0)
    room = np.empty((STRIP, pixels.shape[1]), np.int32)
    for start in range(0, len(pixels), STRIP):
        rows = pixels[start : start + STRIP]
        for place, channel in enumerate(order):
            plane = out[place, start : start + STRIP]
            np.copyto(plane, _channel(rows, channel, room[: len(rows)]))
            plane *= np.float32(1.0 / (how.scale * std[place]))
            if mean[place]:
                plane -= np.float32(mean[place] / std[place])


def _channel(
    rows: Pixels, channel: int, room: NDArray[np.int32]
) -> NDArray[np.uint8] | NDArray[np.int32]:
    """Of pixels of four bytes by a shift, which is quicker than steps of four bytes."""
    if rows.shape[2] != PADDED:
        return rows[..., channel]
    np.right_shift(rows.view(WORD)[..., 0], 8 * channel, out=room)
    room &= 0xFF
    return room


def _prepare(
    image: Image, how: Input, width: int, height: int, steps: Preprocessing
) -> tuple[Pixels, Frame]:
    pixels, crop_x, crop_y = image.pixels if image.padded is None else image.padded, 0, 0
    if how.static_crop is not None and steps.static_crop:
        pixels, crop_x, crop_y = _cropped(pixels, how.static_crop)
    if how.contrast is not None and steps.contrast:
        from lambent_inference.models.contrast import CONTRASTS

        pixels = CONTRASTS[how.contrast](pixels[..., :3])
    if how.grayscale and steps.grayscale:
        pixels = grey(pixels)
    pixels, scale_x, scale_y, pad_x, pad_y = _RESIZES[how.resize](pixels, width, height, how.resize)
    return pixels, Frame(image.width, image.height, crop_x, crop_y, scale_x, scale_y, pad_x, pad_y)


Resized = tuple[Pixels, float, float, int, int]


def _stretched(pixels: Pixels, width: int, height: int, _: Resize) -> Resized:
    before_height, before_width = pixels.shape[:2]
    return resize(pixels, width, height), width / before_width, height / before_height, 0, 0


def _fitted(pixels: Pixels, width: int, height: int, how: Resize) -> Resized:
    """The whole picture in the middle, with edges of one colour."""
    before_height, before_width = pixels.shape[:2]
    if before_width / before_height >= width / height:
        inner_width, inner_height = width, max(1, int(width / (before_width / before_height)))
    else:
        inner_width, inner_height = max(1, int(height * (before_width / before_height))), height
    pad_x, pad_y = (width - inner_width) // 2, (height - inner_height) // 2
    out = np.full((height, width, pixels.shape[2]), EDGES[how], np.uint8)
    inner = resize(pixels, inner_width, inner_height)
    out[pad_y : pad_y + inner_height, pad_x : pad_x + inner_width] = inner
    scale = min(width / before_width, height / before_height)
    return out, scale, scale, pad_x, pad_y


def _shortest_cropped(pixels: Pixels, width: int, height: int, _: Resize) -> Resized:
    """The shorter side fills the input and the middle is kept, smoothed: as classifiers train."""
    from PIL import Image as Pillow

    before_height, before_width = pixels.shape[:2]
    scale = max(width / before_width, height / before_height)
    inner_width = max(width, round(before_width * scale))
    inner_height = max(height, round(before_height * scale))
    smooth = Pillow.fromarray(pixels[..., :3]).resize(
        (inner_width, inner_height), Pillow.Resampling.BICUBIC
    )
    x, y = (inner_width - width) // 2, (inner_height - height) // 2
    cut = np.asarray(smooth)[y : y + height, x : x + width]
    return cut, inner_width / before_width, inner_height / before_height, -x, -y


def _unchanged(pixels: Pixels, width: int, height: int, _: Resize) -> Resized:  # noqa: ARG001 - one of a table
    return pixels, 1.0, 1.0, 0, 0


_RESIZES: Final = {
    "stretch": _stretched,
    "fit-black": _fitted,
    "fit-white": _fitted,
    "fit-grey": _fitted,
    "shortest-crop": _shortest_cropped,
    "none": _unchanged,
}


def _cropped(pixels: Pixels, crop: Crop) -> tuple[Pixels, int, int]:
    height, width = pixels.shape[:2]
    left, right = int(crop.x_min / 100 * width), int(crop.x_max / 100 * width)
    top, bottom = int(crop.y_min / 100 * height), int(crop.y_max / 100 * height)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    return pixels[top:bottom, left:right], left, top


def grey(pixels: Pixels) -> Pixels:
    """Luma as three equal channels, in OpenCV's fixed point (15 bits)."""
    wide = pixels.astype(np.int32)
    luma = (wide[..., 0] * 9798 + wide[..., 1] * 19235 + wide[..., 2] * 3735 + (1 << 14)) >> 15
    return np.repeat(luma.astype(np.uint8)[..., None], 3, axis=2)
