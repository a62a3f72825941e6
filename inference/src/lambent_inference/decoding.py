"""Bytes of a picture to pixels, as the original's decoder sees them.

Like OpenCV's colour decode: orientation applied, transparency dropped (not blended), 16 bits cut to
8, grey made three channels, the first frame of an animation. The whole picture is decoded: Pillow's
quicker `draft` changes pixels. The size is checked before a pixel is made, because a small file can
claim to be a huge picture. `images.py` brings the bytes; models get what comes out here.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Final

from lambent_inference.errors import InvalidImage

if TYPE_CHECKING:
    from PIL import Image as Pillow

    from lambent_inference.models.contract import Image

FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000")
"""Pillow knows more, and some of those run other programs (EPS)."""
ORIENTATION: Final = 0x0112


def decode(data: bytes | memoryview, *, orient: bool = True, max_pixels: int) -> Image:
    """The picture in `data`; raises InvalidImage."""
    import numpy as np
    from PIL import Image as Pillow

    from lambent_inference.models.contract import Image

    # Our own limit stands below, and Pillow's would only warn.
    Pillow.MAX_IMAGE_PIXELS = None
    try:
        with Pillow.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check_size(picture, max_pixels)
            turned = _turned(picture) if orient else picture
            pixels = np.ascontiguousarray(np.asarray(_rgb(turned)))
    except InvalidImage:
        raise
    # Pillow's decoders raise all of these for bytes that are no picture of their format.
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        IndexError,
        KeyError,
        struct.error,
    ) as error:
        raise InvalidImage(
            "Could not decode the image; is it complete, and of a known format?", detail=str(error)
        ) from error
    pixels.flags.writeable = False
    return Image(pixels)


def _check_size(picture: Pillow.Image, max_pixels: int) -> None:
    if picture.width * picture.height > max_pixels:
        raise InvalidImage(
            f"It has {picture.width}x{picture.height} pixels; at most {max_pixels} are allowed."
        )


def _turned(picture: Pillow.Image) -> Pillow.Image:
    from PIL import Image as Pillow

    turns = {
        2: Pillow.Transpose.FLIP_LEFT_RIGHT,
        3: Pillow.Transpose.ROTATE_180,
        4: Pillow.Transpose.FLIP_TOP_BOTTOM,
        5: Pillow.Transpose.TRANSPOSE,
        6: Pillow.Transpose.ROTATE_270,
        7: Pillow.Transpose.TRANSVERSE,
        8: Pillow.Transpose.ROTATE_90,
    }
    turn = turns.get(picture.getexif().get(ORIENTATION, 1))
    return picture if turn is None else picture.transpose(turn)


def _rgb(picture: Pillow.Image) -> Pillow.Image:
    """Eight bits, three channels."""
    import numpy as np
    from PIL import Image as Pillow

    if picture.mode.startswith("I;16"):
        high = np.asarray(picture).astype(np.uint16) >> 8
        picture = Pillow.fromarray(high.astype(np.uint8))
    elif picture.mode == "I":  # a 16-bit PNG in Pillow's wider mode
        values = np.asarray(picture)
        shifted = values >> 8 if values.max(initial=0) > 255 else values
        picture = Pillow.fromarray(np.clip(shifted, 0, 255).astype(np.uint8))
    elif picture.mode == "F":
        picture = Pillow.fromarray(np.clip(np.rint(np.asarray(picture)), 0, 255).astype(np.uint8))
    return picture if picture.mode == "RGB" else picture.convert("RGB")
