"""Outlines and run lengths, against OpenCV's contours and against COCO's format undone."""

import cv2
import numpy as np
import pytest

from lambent_inference.models import masks


def unpacked(text: str, height: int, width: int) -> np.ndarray:
    """COCO's string back to a mask, by the format's description."""
    lengths: list[int] = []
    place = 0
    while place < len(text):
        value = shift = 0
        more = True
        while more:
            bits = ord(text[place]) - 48
            value |= (bits & 0x1F) << shift
            more = bool(bits & 0x20)
            place += 1
            shift += 5
            if not more and bits & 0x10:
                value |= -1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
    flat = np.repeat(np.arange(len(lengths)) % 2, lengths).astype(bool)
    return flat.reshape((height, width), order="F")


@pytest.fixture(params=range(60))
def mask(request):
    random = np.random.default_rng(request.param)
    height, width = random.integers(1, 40, 2)
    noise = random.random((height, width)).astype(np.float32)
    if request.param % 2:  # pieces with holes
        return cv2.GaussianBlur(noise, (7, 7), 0) > 0.5
    return noise < random.choice([0.1, 0.5, 0.9])


def test_outlines_are_opencvs(mask):
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    expected = [[tuple(point) for point in one[:, 0].tolist()] for one in found]
    assert masks.outlines(mask) == expected
    if expected:
        longest = int(np.argmax([len(one) for one in expected]))  # the first of equals
        assert masks.outline(mask) == expected[longest]


def test_run_lengths_come_back_as_the_mask(mask):
    np.testing.assert_array_equal(unpacked(masks.rle(mask), *mask.shape), mask)


def test_known_answers():
    square = np.zeros((6, 8), bool)
    square[1:4, 2:6] = True
    assert masks.outline(square) == [(2, 1), (2, 3), (5, 3), (5, 1)]
    assert masks.run_lengths(square) == [13, 3, 3, 3, 3, 3, 3, 3, 14]
    assert masks.outline(np.zeros((3, 3), bool)) == []
    assert masks.run_lengths(np.ones((2, 2), bool)) == [0, 4]
    assert masks.rle(np.ones((2, 2), bool)) == "04"


def test_of_equals_the_one_that_opencv_finds_first():
    two = np.zeros((20, 20), bool)
    two[1:4, 1:4] = two[10:15, 5:12] = True
    assert masks.outline(two) == [(5, 10), (5, 14), (11, 14), (11, 10)]


def test_of_several_pieces_the_longest_outline():
    two = np.zeros((20, 20), bool)
    two[0, 0] = True
    two[5:12, 5:12] = True
    assert masks.outline(two) == [(5, 5), (5, 11), (11, 11), (11, 5)]
