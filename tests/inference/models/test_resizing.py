"""Golden pixels: the answers of OpenCV's `resize` (INTER_LINEAR) on pictures made from a formula."""

import hashlib

import numpy as np
import pytest

from lambent_inference.models.resizing import resize


def picture(width: int, height: int) -> np.ndarray:
    """Every pixel differs from its neighbours, and no generator is involved."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3].astype(np.int64)
    return ((x * 31 + y * 57 + c * 101 + x * y * 7) % 256).astype(np.uint8)


# Size before, size after, start of the sha256 of the bytes that OpenCV 5.0 answers.
GOLDEN = [
    ((640, 480), (320, 320), "b2fa94540a7a1df7"),
    ((1920, 1080), (640, 640), "5145506d96bb73d6"),
    ((1920, 1080), (640, 360), "c8bee1064c3e2b25"),
    ((100, 80), (640, 640), "cc8ddf2fef10040e"),
    ((640, 640), (320, 320), "0e5f386d4a722299"),
    ((17, 5), (64, 64), "f3c3f658191802b1"),
    ((333, 517), (412, 640), "782c99ba101ba7c8"),
    ((3000, 11), (224, 224), "403dbe2beeb0dc5d"),
    ((1, 1), (7, 5), "156e53f31ce2e1d6"),
    ((2, 3), (1, 1), "7e5e222d235c4ea3"),
    ((1281, 1280), (640, 640), "5aa4bf464d82bc76"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after", "digest"), GOLDEN)
def test_equal_to_the_original_to_the_last_bit(before, after, digest):
    resized = resize(picture(*before), *after)
    assert resized.shape == (after[1], after[0], 3)
    assert resized.flags.c_contiguous
    assert hashlib.sha256(resized.tobytes()).hexdigest()[:16] == digest
    padded = np.dstack([picture(*before), np.full(before[::-1], 255, np.uint8)])
    assert (resize(padded, *after)[..., :3] == resized).all()


def test_a_picture_of_the_wanted_size_is_not_copied():
    before = picture(32, 16)
    assert resize(before, 32, 16) is before


def test_a_flat_picture_stays_flat():
    for value in (0, 1, 127, 254, 255):
        flat = np.full((37, 91, 3), value, np.uint8)
        for size in ((64, 64), (10, 3), (200, 111)):
            assert (resize(flat, *size) == value).all()
