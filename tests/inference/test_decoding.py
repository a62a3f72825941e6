"""Every kind of picture becomes RGB, uint8; nothing that is no picture does anything but fail."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFile

from lambent_inference.decoding import decode
from lambent_inference.errors import InvalidImage

MAX = 10_000_000


def saved(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


@pytest.fixture
def picture():
    values = np.random.default_rng(1).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return Image.fromarray(values)


def test_colours_come_out_as_they_were_and_read_only(picture):
    pixels = decode(saved(picture), max_pixels=MAX).pixels
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert not pixels.flags.writeable
    np.testing.assert_array_equal(pixels, np.asarray(picture))


def test_transparency_is_dropped_not_blended(picture):
    clear = picture.copy()
    clear.putalpha(0)
    pixels = decode(saved(clear), max_pixels=MAX).pixels
    np.testing.assert_array_equal(pixels, np.asarray(picture))


def test_a_palette_with_a_transparent_colour(picture):
    palette = picture.quantize(8)
    pixels = decode(saved(palette, transparency=0), max_pixels=MAX).pixels
    np.testing.assert_array_equal(pixels, np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_becomes_three_equal_channels(picture, mode):
    pixels = decode(saved(picture.convert(mode)), max_pixels=MAX).pixels
    assert pixels.shape == (6, 9, 3)
    assert (pixels[..., 0] == pixels[..., 1]).all()
    assert (pixels[..., 0] == pixels[..., 2]).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_cut_to_the_high_eight(kind):
    values = np.array([[0, 255, 256, 65535], [1000, 2000, 30000, 40000]], np.uint16)
    pixels = decode(saved(Image.fromarray(values), kind), max_pixels=MAX).pixels
    np.testing.assert_array_equal(pixels[..., 1], values >> 8)


def test_cmyk_is_converted(picture):
    flat = Image.new("RGB", (16, 16), (200, 40, 90)).convert("CMYK")
    pixels = decode(saved(flat, "JPEG", quality=100), max_pixels=MAX).pixels
    assert np.abs(pixels.astype(int) - (200, 40, 90)).max() <= 3


def test_the_first_frame_of_an_animation(picture):
    other = Image.new("RGB", picture.size, (1, 2, 3))
    data = saved(picture, "WEBP", save_all=True, append_images=[other], lossless=True)
    np.testing.assert_array_equal(decode(data, max_pixels=MAX).pixels, np.asarray(picture))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_unless_switched_off(picture, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(picture, exif=exif)
    width, height = (6, 9) if orientation >= 5 else (9, 6)
    turned = decode(data, max_pixels=MAX)
    assert (turned.width, turned.height) == (width, height)
    # Where the first pixel goes, by the table of the Exif standard.
    corner = {
        1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0),
        5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0),
    }[orientation]  # fmt: skip
    np.testing.assert_array_equal(turned.pixels[corner], np.asarray(picture)[0, 0])
    np.testing.assert_array_equal(
        decode(data, orient=False, max_pixels=MAX).pixels, np.asarray(picture)
    )


@pytest.mark.parametrize(
    "data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff\xe0" + b"\0" * 40]
)
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(InvalidImage) as refused:
        decode(data, max_pixels=MAX)
    assert refused.value.status == 400
    assert refused.value.message.startswith("Could not load input image. Cause: Could not decode")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_half_a_picture_is_refused(kind):
    noise = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), kind)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    with pytest.raises(InvalidImage):
        decode(data[: len(data) // 2], max_pixels=MAX)


def test_a_format_that_would_run_another_program_is_refused():
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    with pytest.raises(InvalidImage):
        decode(eps, max_pixels=MAX)


def test_a_small_file_that_claims_to_be_huge_is_refused_before_it_is_decoded():
    data = saved(Image.new("1", (20_000, 20_000)))
    assert len(data) < 100_000
    with pytest.raises(InvalidImage, match="20000x20000"):
        decode(data, max_pixels=100_000_000)
