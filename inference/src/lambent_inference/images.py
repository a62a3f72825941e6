"""Pictures as requests name them → decoded pixels: URL, base64, S3, and what the owner allows besides.

Bytes are fetched on waiting threads and decoded on working ones. Decoding knows the formats that
pictures come in and no others, looks at the size before it allocates, and knows nothing of models.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import importlib
import re
import warnings
from typing import TYPE_CHECKING, Any, Final

from lambent_inference import aws, work
from lambent_inference.errors import InvalidImage
from lambent_inference.models.contract import Image
from lambent_inference.security import (
    Fetcher,
    check_arrays,
    read_array,
    read_file,
    too_large,
    too_many_pixels,
)
from lambent_inference.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

FORMATS: Final = {
    "JPEG": "Jpeg", "PNG": "Png", "WEBP": "WebP", "GIF": "Gif", "BMP": "Bmp",
    "DIB": "Bmp", "TIFF": "Tiff", "PPM": "Ppm", "JPEG2000": "Jpeg2K", "AVIF": "Avif",
}  # fmt: skip
"""Pillow's name and module of each: none that starts another program or reads another file."""
DATA_URL: Final = re.compile(r"\s*data:[\w.+/-]{0,64}(;[\w=.+-]{0,64})*;base64,", re.ASCII)
ORIENTATION: Final = 0x0112
SCAN: Final = b"\xff\xda"
SCANS_MAX: Final = 100
"""A progressive picture has about ten; each goes over all pixels and may be ten bytes short, so that
a megabyte of them would keep a core busy for minutes."""
KINDS: Final = ("url", "base64", "s3", "numpy", "file")


class Loader:
    """One per service: the settings, and who fetches."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.fetcher = Fetcher(settings)
        self.storage = aws.Storage()

    async def load(
        self, kind: str, value: Any, *, orient: bool = True
    ) -> tuple[Image, bytes | None]:
        """A picture, decoded and as it came (an array has no such form); raises InvalidImage."""
        if kind == "numpy":
            return await work.run(self._array, value), None
        if kind == "base64":
            return await work.run(self._base64, value, orient=orient)
        data = await self.read(kind, value)
        return await work.run(decode, data, self.settings, orient=orient), data

    def _base64(self, value: Any, *, orient: bool) -> tuple[Image, bytes]:
        """Both steps on one thread: each change of threads costs as much as a small text."""
        data = unbase64(value, self.settings)
        return decode(data, self.settings, orient=orient), data

    async def read(self, kind: str, value: Any) -> bytes:
        """The encoded picture, wherever it is but in the request's text."""
        if kind == "bytes" and isinstance(value, bytes):
            return bounded(value, self.settings)
        if kind not in KINDS:
            raise InvalidImage(f"image type {kind[:40]!r} is not one of {', '.join(KINDS)}.")
        if not isinstance(value, str):
            raise InvalidImage(f"the value of an image of type {kind} must be a text.")
        if kind == "url":
            return await self._url(value)
        if kind == "s3":
            return await work.wait(self._s3, value)
        return await work.wait(read_file, value, self.settings)

    async def _url(self, url: str) -> bytes:
        try:
            # A second more than the fetch allows itself: looking up a name cannot be cut off inside.
            async with asyncio.timeout(self.settings.image_timeout_s + 1):
                return await work.wait(self.fetcher.fetch, url)
        except TimeoutError:
            raise InvalidImage("Error while loading image from url: it took too long.") from None

    def _s3(self, uri: str) -> bytes:
        allowed = self.settings.s3_input_destinations
        if allowed and not any(aws.below(uri, prefix) for prefix in allowed):
            raise InvalidImage("It is not allowed to reach this S3 URI (S3_INPUT_DESTINATIONS).")
        try:
            return self.storage.get(
                uri,
                max_bytes=self.settings.max_image_mb << 20,
                seconds=self.settings.image_timeout_s,
            )
        except aws.TooLargeObject:
            raise InvalidImage(too_large(self.settings)) from None
        except aws.AwsFailed as error:
            raise InvalidImage(f"Error while loading image from S3: {error}.") from None

    def _array(self, value: Any) -> Image:
        import numpy as np

        check_arrays(self.settings)
        data = value if isinstance(value, bytes) else unbase64(value, self.settings)
        pixels = read_array(data, self.settings)
        if pixels.ndim == 2 or pixels.shape[2] == 1:
            rgb = np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
        else:  # arrays come from OpenCV, whose order is blue, green, red
            rgb = pixels[:, :, 2::-1]
        return Image(np.ascontiguousarray(rgb))


def unbase64(value: Any, settings: Settings) -> bytes:
    """The bytes of a base64 text, with or without a `data:` prefix."""
    if isinstance(value, bytes | bytearray):
        value = bytes(value).decode("latin-1")
    if not isinstance(value, str):
        raise InvalidImage("the value of an image of type base64 must be a text.")
    prefix = DATA_URL.match(value)
    text = value[prefix.end() :] if prefix else value
    limit = settings.max_image_mb << 20
    if len(text) * 3 // 4 > limit + 3:
        raise InvalidImage(too_large(settings))
    text = text.strip().replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise InvalidImage("it is not valid base64.") from None
    if not data:
        raise InvalidImage("Empty image payload.")
    return data


def bounded(data: bytes, settings: Settings) -> bytes:
    """Bytes that came as they are, in a form or as a body."""
    if len(data) > settings.max_image_mb << 20:
        raise InvalidImage(too_large(settings))
    if not data:
        raise InvalidImage("Empty image payload.")
    return data


def decode(data: bytes, settings: Settings, *, orient: bool = True) -> Image:
    """RGB pixels of an encoded picture: the first frame, upright unless `orient` is False."""
    from PIL.Image import DecompressionBombError

    try:
        return _decoded(data, settings.max_image_megapixels * 1_000_000, orient=orient)
    except InvalidImage:
        raise
    except (DecompressionBombError, MemoryError):
        raise InvalidImage(too_many_pixels(settings)) from None
    except Exception as error:  # noqa: BLE001 - decoders raise whatever a broken file makes them raise
        raise InvalidImage(
            "it is not a picture, is broken, or has a format that is not supported.",
            detail=f"{type(error).__name__}: {error}",
        ) from None


def _decoded(data: bytes, limit: int, *, orient: bool) -> Image:
    import io

    from PIL import Image as PillowImage

    from lambent_inference.padded import in_one_piece

    if limit // 2 != PillowImage.MAX_IMAGE_PIXELS:
        # Pillow's own limit, which also guards pictures inside pictures, fails at twice its value.
        warnings.filterwarnings("ignore", category=PillowImage.DecompressionBombWarning)
        PillowImage.MAX_IMAGE_PIXELS = limit // 2
        in_one_piece()
        for module in FORMATS.values():
            importlib.import_module(f"PIL.{module}ImagePlugin")
    with PillowImage.open(io.BytesIO(data), formats=tuple(FORMATS)) as picture:
        if picture.width * picture.height > limit:
            raise PillowImage.DecompressionBombError
        if _scans(picture, data) > SCANS_MAX:
            raise InvalidImage(f"it has more than {SCANS_MAX} scans.")
        picture.load()
        return _rgb(_upright(picture) if orient else picture)


def _scans(picture: Picture, data: bytes) -> int:
    """How often a JPEG goes over its pixels; its markers cannot occur in what is between them."""
    inside = picture.format == "TIFF" and "jpeg" in str(picture.info.get("compression"))
    return data.count(SCAN) if inside or picture.format in {"JPEG", "MPO"} else 0


def _upright(picture: Picture) -> Picture:
    from PIL import ImageOps

    try:
        turned = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - a picture is still one when its notes are broken
        return picture
    return ImageOps.exif_transpose(picture) if turned in range(2, 9) else picture


def _rgb(picture: Picture) -> Image:
    """8-bit RGB from whatever mode: alpha is dropped, 16 bits are halved, palettes looked up."""
    import numpy as np

    from lambent_inference.padded import padded

    if picture.mode.startswith("I;16") or picture.mode in {"I", "F"}:
        return Image(np.repeat(_grey(picture)[:, :, None], 3, axis=2))
    if picture.mode == "P":
        picture = picture.convert("RGBA")
    if picture.mode != "RGB":
        picture = picture.convert("RGB")
    if (lent := padded(picture)) is not None:
        return Image(lent[..., :3], lent)
    return Image(np.array(picture))


def _grey(picture: Picture) -> NDArray[np.uint8]:
    """A picture of more than 8 bits."""
    import numpy as np

    if picture.mode.startswith("I;16"):
        return (np.asarray(picture) >> 8).astype(np.uint8)
    wide = np.asarray(picture).astype(np.float64)
    if picture.mode == "I" and wide.max(initial=0) > 255:
        wide = np.floor(wide / 256)
    return np.clip(np.nan_to_num(wide), 0, 255).astype(np.uint8)
