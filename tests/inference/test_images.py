"""Pictures in every dress: formats, modes, orientations, bombs and broken ones."""

import base64
import gc
import io
import re
import struct
import time
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from lambent_inference.errors import InvalidImage
from lambent_inference.images import decode, unbase64
from lambent_inference.settings import load

SETTINGS = load({"MAX_IMAGE_MEGAPIXELS": "1", "MAX_IMAGE_MB": "1"})
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners(size=(8, 6)):
    """Red, green / blue, white in quarters: no turn of it looks like another."""
    width, height = size
    array = np.zeros((height, width, 3), np.uint8)
    array[: height // 2, : width // 2] = RED
    array[: height // 2, width // 2 :] = GREEN
    array[height // 2 :, : width // 2] = BLUE
    array[height // 2 :, width // 2 :] = WHITE
    return array


def encoded(picture, kind="PNG", **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def pixels(data, **options):
    image = decode(data, SETTINGS, **options)
    assert image.pixels.dtype == np.uint8
    assert image.padded is None or (image.padded[..., :3] == image.pixels).all()
    assert image.pixels.shape == (image.height, image.width, 3)
    return image.pixels


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "PPM", "WEBP"])
def test_lossless_formats(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(PillowImage.fromarray(corners()), kind, **options)
    assert (pixels(data) == corners()).all()


def test_jpeg_is_decoded_in_full():
    picture = PillowImage.fromarray(corners((64, 48)))
    data = encoded(picture, "JPEG", quality=95)
    with PillowImage.open(io.BytesIO(data)) as reference:
        assert (pixels(data) == np.asarray(reference)).all()


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (64, 48), (2100, 2000)])
def test_pillows_memory_is_lent_for_as_long_as_it_is_looked_at(size):
    """Also of pictures over 16 MB, which Pillow would keep in several pieces."""
    array = np.random.default_rng(1).integers(0, 256, (*size[::-1], 3), np.uint8)
    data = encoded(PillowImage.fromarray(array), "PPM")
    image = decode(data, load({}))
    assert image.padded is not None
    assert not image.pixels.flags.writeable
    gc.collect()
    others = [np.full(image.padded.size, 7, np.uint8) for _ in range(3)]  # what was freed is taken
    assert (image.pixels == array).all()
    del others


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_is_applied_unless_switched_off(turn):
    exif = PillowImage.Exif()
    exif[0x0112] = turn
    upright = PillowImage.fromarray(corners((32, 16)))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(PillowImage.Transpose(undo[turn])) if turn > 1 else upright
    data = encoded(stored, "PNG", exif=exif)
    assert (pixels(data) == corners((32, 16))).all()
    assert (pixels(data, orient=False) == np.asarray(stored)).all()


def test_modes():
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    assert (pixels(encoded(PillowImage.fromarray(grey))) == grey[:, :, None]).all()
    deep = (grey.astype(np.uint16) << 8) | 0x7F
    assert (pixels(encoded(PillowImage.fromarray(deep))) == grey[:, :, None]).all()
    half = np.dstack([corners(), np.full((6, 8), 7, np.uint8)])
    assert (pixels(encoded(PillowImage.fromarray(half))) == corners()).all(), "alpha is dropped"
    palette = PillowImage.fromarray(corners()).quantize(8)
    palette.info["transparency"] = bytes([0, 255, 128, 7])
    assert (pixels(encoded(palette)) == corners()).all()
    bits = PillowImage.fromarray(grey > 20)
    assert (pixels(encoded(bits)) == np.where(grey > 20, 255, 0)[:, :, None]).all()
    cmyk = encoded(PillowImage.fromarray(corners((16, 16))).convert("CMYK"), "TIFF")
    assert (pixels(cmyk) == corners((16, 16))).all()


def test_of_an_animation_the_first_frame():
    frames = [PillowImage.new("RGB", (4, 4), colour) for colour in (RED, GREEN)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (pixels(data) == np.array(RED)).all()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, *chunks):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


def ico_with(inner):
    """An icon that says 16 × 16 and holds a picture of another size."""
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inner), 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + inner


def tiff(width, height, strip):
    """Grey, one strip, deflated."""
    tags = (
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 8),
        (277, 3, 1), (278, 4, height), (279, 4, len(strip)),
    )  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    start = struct.pack("<2sHI", b"II", 42, 8 + len(strip))
    return start + strip + struct.pack("<H", len(tags)) + entries + bytes(4)


def webp(width, height):
    """A lossless one that ends after its head."""
    bits = (width - 1) | (height - 1) << 14
    body = b"VP8L" + struct.pack("<IBI", 10, 0x2F, bits) + bytes(5)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body + b"\0"


def jpeg_of_scans(count):
    """A progressive one whose last scan's head is said again and again: each goes over all pixels."""
    data = encoded(PillowImage.new("RGB", (900, 900)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    head = data[last : last + 2 + int.from_bytes(data[last + 2 : last + 4])]
    return data[:-2] + head * count + data[-2:]


ATTACKS = {
    "empty": b"",
    "text": b"hello",
    "html": b"<html><body>not found</body></html>",
    "a claim of a huge size": png(60_000, 60_000, chunk(b"IDAT", zlib.compress(b"\0" * 100))),
    "a bomb of zeros": png(30_000, 30_000, chunk(b"IDAT", zlib.compress(bytes(1 << 24)))),
    "a bomb in text": png(
        4, 4, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 27))), chunk(b"IDAT", b"")
    ),
    "a TIFF that claims a huge size": tiff(60_000, 60_000, zlib.compress(bytes(1 << 20))),
    "a WebP that claims a huge size": webp(16_383, 16_383),
    "a JPEG of a hundred thousand scans": jpeg_of_scans(80_000),
    "truncated": encoded(PillowImage.fromarray(corners((64, 64))))[:-40],
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n(x) run\n%%EOF",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>',
    "an icon with a huge inside": ico_with(png(50_000, 50_000, chunk(b"IDAT", b""))),
    "a GIF screen that is too large": b"GIF89a\xff\xff\xff\xff\x00\x00\x00;",
    "a BMP of negative height": b"BM" + struct.pack(
        "<IHHIIiiHHIIIIII", 100, 0, 0, 54, 40, 60000, -60000, 1, 24, 0, 0, 0, 0, 0, 0
    ),
}  # fmt: skip


@contextmanager
def grows_by_at_most(most_bytes):
    """The process's highest memory, decoders' own included."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far
    before = highest_bytes()
    yield
    assert highest_bytes() - before < most_bytes


def highest_bytes():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_no_picture_is_refused_in_bounded_memory(attack):
    began = time.thread_time()
    with grows_by_at_most(64 << 20), pytest.raises(InvalidImage) as caught:
        decode(ATTACKS[attack], SETTINGS)
    assert time.thread_time() - began < 2
    assert caught.value.message.startswith("Could not load input image. Cause: it ")
    assert "Error" not in caught.value.message


def test_more_in_a_strip_than_in_the_picture_is_not_unpacked():
    data = tiff(4, 4, zlib.compress(bytes(1 << 26), 9))
    with grows_by_at_most(16 << 20):
        assert (pixels(data) == 0).all()


def test_pictures_of_several_scans_are_pictures():
    data = encoded(PillowImage.fromarray(corners((64, 48))), "JPEG", progressive=True, quality=95)
    assert data.count(b"\xff\xda") > 5
    assert pixels(data).shape == (48, 64, 3)


def test_base64():
    text = base64.b64encode(b"picture!?").decode()
    assert unbase64(text, SETTINGS) == b"picture!?"
    assert unbase64(f"data:image/jpeg;base64,{text}", SETTINGS) == b"picture!?"
    assert unbase64(text.encode(), SETTINGS) == b"picture!?"
    assert unbase64(text.rstrip("=") + "\n", SETTINGS) == b"picture!?"
    assert unbase64(base64.urlsafe_b64encode(b"\xfb\xff").decode(), SETTINGS) == b"\xfb\xff"
    for bad in ("", "a", 7, None, ["x"], "data:image/png;base64,", "A" * (2 << 20)):
        with pytest.raises(InvalidImage):
            unbase64(bad, SETTINGS)
